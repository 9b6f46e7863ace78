"""Ending the time of versions: an expiry is a write like any other, a delete of exactly that version.

No node decides alone that a value is gone: nodes that each went by their own clock would disagree for ever. The node
that took the put issues the expiry; when it stays away, the first of the members that live does. Should two of
them do so, the second changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.dot import node_id_of
from node.core.write import Expire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.dot import Dot
    from node.core.effects import Effect
    from node.core.local_writes import LocalWrites
    from node.core.replica import Replica
    from node.core.state import ReplicaState


class Expiring(NamedTuple):
    """Version ``dot`` of ``key`` ends at ``expires_ms``, in hybrid time."""

    expires_ms: int
    dot: Dot
    key: str


class ExpiryLimits(NamedTuple):
    """How long others leave an expiry to the node that took the put, and how much is done at a tick."""

    grace_ms: int = 10_000
    look_max: int = 1_000
    write_max_operations: int = 250
    others_ms: int = 1_000


class Expiry:
    """The part of a replica that ends the time of versions."""

    def __init__(self, replica: Replica, local_writes: LocalWrites, limits: ExpiryLimits) -> None:
        self._replica = replica
        self._local_writes = local_writes
        self._limits = limits
        self._node = node_id_of(replica.replica)
        self._looked_ms: int | None = None
        # What is left to another node, or cannot be written now, stays where it is: by node, the last one looked at.
        self._seen: dict[str, Expiring] = {}

    def pursue(self, now_ms: int, wall_ms: int, state: ReplicaState) -> list[Effect]:
        """Issue what is due, for this node and for those that stay away."""
        effects = self._look_after(self._node, wall_ms, wall_ms, state, is_ours=True)
        if self._looked_ms is None or now_ms - self._looked_ms >= self._limits.others_ms:
            self._looked_ms = now_ms
            until_ms, is_first = wall_ms - self._limits.grace_ms, self._is_first(now_ms)
            for node in sorted({node_id_of(name) for name in self._replica.delivery.applied} - {self._node}):
                is_ours = is_first and not self._replica.members.is_alive(node, now_ms)
                effects += self._look_after(node, until_ms, wall_ms, state, is_ours=is_ours)
        return effects

    def _is_first(self, now_ms: int) -> bool:
        """Whether this node is the first of the members that live, so that mostly one of them acts."""
        members = self._replica.members
        return all(other > self._node or not members.is_alive(other, now_ms) for other in members.others)

    def _look_after(
        self, node: str, until_ms: int, wall_ms: int, state: ReplicaState, *, is_ours: bool
    ) -> list[Effect]:
        """See to some of the versions put at ``node`` that ended before ``until_ms``; the next look goes on behind."""
        due = state.due_expiries(node, self._seen.get(node), max(0, until_ms), self._limits.look_max)
        if len(due) < self._limits.look_max:
            self._seen.pop(node, None)
        else:
            self._seen[node] = due[-1]
        may_forget = self._may_forget()
        there = []
        for expiring in due:
            if _stands(expiring, state):
                there.append(expiring)
            elif may_forget:
                state.forget_expiry(expiring)  # it was overwritten, or has expired
        return self._expire(there, wall_ms, state) if is_ours else []

    def _may_forget(self) -> bool:
        """While a snapshot comes in parts, its versions stand nowhere yet; once it is merged, they have to end."""
        return self._replica.anti_entropy.catch_up.snapshots.progress is None

    def _expire(self, there: Sequence[Expiring], wall_ms: int, state: ReplicaState) -> list[Effect]:
        effects: list[Effect] = []
        size = self._limits.write_max_operations
        for begin in range(0, len(there), size):
            if not self._local_writes.can_make():
                break
            part = there[begin : begin + size]
            self._local_writes.make(tuple(Expire(each.key, each.dot) for each in part), wall_ms, state, effects)
            for expiring in part:
                state.forget_expiry(expiring)
        return effects


def _stands(expiring: Expiring, state: ReplicaState) -> bool:
    """Whether that version is there; a write that puts a key twice has one dot, and the last put's time counts."""
    return any(
        version.dot == expiring.dot and version.expires_ms == expiring.expires_ms
        for version in state.versions(expiring.key)
    )
