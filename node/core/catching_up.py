"""The exchange in which a replica gets what it lacks, missing writes or a snapshot, and gives others theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.dot import node_id_of
from node.core.effects import (
    Distrusted,
    Effect,
    GiveRepair,
    RepairAsked,
    Repaired,
    SnapshotAdopted,
    SnapshotBegun,
    SnapshotRefused,
    SnapshotStaged,
    Tell,
)
from node.core.repair import View, missing_writes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.core.control import RepairGiven, RepairWanted, SnapshotGiven
    from node.core.events import Heard
    from node.core.history_trimming import HistoryTrimming
    from node.core.members import Peer
    from node.core.repair import Repairer, RepairLimits
    from node.core.replica import Replica
    from node.core.snapshot import SnapshotTaker
    from node.core.state import ReplicaState


class CatchUp:
    """Repair and snapshots of one replica, both ways."""

    def __init__(
        self,
        replica: Replica,
        trimming: HistoryTrimming,
        repairer: Repairer,
        snapshots: SnapshotTaker,
        limits: RepairLimits,
    ) -> None:
        self._replica = replica
        self._trimming = trimming
        self.repairer = repairer
        self.snapshots = snapshots
        self._limits = limits

    def missing_writes(self, now_ms: int) -> int:
        """How many writes exist, as far as is known here, that this replica has not applied."""
        return missing_writes(self._view(self._replica.members.peers, now_ms))

    def _view(self, peers: Mapping[str, Peer], now_ms: int) -> View:
        delivery = self._replica.delivery
        return View(self._replica.replica, delivery.applied, delivery.buffer, peers, now_ms)

    # -------------------------------------------------------------------------------- asking

    def pursue(self, now_ms: int) -> list[Effect]:
        """Ask for what is missing, as far as it is time."""
        replica = self._replica
        effects: list[Effect] = []
        again = self.snapshots.overdue(replica.replica, now_ms)
        if again is not None:
            effects.append(Tell(*again))
        if self.snapshots.progress is not None:
            return effects  # what is missing is on its way
        # Who has fallen silent may keep what others have trimmed, and would be asked for ever.
        members = replica.members
        alive = {node: peer for node, peer in members.peers.items() if members.is_alive(node, now_ms)}
        due = self.repairer.due(self._view(alive, now_ms))
        for request in due.requests:
            effects += [RepairAsked(request.peer, request.wanted), Tell(request.peer, request.wanted)]
        begun = self.snapshots.begin(due.snapshot_from, replica.replica, now_ms)
        if begun is not None:
            effects += [SnapshotBegun(begun[0]), Tell(*begun)]
        return effects

    # -------------------------------------------------------------------- giving and taking

    def give_repair(self, wanted: RepairWanted, state: ReplicaState) -> list[Effect]:
        """A peer asks for writes: give what is kept of them, up to the bounds of one answer."""
        entries: list[object] = []
        limits = self._limits
        writes_left, bytes_left = limits.request_max_writes, limits.answer_max_bytes
        for first, last in wanted.ranges:
            last_kept = min(last, self._replica.clock[wanted.origin])
            if (
                first <= self._trimming.trimmed[wanted.origin]
                or first > last_kept
                or writes_left <= 0
                or bytes_left <= 0
            ):
                break
            found = state.history(wanted.origin, first, min(writes_left, last_kept - first + 1), bytes_left)
            entries += found
            writes_left -= len(found)
            bytes_left -= sum(len(entry) for entry in found if isinstance(entry, bytes))
            if len(found) <= last_kept - first:
                break
        return [GiveRepair(node_id_of(wanted.sender), wanted, entries)] if entries else []

    def take_repair(self, given: RepairGiven, event: Heard, state: ReplicaState) -> list[Effect]:
        """Missing writes came, if they are what was asked for."""
        if not self.repairer.expects(given):
            return [Distrusted(given.sender, "nobody asked for these writes")]
        if self._replica.would_outgrow({given.origin}):
            return [Distrusted(given.sender, "its writes name too many replicas")]
        effects: list[Effect] = [
            Repaired(node_id_of(given.sender), given.origin, [write.dot.seq for write in given.writes])
        ]
        self._replica.delivery.deliver(given.writes, event.wall_ms, state, effects, self._replica.replica)
        self.repairer.answered(given)
        # Mostly more is missing: it is asked for at once.
        return effects + self.pursue(event.steady_ms)

    def take_snapshot(self, given: SnapshotGiven, now_ms: int, state: ReplicaState) -> list[Effect]:
        """A part of a snapshot came, if it is what was asked for."""
        replica, snapshots = self._replica, self.snapshots
        if not snapshots.expects(given):
            return [Distrusted(given.sender, "nobody asked for this part of a snapshot")]
        flaw = snapshots.flaw(given)
        if replica.would_outgrow(set(given.clock)):
            flaw = "its clock names too many replicas"
        peer = node_id_of(given.sender)
        if flaw is not None:
            snapshots.give_up(now_ms)
            return [SnapshotRefused(peer, flaw)]
        effects = replica.note_own(given.clock[replica.replica], state)
        state.stage_snapshot(given.entries, is_first=given.part == 0)
        following = snapshots.received(given, replica.replica, now_ms)
        if following is not None:
            progress = snapshots.progress
            keys = 0 if progress is None else progress.keys
            return [*effects, SnapshotStaged(peer, given.part + 1, keys), Tell(*following)]
        return effects + self._adopt(peer, given, state)

    def _adopt(self, peer: str, given: SnapshotGiven, state: ReplicaState) -> list[Effect]:
        replica, delivery = self._replica, self._replica.delivery
        before = delivery.clock
        state.adopt_snapshot(before, given.clock)
        effects: list[Effect] = [SnapshotAdopted(peer, self.snapshots.keys, given.clock)]
        # Of what came as state there is no history: it begins after it.
        self._trimming.skip({origin: dots.last for origin, dots in before.missing(given.clock).items()}, state)
        delivery.adopt(given.clock.entries, given.timestamp, state, effects)
        if replica.publishing.drop_former(lambda line: given.clock[line] if given.clock[line] > before[line] else 0):
            state.save_identity(replica.replica, replica.publishing.former)
        return effects
