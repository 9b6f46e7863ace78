"""What a request asks of the replica's thread, and where it sleeps until the answer is durable."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from node.core.write import Write
from node.errors import InvalidRequestError, OutcomeUnknownError, UnavailableError

if TYPE_CHECKING:
    from node.ack_room import AckWaiter
    from node.core.conditions import Condition
    from node.core.vector_clock import VectorClock
    from node.core.write import Operation
    from node.errors import CausalKVError

T = TypeVar("T")


class _Asked(Generic[T]):
    """A question and its answer.

    A bare lock is the cheapest thing in Python that one thread can sleep on and another can open.
    """

    __slots__ = ("_answer", "_answered", "_error")

    def __init__(self) -> None:
        self._answer: T | None = None
        self._error: CausalKVError | None = None
        self._answered = threading.Lock()
        self._answered.acquire()

    def succeed(self, answer: T) -> None:
        """It is done, durably."""
        self._answer = answer
        self._answered.release()

    def fail(self, error: CausalKVError) -> None:
        """It was not done, or nobody knows; an answer that was given before stands."""
        if self._answer is not None or self._error is not None:
            return
        self._error = error
        self._answered.release()

    def result(self, timeout_seconds: float) -> T:
        """The answer, once it is durable; raises why there is none."""
        if not self._answered.acquire(timeout=timeout_seconds):
            raise OutcomeUnknownError(
                f"the local store did not commit within {timeout_seconds:g} s: the write may still take effect; "
                "read before writing again"
            )
        if self._answer is None:
            raise self._error or UnavailableError("the write was not made")
        return self._answer


class Submission(_Asked[Write]):
    """A local write; a ``waiter`` is to be told how far it is beyond this node."""

    __slots__ = ("condition", "context", "operations", "request_id", "waiter")

    def __init__(
        self,
        operations: tuple[Operation, ...],
        context: VectorClock,
        waiter: AckWaiter | None = None,
        request_id: str = "",
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        self.operations = operations
        self.context = context
        self.waiter = waiter
        self.request_id = request_id
        self.condition = condition


class Removal(_Asked[str]):
    """An operator takes ``node`` out of the cluster; ``forced``: also while it is alive. The answer names it."""

    __slots__ = ("forced", "node")

    def __init__(self, node: str, *, forced: bool) -> None:
        super().__init__()
        self.node = node
        self.forced = forced

    def answer(self, refusal: str | None) -> None:
        """It is out, or ``refusal`` says why not."""
        if refusal is None:
            self.succeed(self.node)
        else:
            self.fail(InvalidRequestError(refusal))
