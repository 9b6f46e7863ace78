"""What a replica does beside its writes, so that nothing stays lost, nothing sticks, and nothing grows for ever.

It tells its clock, asks for what is missing, gives what others miss, asks whether its name is safe, and forgets what
every member has. Control messages are heard here; none of them is believed further than it must be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.catching_up import CatchUp
from node.core.control import (
    ClockTold,
    HelloSeen,
    MemberChange,
    RepairGiven,
    RepairWanted,
    SnapshotGiven,
    SnapshotWanted,
)
from node.core.dot import node_id_of
from node.core.effects import (
    Distrusted,
    Effect,
    GiveSnapshot,
    IncarnationTaken,
    MembersChanged,
    PeerTold,
    RemovalAnswered,
    SnapshotAdopted,
    Tell,
)
from node.core.history_trimming import HistoryTrimming
from node.core.identity import IdentityLimits
from node.core.members import MemberLimits, Members
from node.core.naming import Naming
from node.core.repair import Repairer, RepairLimits
from node.core.snapshot import SnapshotLimits, SnapshotTaker
from node.core.vector_clock import VectorClock

if TYPE_CHECKING:
    from node.core.events import AskEverybody, ControlUp, Heard, RemoveMember, Tick
    from node.core.naming import Start
    from node.core.replica import Replica
    from node.core.state import ReplicaState, SavedReplica

NOTHING_ASKED = VectorClock()


class _Asker(NamedTuple):
    """A node that waits, from steady time ``since_ms`` on, until this replica has applied what it wants."""

    node: str
    wanted: VectorClock
    since_ms: int


class AntiEntropyLimits(NamedTuple):
    """How often a clock is told, and the bounds of the parts."""

    tell_ms: int = 1_000
    save_members_ms: int = 60_000
    awaiting_max: int = 1_000
    awaiting_ms: int = 60_000
    """Nobody waits longer for an answer: what was asked for may never come."""
    history_keep_writes: int = 10_000
    """Stable writes of each replica that are kept all the same, for those who want to see what happened."""
    history_max_writes: int = 10_000_000
    """Beyond so many kept writes, a member that is not alive holds back nothing."""
    identity: IdentityLimits = IdentityLimits()
    members: MemberLimits = MemberLimits()
    repair: RepairLimits = RepairLimits()
    snapshot: SnapshotLimits = SnapshotLimits()


class AntiEntropy:
    """The part of a replica that talks with its peers about what they have."""

    def __init__(self, replica: Replica, saved: SavedReplica, limits: AntiEntropyLimits, start: Start) -> None:
        self._replica = replica
        self._limits = limits
        self._start = start
        self._node = node_id_of(saved.replica)
        self.members = Members(self._node, start.founding, saved.members, limits.members, start.steady_ms)
        self.trimming = HistoryTrimming(saved.trimmed, limits.history_keep_writes, limits.history_max_writes)
        self.catch_up = CatchUp(
            replica,
            self.trimming,
            Repairer(limits.repair, start.new_name),
            SnapshotTaker(limits.snapshot, start.new_name),
            limits.repair,
        )
        self.naming = Naming(replica, self.members, limits.identity, start)
        self._awaiting: list[_Asker] = []
        self._answered_clock: VectorClock | None = None
        self._swept_clock = saved.clock
        self._told_ms: int | None = None
        self._members_saved_ms = start.steady_ms
        self._wall_ms = 0

    def learn_from(self, other: AntiEntropy, *, is_same: bool) -> None:
        """Take over what another object knew of the peers; ``is_same``: its replica wrote under the same name."""
        self.members.learn_from(other.members)
        self.catch_up.repairer = other.catch_up.repairer
        self._awaiting, self._told_ms = other._awaiting, other._told_ms
        self._wall_ms = other._wall_ms
        self.naming.learn_from(other.naming, is_same=is_same)

    # ------------------------------------------------------------------------------- telling

    def control_up(self, event: ControlUp, state: ReplicaState) -> list[Effect]:
        """Control messages pass: tell where this replica is, and ask the others."""
        del event, state
        return [self._told(asks=NOTHING_ASKED)]

    def ask_everybody(self, event: AskEverybody, state: ReplicaState) -> list[Effect]:
        """Everybody is to say when it has applied the own writes up to a number."""
        del state
        self._wall_ms = event.wall_ms
        return [self._told(asks=VectorClock({event.dot.replica: event.dot.seq}))]

    def _told(self, target: str | None = None, asks: VectorClock | None = None) -> Tell:
        return Tell(
            target,
            ClockTold(
                self._replica.replica,
                self._start.session,
                self._replica.clock,
                self.trimming.trimmed,
                self.members.changes,
                self._start.url,
                self._wall_ms,
                asks,
            ),
        )

    def end_transaction(self) -> list[Effect]:
        """Answer those who wait for what is applied now."""
        # While nothing is applied the clock stays the same object.
        if not self._awaiting or self._replica.clock is self._answered_clock:
            return []
        self._answered_clock = clock = self._replica.clock
        ready = {asker.node for asker in self._awaiting if asker.wanted <= clock}
        if not ready:
            return []
        self._awaiting = [asker for asker in self._awaiting if not asker.wanted <= clock]
        return [self._told(node) for node in sorted(ready)]

    # ------------------------------------------------------------------------- as time passes

    def tick(self, event: Tick, state: ReplicaState) -> list[Effect]:
        """Everything that is due by now."""
        now_ms, self._wall_ms = event.steady_ms, event.wall_ms
        effects = self.naming.pursue(now_ms, state)
        if self._told_ms is None or now_ms - self._told_ms >= self._limits.tell_ms:
            self._told_ms = now_ms
            effects.append(self._told())
        self._replica.delivery.look_through_shelf(state, effects)
        effects += self.catch_up.pursue(now_ms)
        self._awaiting = [asker for asker in self._awaiting if now_ms - asker.since_ms < self._limits.awaiting_ms]
        self._trim(now_ms, state)
        if now_ms - self._members_saved_ms >= self._limits.save_members_ms:
            self._save_members(now_ms, state)
        if self._replica.publishing.is_unsaved:
            self._replica.save_position(state)
        return effects

    def _trim(self, now_ms: int, state: ReplicaState) -> None:
        swept_clock, self._swept_clock = self._swept_clock, self._replica.clock
        if not self.trimming.sweep(state, swept_clock.missing_writes(self._swept_clock)):
            self.trimming.aim(self._replica, self.members, now_ms, state)

    def _save_members(self, now_ms: int, state: ReplicaState) -> None:
        self._members_saved_ms = now_ms
        state.save_members(self.members.saved(now_ms))

    # -------------------------------------------------------------------------------- hearing

    def hear(self, event: Heard, state: ReplicaState) -> list[Effect]:  # noqa: PLR0911  # one for each kind of message
        """A control message came."""
        self._wall_ms = event.wall_ms
        message = event.message
        if node_id_of(message.sender) == self._node:
            effects = self.naming.hear_twin(message, state)
            is_renamed = any(isinstance(effect, IncarnationTaken) for effect in effects)
            return [*effects, self._told()] if is_renamed else effects
        match message:
            case ClockTold():
                return self._hear_clock(message, event, state)
            case HelloSeen():
                return self.naming.hear_answer(message, state)
            case RepairWanted():
                return self.catch_up.give_repair(message, state)
            case RepairGiven():
                return self.catch_up.take_repair(message, event, state)
            case SnapshotWanted():
                return [GiveSnapshot(node_id_of(message.sender), message)]
            case SnapshotGiven():
                effects = self.catch_up.take_snapshot(message, event.steady_ms, state)
                is_done = any(isinstance(effect, SnapshotAdopted) for effect in effects)
                return [*effects, self._told()] if is_done else effects

    def _hear_clock(self, told: ClockTold, event: Heard, state: ReplicaState) -> list[Effect]:
        if self._replica.would_outgrow(set(told.clock)):
            return [Distrusted(told.sender, "its clock names too many replicas")]
        effects = self._replica.note_own(told.clock[self._replica.replica], state)
        if self.members.heard(told, event.steady_ms, event.wall_ms):
            effects += self._members_changed(event.steady_ms, state)
        effects += self.naming.settle_if_answered()
        node = node_id_of(told.sender)
        effects.append(PeerTold(node))
        if told.asks is not None:
            effects += self._answer(node, told.asks, event.steady_ms)
        return effects

    def _answer(self, node: str, asks: VectorClock, now_ms: int) -> list[Effect]:
        if asks <= self._replica.clock:
            return [self._told(node)]
        if len(self._awaiting) < self._limits.awaiting_max:
            # Those beyond learn it from the next clock that is told to everybody.
            self._awaiting.append(_Asker(node, asks, now_ms))
        return []

    def _members_changed(self, now_ms: int, state: ReplicaState, removed: str | None = None) -> list[Effect]:
        own = next((change for change in self.members.changes if change.node == self._node), None)
        is_of_another = own is not None and not own.is_member and own.replica != self._replica.replica
        if own is not None and is_of_another and self._start.is_new:
            # It was its predecessor, with another data directory, that was taken out: this one joins.
            self.members.change(MemberChange(self._node, max(self._wall_ms, own.at_ms + 1), is_member=True))
        self._save_members(now_ms, state)
        return [MembersChanged(self.members.nodes, removed)]

    # ------------------------------------------------------------------------------- members

    def remove_member(self, event: RemoveMember, state: ReplicaState) -> list[Effect]:
        """An operator takes a node out."""
        self._wall_ms = event.wall_ms
        refusal = self._why_not_remove(event)
        if refusal is not None:
            return [RemovalAnswered(event.request, refusal)]
        known = max((change.at_ms for change in self.members.changes if change.node == event.node), default=0)
        peer = self.members.peers.get(event.node)
        name = "" if peer is None else peer.replica
        self.members.change(MemberChange(event.node, max(event.wall_ms, known + 1), is_member=False, replica=name))
        effects = self._members_changed(event.steady_ms, state, removed=event.node)
        return [*effects, RemovalAnswered(event.request, None), self._told()]

    def _why_not_remove(self, event: RemoveMember) -> str | None:
        if event.node == self._node:
            return f"{event.node} cannot remove itself: ask another node"
        if event.node not in self.members.nodes:
            return f"{event.node} is no member: the members are {', '.join(sorted(self.members.nodes))}"
        if self.members.is_alive(event.node, event.steady_ms) and not event.forced:
            return f"{event.node} is alive: stop it first, or force the removal"
        return None
