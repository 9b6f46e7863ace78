"""Anything may stand on the control exchange: it is counted and dropped, and never changes what is stored."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from node.codec import encode_write
from node.control_codec import decode_control, encode_control, encode_repair, encode_snapshot_part
from node.core.control import ClockTold, HelloSeen, MemberChange, RepairWanted, SnapshotWanted
from node.core.dot import Dot
from node.core.hybrid_clock import HybridTimestamp
from node.core.vector_clock import SequenceRange, VectorClock
from node.core.write import Put, Write
from tests.integration.healing.tools import HEAL_SECONDS, assert_everywhere, metric, put_all
from tests.integration.node.wire import Wire
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.broker import PrivateBroker
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

pytestmark = pytest.mark.broker

LIAR = "node2~liar01"


def _garbage() -> Iterator[bytes]:
    random_bytes = random.Random(1)
    yield from (b"", b"{}", b"[]", b"null", b"\xff\xfe", b"{" * 5_000, b'{"kind": "clock"}', b"[" * 200_000)
    yield from (random_bytes.randbytes(size) for size in (1, 10, 1_000, 100_000))
    yield json.dumps({"kind": "clock", "format": 99, "sender": LIAR}).encode()
    yield json.dumps({"kind": "never heard of", "format": 1, "sender": LIAR}).encode()


def _lies(replica: str) -> Iterator[bytes]:
    """Well-formed, and not true; ``replica`` is the one that they are told to."""
    write = Write(
        Dot("node9~forged", 1), VectorClock({"node9~forged": 1}), HybridTimestamp(1, 0), (Put("forged", b'"forged"'),)
    )
    wanted = RepairWanted(LIAR, "notasked", "node9~forged", (SequenceRange(1, 1),))
    yield encode_repair(LIAR, wanted, [encode_write(write)])
    yield encode_snapshot_part(
        LIAR,
        SnapshotWanted(LIAR, "notasked", 0),
        VectorClock({replica: 10**9}),
        HybridTimestamp(1, 0),
        [],
        is_last=True,
    )
    yield encode_control(HelloSeen(LIAR, "nosession", replica, 10**9))
    yield encode_control(SnapshotWanted(LIAR, "nobody", 17))
    yield encode_control(RepairWanted(LIAR, "huge", replica, (SequenceRange(1, 2**62),)))


def _told(clock: VectorClock, *changes: MemberChange) -> bytes:
    return encode_control(ClockTold(LIAR, "session", clock, VectorClock(), changes, "", 0))


@pytest.fixture
def wire(broker: PrivateBroker, cluster: ClusterUnderTest, cluster_id: str) -> Iterator[Wire]:
    """At the cluster's broker, as anybody may be who has its address."""
    assert cluster.nodes
    with Wire(broker.url, cluster_id) as opened:
        yield opened


def test_garbage_and_lies_are_counted_and_dropped(cluster: ClusterUnderTest, wire: Wire) -> None:
    """The nodes go on, say so, and store nothing of it."""
    keys = put_all(cluster["node1"], "before", 10)
    cluster.quiesce()
    replica = cluster["node1"].status()["replica"]
    garbage, lies = list(_garbage()), list(_lies(replica))
    wire.tell("node.node1", *garbage, *lies)
    wait_until(
        lambda: metric(cluster["node1"], "causalkv_control_dropped_total") >= len(garbage) + 2,
        "all of it is counted",
        HEAL_SECONDS,
        cluster["node1"].log_tail,
    )
    keys += put_all(cluster["node1"], "after", 10)
    assert_everywhere(cluster, keys)
    status = cluster["node1"].status()
    assert status["replica"] == replica
    assert set(status["clock"]) == {replica}
    assert cluster["node1"].get("forged").status_code == 404
    log = cluster["node1"].log_file.read_text()
    assert "a control message was dropped" in log
    assert "Traceback" not in log


def test_a_flood_of_control_messages_does_not_stop_a_node(cluster: ClusterUnderTest, wire: Wire) -> None:
    """Writes and reads go on while thousands of messages come."""
    for _ in range(20):
        wire.tell("all", *[b"x" * 2_000] * 500)
        assert cluster["node2"].put("during", "the flood").status_code == 200
    keys = put_all(cluster["node3"], "k", 10)
    assert_everywhere(cluster, keys, 30.0)


