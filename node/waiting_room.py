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


_REPLICAS_SHOWN_MAX = 5


def _nothing() -> None:
    """Nobody counts."""


def _everybody(_replica: str) -> bool:
    """No replica is a stranger."""
    return True


class _Waiter:
    __slots__ = ("context", "reached")

    def __init__(self, context: VectorClock) -> None:
        self.context = context
        self.reached = threading.Event()


class WaitingRoom:
    """Holds the node's published clock and those who wait for more; safe from any thread."""

    def __init__(self, clock: VectorClock, max_requests: int, limit_reached: Callable[[], None] = _nothing) -> None:
        """``limit_reached`` is called for each request that finds ``max_requests`` others waiting.

        ``has_heard_of`` may be set to what says whether a replica is known, to tell a client when it is not.
        """
        self.has_heard_of: Callable[[str], bool] = _everybody
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
            raise self.not_reached(self._clock.missing(context), timeout_seconds)
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
            raise self.not_reached(missing, timeout_seconds)

    def not_reached(self, missing: dict[str, SequenceRange], timeout_seconds: float) -> ContextNotReachedError:
        """The error of a request that has waited for so long, naming what is missing and which names mean nothing."""
        unknown = [name for name in missing if name not in self._clock and not self.has_heard_of(name)]
        return ContextNotReachedError(_words(missing, unknown, timeout_seconds), missing, unknown)

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


def _words(missing: dict[str, SequenceRange], unknown: list[str], timeout_seconds: float) -> str:
    parts = [
        f"{replica}:{dots.first}" if dots.first == dots.last else f"{replica}:{dots.first} to {replica}:{dots.last}"
        for replica, dots in missing.items()
    ]
    waited = f"after waiting {timeout_seconds:g} s" if timeout_seconds > 0 else "and the request may not wait"
    text = (
        f"this node has not applied {_listed(parts, 'writes of {} more replicas')} yet, which this client has seen, "
        f"{waited}: try again, try another node, or allow a longer X-Causal-Wait"
    )
    if not unknown:
        return text
    return (
        f"{text}; this node has never heard of {_listed(unknown, '{} more replicas')}, so the token may be of another "
        "cluster or of data that was deleted: if so, send none"
    )


def _listed(names: list[str], more: str) -> str:
    left = len(names) - _REPLICAS_SHOWN_MAX
    return ", ".join(names[:_REPLICAS_SHOWN_MAX]) + (f" and {more.format(left)}" if left > 0 else "")
