"""Who may use an embedded replica, and when the last of them has left."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from node.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.errors import CausalKVError


class Gate:
    """Around each use of a replica: ``with gate:``. Open from the start on; safe from any thread.

    Entering raises UnavailableError when the replica is closed, has failed, or belongs to the parent process.
    """

    def __init__(self, failure: Callable[[], CausalKVError | None]) -> None:
        """``failure`` says why the replica cannot go on, if so."""
        self._failure = failure
        self._process = os.getpid()
        self._left = threading.Condition(threading.Lock())
        self._inside = 0
        self._is_closed = False

    @property
    def is_foreign(self) -> bool:
        """Whether this is another process than the replica's: a fork has none of its threads."""
        return os.getpid() != self._process

    @property
    def is_closed(self) -> bool:
        """Whether nobody may enter any more."""
        return self._is_closed

    def __enter__(self) -> None:
        # Before the lock, which a fork may have copied while it was held.
        if self.is_foreign:
            raise UnavailableError("this replica runs in the parent process: open one of its own in each process")
        with self._left:
            if self._is_closed:
                raise UnavailableError("this replica is closed")
            if (failure := self._failure()) is not None:
                raise UnavailableError(f"this replica has stopped: {failure}")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._left:
            self._inside -= 1
            if not self._inside:
                self._left.notify_all()

    def close(self) -> None:
        """Let nobody in any more."""
        with self._left:
            self._is_closed = True

    def wait_empty(self, timeout_seconds: float) -> bool:
        """Wait until everybody has left; False when somebody is still there after the timeout."""
        with self._left:
            return self._left.wait_for(lambda: not self._inside, timeout_seconds)
