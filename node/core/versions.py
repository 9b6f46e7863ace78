"""Versions of a key: the maximal set, and the one winner that a plain read shows.

A key holds the versions that no other applied write covers (siblings). Because delivery is causal, a
delete leaves nothing behind: whatever it covered is here already, so no tombstone is needed
(Baquero, Almeida, Shoker 2014: pure operation-based types over causal delivery).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.core.dot import Dot
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.vector_clock import VectorClock
    from node.core.write import Put, Write


class Version(NamedTuple):
    """One value of a key, with the name, the clock and the timestamp of the write that put it.

    ``expires_ms``: in hybrid time, when its time is over; 0: never.
    """

    dot: Dot
    clock: VectorClock
    timestamp: HybridTimestamp
    value: bytes
    expires_ms: int = 0


Versions = tuple[Version, ...]
"""The siblings of one key, winner first; empty when the key has no value."""


def rank(version: Version) -> tuple[HybridTimestamp, str]:
    """What decides the winner among siblings: the hybrid timestamp, then the replica id.

    The timestamp never runs backwards along happened-before, so the winner never contradicts causality.
    """
    return version.timestamp, version.dot.replica


def after_put(siblings: Versions, write: Write, operation: Put) -> Versions:
    """The siblings after a delivered put: those its clock covers are gone, the new version is in."""
    dot, clock, timestamp, *_ = write
    expires_ms = timestamp.physical_ms + operation.ttl_ms if operation.ttl_ms else 0
    new = Version(dot, clock, timestamp, operation.value, expires_ms)
    kept = after_delete(siblings, write) if siblings else ()
    return _with(kept, new) if kept else (new,)


def after_addition(siblings: Versions, write: Write) -> Versions:
    """The versions of a set's member after it was added: one that is there means that it is in the set."""
    return _with(after_delete(siblings, write), Version(write.dot, write.clock, write.timestamp, b"null"))


def after_increment(shares: Versions, write: Write, by: int) -> Versions:
    """The shares of a counter after an increment: only that of the write's replica changes.

    A share is the sum of one replica's increments, which are delivered in their order and exactly once. So replicas
    that applied the same writes have the same shares, and of two states the later share of a replica is the one
    whose dot the other state has not seen: ``merged`` holds for counters as it stands.
    """
    others = [share for share in shares if share.dot.replica != write.dot.replica]
    own = sum(int(share.value) for share in shares if share.dot.replica == write.dot.replica)
    return _with(others, Version(write.dot, write.clock, write.timestamp, b"%d" % (own + by)))


def counted(shares: Versions) -> int:
    """What a counter stands at."""
    return sum(int(share.value) for share in shares)


def after_expiry(siblings: Versions, expired: Dot) -> Versions:
    """The siblings after the time of exactly one version was over."""
    return tuple(version for version in siblings if version.dot != expired)


def _with(kept: Iterable[Version], new: Version) -> Versions:
    return tuple(sorted((*kept, new), key=rank, reverse=True))


def after_delete(siblings: Versions, write: Write) -> Versions:
    """The siblings after a delivered delete: only those concurrent with it survive."""
    covers = write.clock.covers
    # A version of this very write (a key named twice in one write) is covered too: the last operation counts.
    return tuple(version for version in siblings if not covers(version.dot))


def merged(here: Versions, known_here: VectorClock, there: Versions, known_there: VectorClock) -> Versions:
    """The siblings of one key in the union of two states, each with the clock of all that it contains.

    A version on one side only was either not known yet on the other side, and stays; or it was, and something that
    replaced it as well, and goes (as in Bieniusa et al. 2012 for sets without tombstones).
    """
    names_here = {version.dot for version in here}
    names_there = {version.dot for version in there}
    kept = [version for version in here if version.dot in names_there or not known_there.covers(version.dot)]
    new = [version for version in there if version.dot not in names_here and not known_here.covers(version.dot)]
    return tuple(sorted((*kept, *new), key=rank, reverse=True))
