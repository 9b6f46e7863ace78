"""Carrying out what the replica does to heal the cluster: control messages, repair, snapshots, names, members.

And saying so: what was missing, who gave it, in the log, in the metrics, and in a short report for ``/status``.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, cast

from node.control_codec import encode_control, encode_repair
from node.core.control import ClockTold, HelloSeen, RepairWanted, SnapshotWanted
from node.core.dot import node_id_of
from node.core.effects import (
    Distrusted,
    GiveRepair,
    GiveSnapshot,
    IncarnationTaken,
    MembersChanged,
    PeerTold,
    RemovalAnswered,
    RepairAsked,
    Repaired,
    SnapshotAdopted,
    SnapshotBegun,
    SnapshotRefused,
    SnapshotStaged,
    Tell,
    TwinSeen,
)
from node.core.hybrid_clock import skew_ms
from node.few_reasons import FewReasons
from node.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.core.replica import Replica
    from node.core.vector_clock import SequenceRange
    from node.core.write import Write
    from node.healing_metrics import HealingMetrics
    from node.snapshot_server import SnapshotServer
    from node.submission import Removal
    from node.transport.port import Transport

REPAIRS_REMEMBERED = 20
# What goes on for long is said again so often.
REMIND_SECONDS = 30.0
SNAPSHOT_PROGRESS_SECONDS = 2.0
KEYS_SHOWN = 5


class HealingListener(Protocol):
    """Who else in the node must know."""

    def peer_told(self, node: str) -> None:
        """A peer told its clock."""

    def members_changed(self, nodes: Sequence[str]) -> None:
        """The members are now these."""


class _Nobody:
    def peer_told(self, node: str) -> None:
        """Nobody listens yet."""

    def members_changed(self, nodes: Sequence[str]) -> None:
        """Nobody listens yet."""


class Healing:
    """Acts for the replica, on its thread only; ``report`` from any."""

    def __init__(self, *, transport: Transport, snapshots: SnapshotServer, metrics: HealingMetrics) -> None:
        self._transport = transport
        self._snapshots = snapshots
        self._metrics = metrics
        self.listener: HealingListener = _Nobody()
        self._log = get_logger("causalkv.healing")
        self._replica = ""
        self._reminded_at: dict[str, float] = {}
        self._dropped_reasons = FewReasons()
        self._repairs: deque[dict[str, Any]] = deque(maxlen=REPAIRS_REMEMBERED)
        self._snapshot: dict[str, Any] | None = None
        self._former: dict[str, str] | None = None
        self.handlers: dict[type, Callable[[Any], None]] = {
            Tell: self._tell,
            GiveRepair: self._give_repair,
            GiveSnapshot: self._give_snapshot,
            RepairAsked: self._repair_asked,
            Repaired: self._repaired,
            Distrusted: self._distrusted,
            PeerTold: self._told,
            TwinSeen: self._twin_seen,
            IncarnationTaken: self._incarnation_taken,
            MembersChanged: self._members_changed,
            RemovalAnswered: self._removal_answered,
            SnapshotBegun: self._snapshot_begun,
            SnapshotStaged: self._snapshot_staged,
            SnapshotAdopted: self._snapshot_adopted,
            SnapshotRefused: self._snapshot_refused,
        }

    def began(self, replica: Replica) -> None:
        """Effects of this replica follow."""
        self._replica = replica.replica

    def report(self) -> dict[str, Any]:
        """For ``/status``: what is being healed, and what was, newest last."""
        return {"repairs": list(self._repairs), "snapshot": self._snapshot, "former_incarnation": self._former}

    def _is_news(self, what: str) -> bool:
        now = time.monotonic()
        if now - self._reminded_at.get(what, -REMIND_SECONDS) < REMIND_SECONDS:
            return False
        if len(self._reminded_at) > 1_000:  # noqa: PLR2004  # whoever makes up names must not fill the memory
            self._reminded_at.clear()
        self._reminded_at[what] = now
        return True

    # ------------------------------------------------------------------------------- telling

    def _tell(self, effect: Tell) -> None:
        message = effect.message
        if isinstance(message, ClockTold | HelloSeen | RepairWanted | SnapshotWanted):
            self._transport.tell(effect.target, encode_control(message))

    def _give_repair(self, effect: GiveRepair) -> None:
        entries = cast("Sequence[bytes]", effect.entries)
        self._metrics.given_writes.inc(len(entries))
        self._log.info("giving a peer what it misses", peer=effect.target, writes=len(entries), **_named(effect.wanted))
        self._transport.tell(effect.target, encode_repair(self._replica, effect.wanted, entries))

    def _give_snapshot(self, effect: GiveSnapshot) -> None:
        self._snapshots.give(self._replica, effect.wanted)

    def _told(self, effect: PeerTold) -> None:
        self.listener.peer_told(effect.node)

    def _distrusted(self, effect: Distrusted) -> None:
        self._metrics.control_dropped.inc()
        if self._dropped_reasons.is_news(effect.reason):
            self._log.warning(
                "a control message was dropped",
                origin=node_id_of(effect.sender),
                sender=effect.sender,
                reason=effect.reason,
                what_to_do="nothing, now and then; else see that all nodes understand each other's version, and who "
                "else may write to the control exchange",
            )

    # -------------------------------------------------------------------------------- repair

    def _repair_asked(self, effect: RepairAsked) -> None:
        self._metrics.repairs_asked.inc()
        self._log.warning(
            "writes are missing here, asking a peer for them",
            peer=effect.peer,
            **_named(effect.wanted),
            what_to_do="nothing, if 'missing writes came' follows; when it comes often, see who purges queues",
        )

    def _repaired(self, effect: Repaired) -> None:
        self._metrics.repaired_writes.inc(len(effect.seqs))
        missing = _dots(effect.origin, effect.seqs)
        self._repairs.append({"missing": missing, "writes": len(effect.seqs), "from": effect.peer, "at": time.time()})
        self._log.info(
            "missing writes came",
            peer=effect.peer,
            origin=node_id_of(effect.origin),
            missing=missing,
            writes=len(effect.seqs),
        )

    # ------------------------------------------------------------------------------ snapshots

    def _snapshot_begun(self, effect: SnapshotBegun) -> None:
        self._snapshot = {"from": effect.peer, "parts": 0, "keys": 0, "state": "taking"}
        self._log.warning(
            "history does not reach back to what is missing here: taking a snapshot",
            peer=effect.peer,
            what_to_do="nothing; if it comes while this node was not away for long, raise CAUSALKV_HISTORY_KEEP_WRITES",
        )

    def _snapshot_staged(self, effect: SnapshotStaged) -> None:
        self._metrics.snapshot_parts_taken.inc()
        self._snapshot = {"from": effect.peer, "parts": effect.parts, "keys": effect.keys, "state": "taking"}
        now = time.monotonic()
        if now - self._reminded_at.get("snapshot", 0.0) >= SNAPSHOT_PROGRESS_SECONDS:
            self._reminded_at["snapshot"] = now
            self._log.info("taking a snapshot", peer=effect.peer, parts=effect.parts, keys=effect.keys)

    def _snapshot_adopted(self, effect: SnapshotAdopted) -> None:
        self._metrics.snapshot_parts_taken.inc()
        self._metrics.snapshots_adopted.inc()
        self._snapshot = {"from": effect.peer, "keys": effect.keys, "state": "adopted"}
        self._log.info("the snapshot is merged", peer=effect.peer, keys=effect.keys, clock=str(effect.clock))

    def _snapshot_refused(self, effect: SnapshotRefused) -> None:
        self._metrics.control_dropped.inc()
        self._snapshot = {"from": effect.peer, "state": "refused", "reason": effect.reason}
        self._log.error(
            "a snapshot was refused, asking another peer",
            peer=effect.peer,
            reason=effect.reason,
            what_to_do="look at that node's disk and version",
        )

    # --------------------------------------------------------------------------- wall clocks

    def timestamp_ahead(self, write: Write, now_ms: int) -> None:
        """A write came whose timestamp is further ahead of this node's wall clock than it should be."""
        self._metrics.timestamps_ahead.inc()
        if self._is_news(f"ahead {write.dot.replica}"):
            self._log.warning(
                "a write is dated in the future: it wins over others until the clocks catch up",
                dot=str(write.dot),
                origin=node_id_of(write.dot.replica),
                keys=list(write.keys)[:KEYS_SHOWN],
                ahead_seconds=skew_ms(write.timestamp, now_ms) / 1000,
                what_to_do="set the wall clocks of the nodes right, by NTP",
            )

    def clock_skew(self, node: str, ahead_seconds: float) -> None:
        """A peer's wall clock is further from this node's than it should be."""
        if self._is_news(f"skew {node}"):
            self._log.warning(
                "the wall clocks of two nodes are apart: of concurrent writes, those of the node ahead win",
                peer=node,
                peer_ahead_seconds=ahead_seconds,
                what_to_do="set the wall clocks of the nodes right, by NTP",
            )

    # -------------------------------------------------------------------------- names, members

    def _twin_seen(self, effect: TwinSeen) -> None:
        self._metrics.twins_seen.inc()
        if self._is_news("twin"):
            self._log.error(
                "another process runs under this node's id",
                other=effect.replica,
                what_to_do="stop one of the two: they share a queue, and each gets a part of the messages only",
            )

    def _incarnation_taken(self, effect: IncarnationTaken) -> None:
        self._replica = effect.replica
        self._former = {"replica": effect.former, "reason": effect.reason}
        self._log.warning(
            "this node writes under a new incarnation",
            former=effect.former,
            now=effect.replica,
            reason=effect.reason,
            what_to_do="nothing, after a restart or a restored disk; else see whether a second process uses this "
            "node's id or its data",
        )

    def _members_changed(self, effect: MembersChanged) -> None:
        self._log.info("the members are now these", members=sorted(effect.nodes), removed=effect.removed)
        self._transport.members_are(effect.nodes)
        self.listener.members_changed(effect.nodes)
        if effect.removed is not None:
            self._transport.delete_queue(effect.removed)

    def delete_queue(self, node: str) -> None:
        """Delete the queue of a node that is no member any more."""
        self._transport.delete_queue(node)

    def _removal_answered(self, effect: RemovalAnswered) -> None:
        cast("Removal", effect.request).answer(effect.refusal)


def _named(wanted: RepairWanted) -> dict[str, Any]:
    missing = [_range(wanted.origin, each) for each in wanted.ranges]
    return {"origin": node_id_of(wanted.origin), "missing": missing}


def _range(origin: str, dots: SequenceRange) -> str:
    return f"{origin}:{dots.first}" if dots.first == dots.last else f"{origin}:{dots.first}-{dots.last}"


def _dots(origin: str, seqs: Sequence[int]) -> str:
    """Some writes of one origin, in few words."""
    if len(seqs) == 1:
        return f"{origin}:{seqs[0]}"
    return f"{origin}:{min(seqs)}-{max(seqs)}"
