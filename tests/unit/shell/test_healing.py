"""What a node does to heal the cluster, and what it says of it: to peers, to the log, to metrics and to ``/status``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog
from prometheus_client import CollectorRegistry

from node.codec import encode_write
from node.control_codec import decode_control
from node.core.control import RepairGiven, RepairWanted, SnapshotGiven, SnapshotWanted
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
from node.core.vector_clock import SequenceRange, VectorClock
from node.errors import InvalidRequestError
from node.few_reasons import REASONS_MAX
from node.healing import REMIND_SECONDS, REPAIRS_REMEMBERED, Healing
from node.healing_metrics import HealingMetrics
from node.submission import Removal
from tests.support.writes import NODE1, NODE2, NODE3, put_write
from tests.unit.core.builders import Bench
from tests.unit.shell.control_messages import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from node.core.effects import Effect
    from node.snapshot_server import SnapshotServer
    from node.transport.port import Transport

WANTED = RepairWanted(NODE2, "a request", NODE3, (SequenceRange(4, 4), SequenceRange(7, 9)))
DAY_MS = 86_400_000


class Wire:
    """Notes what the transport is asked to do."""

    def __init__(self) -> None:
        self.told: list[tuple[str | None, bytes]] = []
        self.done: list[tuple[str, Any]] = []

    def tell(self, target: str | None, body: bytes) -> None:
        """A control message."""
        self.told.append((target, body))

    def members_are(self, node_ids: Sequence[str]) -> None:
        """Whose queues are kept."""
        self.done.append(("members are", list(node_ids)))

    def delete_queue(self, node_id: str) -> None:
        """Whose queue goes."""
        self.done.append(("delete queue", node_id))


class Snapshots:
    """Notes what is asked of the snapshot server."""

    def __init__(self) -> None:
        self.given: list[tuple[str, SnapshotWanted]] = []

    def give(self, sender: str, wanted: SnapshotWanted) -> None:
        """A part is wanted."""
        self.given.append((sender, wanted))


class Listener:
    """Notes who else is told."""

    def __init__(self) -> None:
        self.peers: list[str] = []
        self.members: list[list[str]] = []

    def peer_told(self, node: str) -> None:
        """A peer told its clock."""
        self.peers.append(node)

    def members_changed(self, nodes: Sequence[str]) -> None:
        """The members are now these."""
        self.members.append(list(nodes))


class Watched:
    """Healing for node1, and everything that comes out of it."""

    def __init__(self, lines: list[Any]) -> None:
        self.registry = CollectorRegistry()
        self.wire = Wire()
        self.snapshots = Snapshots()
        self.listener = Listener()
        self.lines = lines
        self.healing = Healing(
            transport=cast("Transport", self.wire),
            snapshots=cast("SnapshotServer", self.snapshots),
            metrics=HealingMetrics(self.registry),
        )
        self.healing.listener = self.listener
        self.healing.began(Bench(NODE1).replica)

    def run(self, *effects: Effect) -> None:
        """Carry these out."""
        for effect in effects:
            self.healing.handlers[type(effect)](effect)

    def count(self, name: str) -> float | None:
        """A counter."""
        return self.registry.get_sample_value(f"causalkv_{name}_total")

    @property
    def said(self) -> list[tuple[str, str]]:
        """The log so far: level and event."""
        return [(line["log_level"], line["event"]) for line in self.lines]


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Healing whose log is kept."""
    with structlog.testing.capture_logs() as lines:
        yield Watched(cast("list[Any]", lines))


# ------------------------------------------------------------------------------------------ telling


@pytest.mark.parametrize("kind", ["clock", "hello seen", "repair wanted", "snapshot wanted"])
def test_what_the_replica_tells_goes_out_as_it_is(watched: Watched, kind: str) -> None:
    """To one node or to everybody, and the log has nothing of it: clocks are told every second."""
    for target in ("node2", None):
        watched.run(Tell(target, EXAMPLES[kind]))
    assert [(target, decode_control(body)) for target, body in watched.wire.told] == [
        ("node2", EXAMPLES[kind]),
        (None, EXAMPLES[kind]),
    ]
    assert watched.said == []


def test_parts_and_repairs_are_never_told_without_their_content() -> None:
    """They go another way: the replica has them as the store gave them."""
    with structlog.testing.capture_logs() as lines:
        watched = Watched(cast("list[Any]", lines))
        for kind in ("repair given", "snapshot given"):
            assert isinstance(EXAMPLES[kind], RepairGiven | SnapshotGiven)
            watched.run(Tell("node2", EXAMPLES[kind]))
        assert watched.wire.told == []


def test_a_peer_that_told_its_clock_is_passed_on(watched: Watched) -> None:
    """Whoever waits for peers listens."""
    watched.run(PeerTold("node2"), PeerTold("node3"))
    assert watched.listener.peers == ["node2", "node3"]


# ------------------------------------------------------------------------------------------- repair


