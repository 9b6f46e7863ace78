"""Worker threads for waitress that do not run out when requests wait.

A request that waits for its causal context holds its thread. While it does, one more thread works, so
that any number of waiting requests (the node bounds it) leaves as many threads for the others as configured.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

import structlog
from waitress.task import ThreadedTaskDispatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = structlog.get_logger("causalkv.http")

# waitress warns through this logger for each request that finds no idle thread, which under load is each request.
_quiet = logging.getLogger("node.http.queue")
_quiet.disabled = True


class Workers(ThreadedTaskDispatcher):
    """``threads`` worker threads, plus one for each that is parked."""

    queue_logger = _quiet

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._base_threads = threads
        self._parked = 0
        self._open = False
        self._counting = threading.Lock()

    def start(self) -> None:
        """Begin to work."""
        self._open = True
        self.set_thread_count(self._base_threads)

    @contextlib.contextmanager
    def parked(self) -> Iterator[None]:
        """Around a wait of the calling worker thread: another one takes its place."""
        with self._counting:
            self._parked += 1
            wanted = self._base_threads + self._parked
            if self._open and wanted > self._running:
                self.set_thread_count(wanted)
        try:
            yield
        finally:
            with self._counting:
                self._parked -= 1

    def trim(self) -> None:
        """End the threads that nobody is parked for any more.

        Called from time to time and not after each wait: ending and starting threads would cost more than most waits.
        """
        with self._counting:
            wanted = self._base_threads + self._parked
            if self._open and wanted < self._running:
                self.set_thread_count(wanted)

    @property
    def _running(self) -> int:
        with self.lock:
            return len(self.threads) - self.stop_count

    @property
    def idle(self) -> bool:
        """Whether no request is being worked on or waits for a thread."""
        with self.lock:
            return not self.queue and self.active_count <= 0

    def start_new_thread(self, target: Callable[[int], object], thread_no: int) -> None:
        """Start a thread; called with the lock held. A system without room for one more is no error of a request."""
        try:
            super().start_new_thread(target, thread_no)
        except RuntimeError as error:
            # What the caller counts on top of this must come to nothing.
            self.threads.discard(thread_no)
            self.active_count -= 1
            log.warning("no more threads for requests: others wait longer", threads=len(self.threads), error=str(error))

    def close(self, timeout_seconds: float) -> None:
        """End the threads; a request still worked on after the timeout is left to itself."""
        with self._counting:
            self._open = False
        # The stub says int; it is added to a time.
        self.shutdown(cancel_pending=True, timeout=timeout_seconds)  # type: ignore[arg-type]
