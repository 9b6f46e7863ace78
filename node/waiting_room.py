"""Requests that wait until this node has applied what their client has seen.

A waiter waits for one missing dot at a time, as held writes do: advancing the clock looks at those waiters
only whose dot has come.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import TYPE_CHECKING

from node.errors import ContextNotReachedError, LimitReachedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.vector_clock import SequenceRange, VectorClock


def _nothing() -> None:
    """Nobody counts."""


class _Waiter:
    __slots__ = ("context", "reached")

    def __init__(self, context: VectorClock) -> None:
        self.context = context
        self.reached = threading.Event()


class WaitingRoom:
    """Holds the node's published clock and those who wait for more; safe from any thread."""

    def __init__(self, clock: VectorClock, max_requests: int, limit_reached: Callable[[], None] = _nothing) -> None:
        """``limit_reached`` is called for each request that finds ``max_requests`` others waiting."""
        self._lock = threading.Lock()
        self._clock = clock
        self._max_requests = max_requests
        self._limit_reached = limit_reached
        self._count = 0
        self._closed = False
        self._by_replica: dict[str, list[tuple[int, int, _Waiter]]] = {}
        self._tie_breaker = itertools.count()

    @property
    def clock(self) -> VectorClock:
        """The writes that are applied and durable here."""
        return self._clock

    @property
    def waiting_requests(self) -> int:
        """Requests that wait now."""
        return self._count

    def close(self) -> None:
        """The node stops: let everybody go who waits, and nobody wait any more."""
        with self._lock:
            self._closed = True
            for queue in self._by_replica.values():
                for _, _, waiter in queue:
                    waiter.reached.set()

    def advance(self, clock: VectorClock) -> None:
        """Publish a later clock and wake those who have waited for it."""
        with self._lock:
            self._clock = clock
            if not self._count:
                return
            for replica in list(self._by_replica):
                queue = self._by_replica[replica]
                while queue and queue[0][0] <= clock[replica]:
                    self._enqueue(heapq.heappop(queue)[2])
                if not queue:
                    del self._by_replica[replica]

    def _enqueue(self, waiter: _Waiter) -> None:
        """Wait for the next missing dot of this waiter, or let it go when there is none."""
        if waiter.reached.is_set():
            return
        missing = self._clock.missing(waiter.context)
        if not missing:
            waiter.reached.set()
            return
        replica, dots = next(iter(missing.items()))
        heapq.heappush(self._by_replica.setdefault(replica, []), (dots.last, next(self._tie_breaker), waiter))

    def wait(self, context: VectorClock, timeout_seconds: float) -> None:
        """Return once ``context`` is applied here.

        Raises ContextNotReachedError after the timeout, LimitReachedError at once when too many wait already,
        UnavailableError when the node stops.
        """
        if context <= self._clock:
            return
        if timeout_seconds <= 0:
            raise _not_reached(self._clock.missing(context), timeout_seconds)
        waiter = _Waiter(context)
        with self._lock:
            if self._closed:
                raise _stopping()
            if self._count >= self._max_requests:
                self._limit_reached()
                raise LimitReachedError(
                    f"{self._max_requests} requests wait for their causal context here already: try another node, or "
                    "later"
                )
            self._count += 1
            self._enqueue(waiter)
        deadline = time.monotonic() + timeout_seconds
        waiter.reached.wait(max(0.0, deadline - time.monotonic()))
        with self._lock:
            self._count -= 1
            # A waiter that gave up stays in its queue until its dot comes; marked, it is dropped there.
            waiter.reached.set()
            missing = self._clock.missing(context)
            closed = self._closed
            if missing:
                self._forget(waiter)
        if missing and closed:
            raise _stopping()
        if missing:
            raise _not_reached(missing, timeout_seconds)

    def _forget(self, waiter: _Waiter) -> None:
        """Take out a waiter that gave up: its dot may never come, and what nobody waits for must not pile up."""
        for replica, queue in list(self._by_replica.items()):
            kept = [entry for entry in queue if entry[2] is not waiter]
            if len(kept) != len(queue):
                heapq.heapify(kept)
                if kept:
                    self._by_replica[replica] = kept
                else:
                    del self._by_replica[replica]


def _stopping() -> UnavailableError:
    return UnavailableError("this node is stopping: use another node")


def _not_reached(missing: dict[str, SequenceRange], timeout_seconds: float) -> ContextNotReachedError:
    parts = [
        f"{replica}:{dots.first}" if dots.first == dots.last else f"{replica}:{dots.first} to {replica}:{dots.last}"
        for replica, dots in list(missing.items())[:5]
    ]
    more = f" and writes of {len(missing) - 5} more replicas" if len(missing) > 5 else ""  # noqa: PLR2004  # as above
    waited = f"after waiting {timeout_seconds:g} s" if timeout_seconds > 0 else "and the request may not wait"
    return ContextNotReachedError(
        f"this node has not applied {', '.join(parts)}{more} yet, which this client has seen, {waited}: "
        "try again, try another node, or allow a longer X-Causal-Wait",
        missing,
    )
