"""Remembering requests, so that a client may repeat one whose answer was lost: it is applied once.

A client names a request; the name travels with the write, and every replica that applies the write remembers it. What
is remembered stands in two generations. When the younger one has lasted the time that a request is remembered at
least, the older one is forgotten whole, and a new one is begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from node.core.dot import Dot
    from node.core.state import ReplicaState
    from node.core.vector_clock import VectorClock


class RememberedRequest(NamedTuple):
    """The write that a request came to, its clock, and the digest of what was asked for (``write.fingerprint``)."""

    dot: Dot
    clock: VectorClock
    fingerprint: bytes


class RequestLimits(NamedTuple):
    """How long a request is remembered at least, and how many are."""

    remember_ms: int = 3_600_000
    generation_max: int = 50_000_000


class RequestMemory:
    """Decides when what is remembered is forgotten."""

    def __init__(self, begun_ms: int, limits: RequestLimits) -> None:
        """``begun_ms``: when the younger generation began, by the wall clock."""
        self._begun_ms = begun_ms
        self._limits = limits

    def pursue(self, wall_ms: int, state: ReplicaState) -> None:
        """Begin a new generation when it is time."""
        lasted_ms = wall_ms - self._begun_ms
        if lasted_ms >= self._limits.remember_ms:
            state.forget_older_requests(wall_ms)
            self._begun_ms = wall_ms
        elif lasted_ms < 0:
            # The wall clock was set back: counting from here remembers longer, never shorter.
            self._begun_ms = wall_ms

    def is_full(self, state: ReplicaState) -> bool:
        """Whether no more requests can be remembered before a new generation begins."""
        return state.younger_requests() >= self._limits.generation_max
