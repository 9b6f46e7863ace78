"""What a request asks of the replica's thread, and how it learns that the answer is durable.

Who has nothing else to do sleeps on ``result``. Waking threads one by one costs more than a write: a server leaves word
with ``then``, and goes on when a whole commit is answered.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from node.core.write import Write
from node.errors import InvalidRequestError, OutcomeUnknownError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.ack_room import AckWaiter
    from node.core.conditions import Condition
    from node.core.vector_clock import VectorClock
    from node.core.write import Operation
    from node.errors import CausalKVError

T = TypeVar("T")


class _Asked(Generic[T]):
    """A question and its answer.

    A bare lock is the cheapest thing in Python that one thread can sleep on and another can open. An answer is given
    once, whoever comes first: taking the one thing out of a list is what no two threads can both do.
    """

    __slots__ = ("_answer", "_answered", "_error", "_then", "_to_answer")

    def __init__(self) -> None:
        self._answer: T | None = None
        self._error: CausalKVError | None = None
        self._to_answer = [True]
        self._then: list[Callable[[], None]] = []
        self._answered = threading.Lock()
        self._answered.acquire()

    def succeed(self, answer: T) -> None:
        """It is done, durably; an answer that was given before stands."""
        self._settle(answer, None)

    def fail(self, error: CausalKVError) -> None:
        """It was not done, or nobody knows; an answer that was given before stands."""
        self._settle(None, error)

    def time_out(self, after_seconds: float) -> None:
        """Nobody waits any longer."""
        self.fail(_not_committed(after_seconds))

    def _settle(self, answer: T | None, error: CausalKVError | None) -> None:
        try:
            self._to_answer.pop()
        except IndexError:
            return
        self._answer, self._error = answer, error
        self._answered.release()
        if self._then:
            self._tell()

    def _tell(self) -> None:
        try:
            tell = self._then.pop()
        except IndexError:  # told by the other thread
            return
        tell()

    @property
    def is_answered(self) -> bool:
        """Whether ``result`` returns or raises at once."""
        return self._answer is not None or self._error is not None

    def then(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` when there is an answer, at once or from the thread that gives it; it must be quick."""
        self._then.append(tell)
        if self.is_answered:
            self._tell()

    def wait(self, timeout_seconds: float) -> None:
        """Sleep until there is an answer, which after the timeout is that nobody knows."""
        if not self.is_answered and not self._answered.acquire(timeout=timeout_seconds):
            self.time_out(timeout_seconds)
            self._answered.acquire()  # who was quicker than this may still be about to lay the answer down

    def result(self, timeout_seconds: float) -> T:
        """The answer, once it is durable; raises why there is none."""
        self.wait(timeout_seconds)
        if self._answer is None:
            raise self._error or UnavailableError("the write was not made")
        return self._answer


def _not_committed(after_seconds: float) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"the local store did not commit within {after_seconds:g} s: the write may still take effect; "
        "read before writing again"
    )


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
