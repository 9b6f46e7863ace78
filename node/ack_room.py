"""Writers who want to know that a write is safe beyond this disk: at the broker, or at every member.

They wait here after their write is durable. What has been reached when their time is over is their answer, too:
nothing that is said here loses or undoes a write.
"""

from __future__ import annotations

import enum
import threading
from typing import TYPE_CHECKING, Literal

from node.errors import LimitReachedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.dot import Dot
    from node.core.replica import Replica


class AckLevel(enum.IntEnum):
    """How far a write must have come before it is answered."""

    LOCAL = 0
    """On this node's disk."""
    BROKER = 1
    """In every member's queue, durably, by the broker's word."""
    ALL = 2
    """Applied by every member."""

    @property
    def word(self) -> Literal["local", "broker", "all"]:
        """The level's name in requests and answers."""
        return _WORDS[self]


_WORDS: dict[AckLevel, Literal["local", "broker", "all"]] = {
    AckLevel.LOCAL: "local",
    AckLevel.BROKER: "broker",
    AckLevel.ALL: "all",
}


class AckWaiter:
    """A write that somebody wants to be at ``level``; ``reached`` is how far it is.

    ``dot`` is its name, None until it is made.
    """

    __slots__ = ("_arrived", "dot", "level", "reached")

    def __init__(self, level: AckLevel) -> None:
        self.dot: Dot | None = None
        self.level = level
        self.reached = AckLevel.LOCAL
        self._arrived = threading.Event()

    def advance(self, reached: AckLevel) -> None:
        """The write has come so far."""
        self.reached = max(self.reached, reached)
        if self.reached >= self.level:
            self._arrived.set()

    def let_go(self) -> None:
        """Nobody can say any more how far the write comes."""
        self._arrived.set()

    def wait(self, timeout_seconds: float) -> AckLevel:
        """The level that is reached: the one that was asked for, or what it is after the timeout."""
        self._arrived.wait(timeout_seconds)
        return self.reached


class AckRoom:
    """All that wait; the replica's thread watches, the requests' threads wait."""

    def __init__(self, max_requests: int, limit_reached: Callable[[], None]) -> None:
        """``limit_reached`` is called for each request that finds ``max_requests`` others waiting."""
        self._lock = threading.Lock()
        self._max_requests = max_requests
        self._limit_reached = limit_reached
        self._waiters: set[AckWaiter] = set()
        self._closed = False

    @property
    def waiting_requests(self) -> int:
        """Requests that wait now, or will once their write is made."""
        return len(self._waiters)

    def admit(self, level: AckLevel) -> AckWaiter:
        """A place for one request, taken before its write is made; whoever has it must ``leave``, whatever happens.

        Raises LimitReachedError when no more requests may wait.
        """
        waiter = AckWaiter(level)
        with self._lock:
            if len(self._waiters) < self._max_requests:
                self._waiters.add(waiter)
                if self._closed:
                    waiter.let_go()
                return waiter
        self._limit_reached()
        raise LimitReachedError(
            f"{self._max_requests} requests wait for an acknowledgement level here already: ask for ack=local, "
            "try another node, or later"
        )

    def watch(self, waiter: AckWaiter, dot: Dot) -> None:
        """The write is made: from now on watch how far it is; on the replica's thread, before anything is known of it.

        Nothing is watched for a request that has left meanwhile.
        """
        with self._lock:
            if waiter in self._waiters:
                waiter.dot = dot

    def leave(self, waiter: AckWaiter) -> None:
        """Nobody waits for this any more."""
        with self._lock:
            self._waiters.discard(waiter)

    def advance(self, replica: Replica) -> None:
        """Something was confirmed, or a member told its clock; on the replica's thread."""
        if self._waiters:
            with self._lock:
                waiters = list(self._waiters)
            for waiter in waiters:
                if waiter.dot is not None:
                    waiter.advance(_level_of(waiter.dot, replica))

    def close(self) -> None:
        """The node stops: nobody waits any more."""
        with self._lock:
            self._closed = True
            for waiter in self._waiters:
                waiter.let_go()


def _level_of(dot: Dot, replica: Replica) -> AckLevel:
    if replica.members.has_everywhere(dot):
        return AckLevel.ALL
    unconfirmed_after = replica.publishing.kept_from(dot.replica)
    if unconfirmed_after is None or dot.seq <= unconfirmed_after:
        return AckLevel.BROKER
    return AckLevel.LOCAL