def test_missing_writes_are_given_named_and_counted(watched: Watched) -> None:
    """In the name of the replica that gives, as answer to the request."""
    writes = [put_write(NODE3, 4), put_write(NODE3, 7)]
    watched.run(GiveRepair("node2", WANTED, [encode_write(write) for write in writes]))
    ((target, body),) = watched.wire.told
    given = decode_control(body)
    assert isinstance(given, RepairGiven)
    assert (target, given.sender, given.request, given.origin) == ("node2", NODE1, "a request", NODE3)
    assert [write.dot for write in given.writes] == [write.dot for write in writes]
    assert watched.count("repair_given_writes") == 2
    assert watched.said == [("info", "giving a peer what it misses")]
    assert watched.lines[0]["missing"] == [f"{NODE3}:4", f"{NODE3}:7-9"]


def test_a_request_for_missing_writes_names_them_and_whom_it_asks(watched: Watched) -> None:
    """Something was lost: that is a warning."""
    watched.run(RepairAsked("node2", WANTED))
    assert watched.said == [("warning", "writes are missing here, asking a peer for them")]
    assert (watched.lines[0]["peer"], watched.lines[0]["missing"]) == ("node2", [f"{NODE3}:4", f"{NODE3}:7-9"])
    assert watched.count("repairs_asked") == 1


@pytest.mark.parametrize(("seqs", "shown"), [([4], f"{NODE3}:4"), ([4, 7, 9], f"{NODE3}:4-9")])
def test_a_repair_says_which_writes_were_missing_and_who_gave_them(
    watched: Watched, seqs: list[int], shown: str
) -> None:
    """In the log, in the metrics, and in the report for ``/status``."""
    watched.run(Repaired("node2", NODE3, seqs))
    assert watched.said == [("info", "missing writes came")]
    assert (watched.lines[0]["missing"], watched.lines[0]["peer"]) == (shown, "node2")
    assert watched.count("repaired_writes") == len(seqs)
    (repair,) = watched.healing.report()["repairs"]
    assert (repair["missing"], repair["from"], repair["writes"]) == (shown, "node2", len(seqs))


def test_the_report_remembers_the_last_repairs_only(watched: Watched) -> None:
    """Newest last."""
    for seq in range(1, 3 * REPAIRS_REMEMBERED + 1):
        watched.run(Repaired("node2", NODE3, [seq]))
    shown = [repair["missing"] for repair in watched.healing.report()["repairs"]]
    assert shown == [f"{NODE3}:{seq}" for seq in range(2 * REPAIRS_REMEMBERED + 1, 3 * REPAIRS_REMEMBERED + 1)]


def test_the_report_is_a_value_that_later_repairs_do_not_change(watched: Watched) -> None:
    """Other threads are showing it."""
    watched.run(Repaired("node2", NODE3, [1]))
    before = watched.healing.report()
    watched.run(Repaired("node2", NODE3, [2]))
    assert len(before["repairs"]) == 1


# ---------------------------------------------------------------------------------------- snapshots


def test_a_part_that_is_wanted_is_asked_of_the_snapshot_server(watched: Watched) -> None:
    """In the name of this replica; nothing is read on the replica's thread."""
    wanted = SnapshotWanted(NODE2, "a request", 3)
    watched.run(GiveSnapshot("node2", wanted))
    assert watched.snapshots.given == [(NODE1, wanted)]


def test_the_way_of_a_snapshot_is_told_from_its_beginning_to_its_end(watched: Watched) -> None:
    """With its progress, in the log and in the report; a line for each of thousands of parts would be noise."""
    assert watched.healing.report()["snapshot"] is None
    watched.run(SnapshotBegun("node2"))
    assert watched.healing.report()["snapshot"] == {"from": "node2", "parts": 0, "keys": 0, "state": "taking"}
    for part in range(1, 101):
        watched.run(SnapshotStaged("node2", part, 10 * part))
    assert watched.healing.report()["snapshot"] == {"from": "node2", "parts": 100, "keys": 1000, "state": "taking"}
    watched.run(SnapshotAdopted("node2", 1010, VectorClock({NODE2: 7})))
    assert watched.healing.report()["snapshot"] == {"from": "node2", "keys": 1010, "state": "adopted"}
    assert (watched.count("snapshot_parts_taken"), watched.count("snapshots_adopted")) == (101, 1)
    assert watched.said[0] == (
        "warning",
        "history does not reach back to what is missing here: taking a snapshot",
    )
    assert watched.said[-1] == ("info", "the snapshot is merged")
    assert len(watched.said) <= 4


def test_a_snapshot_that_is_refused_says_why(watched: Watched) -> None:
    """An error of that peer, which an operator must look at."""
    watched.run(SnapshotBegun("node2"), SnapshotRefused("node2", "its clock changed between two parts"))
    assert watched.said[-1] == ("error", "a snapshot was refused, asking another peer")
    assert watched.healing.report()["snapshot"] == {
        "from": "node2",
        "state": "refused",
        "reason": "its clock changed between two parts",
    }
    assert (watched.count("control_dropped"), watched.count("snapshots_adopted")) == (1, 0)