def test_a_clock_that_claims_unknown_own_writes_costs_a_name_and_loses_nothing(
    cluster: ClusterUnderTest, wire: Wire
) -> None:
    """Whether it is true cannot be known: the node goes on under another name, and asks in vain for the rest."""
    keys = put_all(cluster["node1"], "before", 10)
    cluster.quiesce()
    replica = cluster["node1"].status()["replica"]
    wire.tell("node.node1", _told(VectorClock({replica: 11})))
    wait_until(lambda: cluster["node1"].status()["replica"] != replica, "it takes another name", HEAL_SECONDS)
    keys += put_all(cluster["node1"], "after", 10)
    assert_everywhere(cluster, keys)


def test_a_removal_of_what_is_no_node_stops_nobody(
    cluster: ClusterUnderTest, broker: PrivateBroker, cluster_id: str
) -> None:
    """Another queue of the cluster has that name: nobody tries to delete it when the link comes back."""
    keys = put_all(cluster["node1"], "before", 5)
    cluster.quiesce()
    name = "causalkv_control_dropped_total"
    dropped = [metric(node, name) for node in cluster]
    with Wire(broker.url, cluster_id) as wire:
        wire.tell(
            "all", _told(VectorClock(), MemberChange("rejected", 2_000_000_000_000, is_member=False)), b"behind it"
        )
    wait_until(
        lambda: all(metric(node, name) > before for node, before in zip(cluster, dropped, strict=True)),
        "it came everywhere",
        HEAL_SECONDS,
    )
    broker.ctl("close_all_connections", "the link is made anew")
    keys += [key for node in cluster for key in put_all(node, f"{node.name}-after", 5)]
    cluster.wait_connected()
    assert_everywhere(cluster, keys)
    assert all(node.runs for node in cluster)


def _slander(replica: str) -> bytes:
    """Node3 is said to be out, later than any clock here shows; ``replica`` as in ``MemberChange``."""
    return _told(VectorClock(), MemberChange("node3", 2_000_000_000_000, is_member=False, replica=replica))


def _members_seen_by(node: NodeUnderTest) -> list[str]:
    return [each["node"] for each in node.status()["members"]]


def test_a_false_removal_that_names_no_replica_takes_no_new_node_out(cluster: ClusterUnderTest, wire: Wire) -> None:
    """A node with new data takes it for its predecessor's, joins again, and nobody believes the lie after that."""
    slander = _slander("")
    heard = wire.listen("all")

    def has_joined_again() -> bool:
        # Again each time: what is told once may meet a link that is just being made.
        wire.tell("all", slander)
        told = [decode_control(message.body) for message in heard()]
        return any(
            change.node == "node3" and change.is_member
            for message in told
            if isinstance(message, ClockTold)
            for change in message.changes
        )

    wait_until(has_joined_again, "node3 has joined again", HEAL_SECONDS)
    wire.tell("all", slander)
    keys = [key for node in cluster for key in put_all(node, f"{node.name}-after", 5)]
    assert_everywhere(cluster, keys)
    wait_until(
        lambda: all(_members_seen_by(node) == ["node1", "node2", "node3"] for node in cluster),
        "every node knows it",
        HEAL_SECONDS,
    )


def test_a_false_removal_loses_nothing(cluster: ClusterUnderTest, wire: Wire) -> None:
    """It is believed, for nothing tells it from a true one; writes still reach all, the one said to be out too."""
    keys = put_all(cluster["node3"], "k", 10)
    cluster.quiesce()
    # A removal that does not name the replica that runs is answered by a node whose data are new (above).
    slander = _slander(cluster["node3"].status()["replica"])

    def is_believed() -> bool:
        wire.tell("all", slander)
        return all(_members_seen_by(node) == ["node1", "node2"] for node in cluster)

    wait_until(is_believed, "the lie is believed", HEAL_SECONDS)
    keys += put_all(cluster["node1"], "after", 10)
    keys += put_all(cluster["node3"], "of-the-slandered", 10)
    assert_everywhere(cluster, keys)
