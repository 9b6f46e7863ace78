"""A local write on its way to the replica's thread and back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from node.errors import OutcomeUnknownError, UnavailableError

if TYPE_CHECKING:
    from node.core.vector_clock import VectorClock
    from node.core.write import Operation, Write
    from node.errors import CausalKVError


class Submission:
    """What an HTTP thread asks for, and where it sleeps until the answer is durable.

    A bare lock is the cheapest thing in Python that one thread can sleep on and another can open.
    """

    __slots__ = ("_answered", "_error", "_write", "context", "operations")

    def __init__(self, operations: tuple[Operation, ...], context: VectorClock) -> None:
        self.operations = operations
        self.context = context
        self._write: Write | None = None
        self._error: CausalKVError | None = None
        self._answered = threading.Lock()
        self._answered.acquire()

    def succeed(self, write: Write) -> None:
        """The write is durable."""
        self._write = write
        self._answered.release()

    def fail(self, error: CausalKVError) -> None:
        """The write was not made, or nobody knows; an answer that was given before stands."""
        if self._write is not None or self._error is not None:
            return
        self._error = error
        self._answered.release()

    def result(self, timeout_seconds: float) -> Write:
        """The write, once it is durable; raises why it was not made."""
        if not self._answered.acquire(timeout=timeout_seconds):
            raise OutcomeUnknownError(
                f"the local store did not commit within {timeout_seconds:g} s: the write may still take effect; "
                "read before writing again"
            )
        if self._write is None:
            raise self._error or UnavailableError("the write was not made")
        return self._write
