"""Worker threads for waitress: how many requests are worked on in the same instant, and who waits.

Python runs one thread at a time. Every thread that is ready to run makes the others wait, also the one that owns the
replica, which gives up the global lock and wants it back several times in each commit: behind sixteen busy workers
that takes longer than the disk does. So there are only a few *places* to work at. A thread that is done takes the next
request itself; another one is woken only when a place is free. A thread that has to wait leaves its place meanwhile,
and comes back before new requests begin.

Threads are made when they are needed: ``threads`` at most, and one more for each that is parked, so that any number of
requests which wait for long leaves as many threads for the others as configured. The node bounds those that wait for a
context or an acknowledgement; those that wait for a client which does not read are bounded as connections are.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

import structlog

from node.logs import REPORT_IT

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger("causalkv.http")


class Work(Protocol):
    """A piece of work; a connection with a request is one."""

    def service(self) -> None:
        """Do it."""

    def cancel(self) -> None:
        """Nobody does it any more."""


class _Gate:
    """What a thread sleeps at until another opens it: the cheapest thing in Python that can do so."""

    __slots__ = ("_lock", "open", "pass_through")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.open = self._lock.release
        self.pass_through = self._lock.acquire


class _Worker:
    """A thread's own: where it sleeps, and what it is woken for; nothing: to end."""

    __slots__ = ("gate", "work")

    def __init__(self) -> None:
        self.gate = _Gate()
        self.work: Work | None = None


class Workers:
    """Threads that carry out work, ``running`` at a time; what waitress calls a task dispatcher."""

    def __init__(self, threads: int, running: int) -> None:
        self._base_threads = threads
        self._places = running
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._queue: deque[Work] = deque()
        self._returning: deque[_Gate] = deque()
        self._idle: list[_Worker] = []
        self._threads = 0
        self._parked = 0
        self._is_open = False

    def start(self) -> None:
        """Begin to work."""
        with self._lock:
            self._is_open = True
            self._fill_places()

    def add_task(self, work: Work) -> None:
        """Have it done, after what was added before. The name is waitress's."""
        with self._lock:
            if self._is_open:
                self._queue.append(work)
                self._fill_places()
                return
        work.cancel()

    # --------------------------------------------------------------------------------- waiting

    @contextlib.contextmanager
    def stepped_out(self) -> Iterator[None]:
        """Around a wait of the calling worker that is short: another one works meanwhile."""
        with self._lock:
            self._places += 1
            self._fill_places()
        try:
            yield
        finally:
            self._come_back()

    @contextlib.contextmanager
    def parked(self) -> Iterator[None]:
        """Around a wait of the calling worker that may be long: as above, and it does not count as one of them."""
        with self._lock:
            self._parked += 1
            self._places += 1
            self._fill_places()
        try:
            yield
        finally:
            with self._lock:
                self._parked -= 1
            self._come_back()

    def _come_back(self) -> None:
        with self._lock:
            if self._places > 0:
                self._places -= 1
                return
            gate = _Gate()
            self._returning.append(gate)
        gate.pass_through()

    # --------------------------------------------------------------------------------- looking

    @property
    def threads(self) -> int:
        """How many there are now."""
        return self._threads

    @property
    def queued_requests(self) -> int:
        """Pieces of work that nobody has begun."""
        return len(self._queue)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being worked on or waits for a thread."""
        with self._lock:
            return not self._queue and self._threads == len(self._idle)

    # --------------------------------------------------------------------------------- working

    def _fill_places(self) -> None:
        """Give free places to who comes back, then to new work; with the lock held."""
        while self._places > 0:
            if self._returning:
                self._places -= 1
                self._returning.popleft().open()
                continue
            if not self._queue or not (self._idle or self._hire()):
                return
            self._places -= 1
            # The one that fell asleep last: what it needs is still in the processor's caches.
            self._wake(self._idle.pop(), self._queue.popleft())

    def _hire(self) -> bool:
        """One more thread, where one may be; with the lock held."""
        if not self._is_open or self._threads >= self._base_threads + self._parked:
            return False
        worker = _Worker()
        try:
            name = f"http-worker-{self._threads}"
            threading.Thread(target=self._work, args=(worker,), name=name, daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            # No error of a request: it waits until another thread is done, or the next sweep.
            log.warning(
                "the system gives no more threads for requests: others wait longer",
                threads=self._threads,
                reason=str(error),
                what_to_do="raise the limit of threads or memory for this process (ulimit -u, pids, memory)",
            )
            return False
        self._threads += 1
        self._idle.append(worker)
        return True

    @staticmethod
    def _wake(worker: _Worker, work: Work | None) -> None:
        worker.work = work
        worker.gate.open()

    def _work(self, worker: _Worker) -> None:
        while True:
            worker.gate.pass_through()
            work, worker.work = worker.work, None
            if work is None:
                return
            while work is not None:
                try:
                    work.service()
                except BaseException:  # the thread must not end while the node lives, whatever this was
                    log.exception("a request could not be answered", what_to_do=REPORT_IT)
                work = self._next(worker)

    def _next(self, worker: _Worker) -> Work | None:
        """What a thread that is done does next; nothing: it sleeps, and somebody else may have its place."""
        with self._lock:
            if self._is_open and not self._returning and self._queue:
                return self._queue.popleft()
            self._idle.append(worker)
            self._places += 1
            if not self._is_open:
                self._end_idle(0)
            self._fill_places()
            return None

    # ---------------------------------------------------------------------------------- ending

    def sweep(self) -> None:
        """End threads that nobody is parked for any more, and try again what the system had no room for.

        Called from time to time and not after each wait: ending and starting threads would cost more than most waits.
        """
        with self._lock:
            self._end_idle(self._base_threads + self._parked)
            self._fill_places()

    def _end_idle(self, threads: int) -> None:
        """Until only so many are left, or all are busy; with the lock held."""
        while self._idle and self._threads > threads:
            self._threads -= 1
            self._wake(self._idle.pop(0), None)
        self._ended.notify_all()

    def close(self, timeout_seconds: float) -> None:
        """End the threads; a request still worked on after the timeout is left to itself, and none is begun."""
        deadline = time.monotonic() + timeout_seconds
        with self._lock:
            self._is_open = False
            self._end_idle(0)
            while self._threads and (left := deadline - time.monotonic()) > 0:
                self._ended.wait(left)
            cancelled = list(self._queue)
            self._queue.clear()
        for work in cancelled:
            work.cancel()