# --------------------------------------------------------------------------------- what is not believed


def test_dropped_control_messages_are_all_counted_and_told_once_in_a_while(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reason once; again when it still goes on later."""
    for _ in range(1000):
        watched.run(Distrusted("node2", "nobody asked for these writes"), Distrusted("somebody", "garbage"))
    assert watched.count("control_dropped") == 2000
    assert [(line["sender"], line["reason"]) for line in watched.lines] == [
        ("node2", "nobody asked for these writes"),
        ("somebody", "garbage"),
    ]
    now = time.monotonic()
    monkeypatch.setattr("node.healing.time.monotonic", lambda: now + REMIND_SECONDS + 1)
    watched.run(Distrusted("node2", "nobody asked for these writes"))
    assert len(watched.lines) == 3


def test_whoever_makes_up_reasons_does_not_fill_the_log(watched: Watched) -> None:
    """A reason quotes what was sent, and anybody may send anything."""
    for number in range(5000):
        watched.run(Distrusted("somebody", f"'garbage{number}' is not a replica id"))
    assert len(watched.lines) == REASONS_MAX
    assert watched.count("control_dropped") == 5000


# ---------------------------------------------------------------------------------------- wall clocks


def test_a_write_from_the_future_is_warned_about_once_for_each_replica(watched: Watched) -> None:
    """It wins until the clocks catch up, so the line says by how much it is ahead."""
    now_ms = put_write(NODE2, 1).timestamp.physical_ms - DAY_MS
    for seq in range(1, 50):
        watched.healing.timestamp_ahead(put_write(NODE2, seq), now_ms)
    watched.healing.timestamp_ahead(put_write(NODE3, 1), now_ms)
    assert [(line["log_level"], line["dot"]) for line in watched.lines] == [
        ("warning", f"{NODE2}:1"),
        ("warning", f"{NODE3}:1"),
    ]
    assert watched.lines[0]["ahead_seconds"] == DAY_MS / 1000
    assert watched.count("timestamps_ahead") == 50


def test_wall_clocks_that_are_apart_are_warned_about_once_for_each_peer(watched: Watched) -> None:
    """With how far."""
    for _ in range(10):
        watched.healing.clock_skew("node2", 3600.0)
        watched.healing.clock_skew("node3", -7.5)
    assert [(line["log_level"], line["peer"], line["peer_ahead_seconds"]) for line in watched.lines] == [
        ("warning", "node2", 3600.0),
        ("warning", "node3", -7.5),
    ]


# ------------------------------------------------------------------------------------ names, members


def test_a_second_process_under_the_same_name_is_said_loudly_and_not_every_second(watched: Watched) -> None:
    """With what to do about it."""
    for _ in range(100):
        watched.run(TwinSeen("node1~other1"))
    assert watched.said == [("error", "another process runs under this node's id")]
    assert watched.lines[0]["other"] == "node1~other1"
    assert "stop one of the two" in watched.lines[0]["what_to_do"]
    assert watched.count("twins_seen") == 100


def test_a_new_incarnation_is_told_and_answers_bear_it(watched: Watched) -> None:
    """From its effect on: repairs, too, are given in the new name."""
    watched.run(IncarnationTaken(NODE1, "node1~newest", "an old copy"), GiveRepair("node2", WANTED, [b'{"a": 1}']))
    assert watched.said[0] == ("warning", "this node writes under a new incarnation")
    assert (watched.lines[0]["former"], watched.lines[0]["now"]) == (NODE1, "node1~newest")
    assert watched.healing.report()["former_incarnation"] == {"replica": NODE1, "reason": "an old copy"}
    assert b'"sender":"node1~newest"' in watched.wire.told[0][1]


def test_members_that_changed_get_their_queues(watched: Watched) -> None:
    """One that was removed loses its queue, after it is no member any more."""
    watched.run(MembersChanged(["node1", "node2", "node4"]))
    watched.run(MembersChanged(["node1", "node4"], "node2"))
    assert watched.wire.done == [
        ("members are", ["node1", "node2", "node4"]),
        ("members are", ["node1", "node4"]),
        ("delete queue", "node2"),
    ]
    assert watched.listener.members == [["node1", "node2", "node4"], ["node1", "node4"]]
    assert [(line["members"], line["removed"]) for line in watched.lines] == [
        (["node1", "node2", "node4"], None),
        (["node1", "node4"], "node2"),
    ]


def test_a_removal_is_answered_with_the_node_or_the_reason(watched: Watched) -> None:
    """To the request that asked for it."""
    done, refused = Removal("node2", forced=False), Removal("node2", forced=False)
    watched.run(RemovalAnswered(done, None), RemovalAnswered(refused, "node2 is alive: stop it first"))
    assert done.result(0) == "node2"
    with pytest.raises(InvalidRequestError, match="node2 is alive"):
        refused.result(0)
