"""Who belongs to the cluster, what each member has applied, and what is stable therefore.

A dot is *stable* when every member has applied it: nobody will ask for it again, and history up to the stable cut is
trimmed (Baquero, Almeida, Shoker 2014). A member that says nothing for too long holds the cut back no more; it comes
back by a snapshot. So a mistake here costs a snapshot, never a write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.control import ClockTold, MemberChange
from node.core.dot import node_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from node.core.dot import Dot
    from node.core.vector_clock import VectorClock

NODES_MAX = 256


class Peer(NamedTuple):
    """What a node last told; ``wall_ahead_ms``: how far its wall clock is ahead of the own one."""

    replica: str
    session: str
    clock: VectorClock
    trimmed: VectorClock
    url: str
    wall_ahead_ms: int


class SavedMember(NamedTuple):
    """A node's membership as it survives a restart; ``silent_ms`` is how long it had said nothing by then."""

    node: str
    at_ms: int
    is_member: bool
    silent_ms: int
    replica: str = ""


class MemberLimits(NamedTuple):
    """When a silent member counts as dead to look at, and when it stops holding history."""

    alive_ms: int = 5_000
    away_ms: int = 24 * 3_600_000


class Members:
    """The membership as this node knows it, and the peers' clocks; time comes in with each call.

    Membership is a map from node to its last change, merged by taking the later one: all nodes that talk agree.
    """

    def __init__(
        self, node: str, founding: Iterable[str], saved: Iterable[SavedMember], limits: MemberLimits, now_ms: int
    ) -> None:
        self._node = node
        self._limits = limits
        self._changes = {name: MemberChange(name, 0, is_member=True) for name in (*founding, node)}
        self._silent_since_ms = dict.fromkeys(self._changes, now_ms)
        for name, at_ms, is_member, silent_ms, replica in saved:
            self._changes[name] = MemberChange(name, at_ms, is_member, replica)
            self._silent_since_ms[name] = now_ms - silent_ms
        self._peers: dict[str, Peer] = {}

    # ------------------------------------------------------------------------------- looking

    @property
    def nodes(self) -> list[str]:
        """The members, this node included."""
        return [name for name, change in self._changes.items() if change.is_member]

    @property
    def others(self) -> list[str]:
        """The members but for this node."""
        return [name for name in self.nodes if name != self._node]

    @property
    def removed(self) -> list[str]:
        """The nodes that were taken out."""
        return [name for name, change in self._changes.items() if not change.is_member]

    @property
    def changes(self) -> tuple[MemberChange, ...]:
        """What the others must learn: everything that is not so from the founding on."""
        return tuple(change for change in self._changes.values() if change.at_ms)

    @property
    def peers(self) -> Mapping[str, Peer]:
        """What each node last told, by node id; nodes that were removed included while they talk."""
        return self._peers

    def silent_ms(self, node: str, now_ms: int) -> int:
        """How long a node has said nothing."""
        return now_ms - self._silent_since_ms.get(node, now_ms)

    def is_alive(self, node: str, now_ms: int) -> bool:
        """Whether a node has told its clock lately."""
        return node == self._node or (node in self._peers and self.silent_ms(node, now_ms) < self._limits.alive_ms)

    def is_away(self, node: str, now_ms: int) -> bool:
        """Whether a member was silent for so long that it holds back nothing any more."""
        return node != self._node and self.silent_ms(node, now_ms) >= self._limits.away_ms

    def saved(self, now_ms: int) -> tuple[SavedMember, ...]:
        """What is to survive a restart."""
        return tuple(
            SavedMember(
                name,
                change.at_ms,
                change.is_member,
                0 if name == self._node else self.silent_ms(name, now_ms),
                change.replica,
            )
            for name, change in self._changes.items()
        )

    # ------------------------------------------------------------------------------ learning

    def heard(self, told: ClockTold, now_ms: int, wall_ms: int) -> bool:
        """A peer told its clock and what it knows of members; whether the membership changed here."""
        node = node_id_of(told.sender)
        if node not in self._peers and len(self._peers) >= NODES_MAX:
            return False
        former = self._peers.get(node)
        clock = told.clock
        if former is not None and former.replica == told.sender and former.session == told.session:
            # Messages of one sender may overtake each other: a clock never goes back.
            clock = clock.merge(former.clock)
        self._peers[node] = Peer(told.sender, told.session, clock, told.trimmed, told.url, told.wall_ms - wall_ms)
        # This node is never silent: that is also what counts for whoever joins by what another one tells (``change``).
        self._silent_since_ms[node] = self._silent_since_ms[self._node] = now_ms
        changed = [self.change(change) for change in told.changes]
        if node not in self._changes:
            # Whoever talks is a member until it is removed: a node that joins says no more than its clock.
            changed.append(self.change(MemberChange(node, wall_ms, is_member=True)))
            self._silent_since_ms[node] = now_ms
        return any(changed)

    def learn_from(self, other: Members) -> None:
        """Take over what the peers told another object; of the membership it saved all that counts."""
        self._peers = other._peers
        self._silent_since_ms |= other._silent_since_ms

    def change(self, change: MemberChange) -> bool:
        """Learn of a change; False when it is known, or older than what is known."""
        known = self._changes.get(change.node)
        if known is not None and _order(change) <= _order(known):
            return False
        if known is None and len(self._changes) >= NODES_MAX:
            return False
        self._changes[change.node] = change
        if known is None or (change.is_member and not known.is_member):
            # How long a node was silent before it joined says nothing.
            self._silent_since_ms[change.node] = max(
                self._silent_since_ms.get(change.node, 0), self._silent_since_ms[self._node]
            )
        if not change.is_member:
            self._peers.pop(change.node, None)
        return True

    # ---------------------------------------------------------------------------- stability

    def pinning(self, now_ms: int) -> list[str]:
        """The other members whose clocks hold history back; one that has not spoken yet holds back everything."""
        return [name for name in self.others if not self.is_away(name, now_ms)]

    def stable_count(self, origin: str, applied_count: int, pinning: Iterable[str]) -> int:
        """How many writes of ``origin`` this node and these members have applied, as far as they have said so."""
        counts = [self._peers[name].clock[origin] if name in self._peers else 0 for name in pinning]
        return min((applied_count, *counts))

    def behind(self, applied: Mapping[str, int], now_ms: int) -> dict[str, int]:
        """Where the stable cut is behind ``applied``: how many writes are stable, of each origin of which not all are.

        As ``pinning``: a member that has been away too long is not waited for.
        """
        pinning = self.pinning(now_ms)
        stable = {origin: self.stable_count(origin, count, pinning) for origin, count in applied.items()}
        return {origin: count for origin, count in stable.items() if count < applied[origin]}

    def has_everywhere(self, dot: Dot) -> bool:
        """Whether every other member has told that it has applied a write."""
        return all(name in self._peers and self._peers[name].clock.covers(dot) for name in self.others)


def _order(change: MemberChange) -> tuple[int, bool, str]:
    return change.at_ms, not change.is_member, change.replica
