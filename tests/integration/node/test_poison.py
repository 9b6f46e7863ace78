"""What others put on the exchange: poison goes to the rejected queue with its reason, and nothing stops or changes."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import pika
import pytest

from tests.integration.node.wire import (
    REASON_HEADER,
    REJECTED_BY_HEADER,
    Wire,
    json_properties,
    sample,
    wait_for_sample,
)
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.broker import PrivateBroker
    from tests.support.cluster import ClusterUnderTest

pytestmark = pytest.mark.broker

STRANGER = "stranger~abcdef"


@pytest.fixture
def wire(broker: PrivateBroker, cluster: ClusterUnderTest) -> Iterator[Wire]:
    """A connection of our own; the cluster is quiet before and after."""
    cluster.quiesce()
    with Wire(broker.url, cluster["node1"].environment["CAUSALKV_CLUSTER"]) as connected:
        yield connected
    cluster.quiesce()


def write(replica: str = STRANGER, seq: int = 1, **changes: Any) -> dict[str, Any]:
    """A valid write of nobody."""
    operations = [{"op": "put", "key": "poisoned", "value": "poison"}]
    valid = {"replica": replica, "seq": seq, "vector_clock": {replica: seq}, "timestamp": [1, 0], "ops": operations}
    return valid | changes


def body(*writes: dict[str, Any], sender: str = STRANGER, **changes: Any) -> bytes:
    """A message of nobody."""
    return json.dumps({"format": 1, "sender": sender, "writes": list(writes) or [write()]} | changes).encode()


GARBAGE = [
    (b"garbage", "not a causalkv message: JSON is malformed"),
    (b"", "not a causalkv message: Input data was truncated"),
    (os.urandom(1024 * 1024), "not a causalkv message"),
    (b"\x1f\x8b" + bytes(100), "not a causalkv message"),
    (b'{"event": "order placed", "id": 7}', "missing required field `format`"),
    (b"[1, 2, 3]", "Expected `object`, got `array`"),
    (b"[" * 200_000, "not a causalkv message"),
    (body()[:-10], "not a causalkv message: Input data was truncated"),
    (body(format=4), "message format 4 is unknown here: this node reads formats 1, 2 and 3"),
    (body(writes=[]), "length >= 1 - at `$.writes`"),
    (body(write(seq=0)), "Expected `int` >= 1 - at `$.seq`"),
    (body(write(vector_clock={})), "the vector clock must hold the write's own dot"),
    (body(write(ops=[{"op": "drop", "key": "x"}])), "Invalid value 'drop'"),
    (body(write(), write("node2~abcdef")), "sent by stranger~abcdef, but node2~abcdef:1 is a write of another replica"),
    (body().replace(b'"poison"', b"1e999"), "not a write: Number out of range"),
    (body().replace(b'"poison"', b"[" * 500 + b"]" * 500), "nests deeper than"),
    (body().replace(b'"poison"', b'"\\ud800"'), "not a causalkv message"),
]


def test_poison_goes_to_the_rejected_queue_with_its_reason_and_the_nodes_go_on(
    cluster: ClusterUnderTest, wire: Wire
) -> None:
    """Every node's copy, word for word; it is counted, and writes before, between and after it converge."""
    before = {node.name: sample(node, "messages_rejected_total") for node in cluster}
    vc = cluster["node1"].status()["vc"]
    for number, (poison, _) in enumerate(GARBAGE):
        wire.publish(poison)
        assert cluster["node1"].put("between", number).status_code == 200
    rejected = wire.rejected(len(GARBAGE) * len(cluster.nodes))
    for poison, words in GARBAGE:
        copies = [message for message in rejected if message.body == poison]
        assert sorted(copy.properties.headers[REJECTED_BY_HEADER] for copy in copies) == list(cluster.nodes)
        for copy in copies:
            assert words in copy.properties.headers[REASON_HEADER]
    for node in cluster:
        wait_for_sample(node, "messages_rejected_total", before[node.name] + len(GARBAGE))
    cluster.quiesce(["between", "poisoned"])
    assert cluster["node3"].get("between").json()["value"] == len(GARBAGE) - 1
    assert cluster["node3"].get("poisoned").status_code == 404
    assert cluster["node3"].status()["vc"] == [vc[0] + len(GARBAGE), *vc[1:]]


def test_a_message_of_another_content_type_is_rejected(cluster: ClusterUnderTest, wire: Wire) -> None:
    """It says itself that it is something else, whatever its bytes look like."""
    for content_type in ("text/plain", "application/x-protobuf"):
        wire.publish(body(), pika.BasicProperties(content_type=content_type, headers={"trace": "t-1"}))
        for copy in wire.rejected(3):
            assert copy.properties.headers[REASON_HEADER] == (
                f"its content type is '{content_type}': it must be application/json"
            )
            assert copy.properties.content_type == content_type
            assert copy.properties.headers["trace"] == "t-1"
            assert copy.body == body()
    assert cluster["node1"].get("poisoned").status_code == 404


def test_a_write_in_this_nodes_name_that_it_never_made_makes_it_take_a_new_one(
    cluster: ClusterUnderTest, wire: Wire
) -> None:
    """Its data may be an old copy: no write is lost, no name is used twice, and all nodes converge."""
    node = cluster["node1"]
    status = node.status()
    own = f"node1~{status['incarnation']}"
    next_seq = status["clock"].get(own, 0) + 1
    wire.publish_to("node1", body(write(own, next_seq), sender=own))
    wait_until(lambda: node.status()["incarnation"] != status["incarnation"], "a new name", 10, node.log_tail)
    assert node.put("own", 1).status_code == 200
    cluster.quiesce(["own", "poisoned"])
    new = f"node1~{node.status()['incarnation']}"
    for each in cluster:
        assert (each.status()["clock"][own], each.status()["clock"][new]) == (next_seq, 1)
        assert each.get("poisoned").json()["value"] == "poison"
    assert node.status()["healing"]["former_incarnation"]["replica"] == own
    assert wire.rejected_count() == 0
    assert cluster["node1"].http.post("/delete", json={"key": "poisoned"}).status_code == 200
    cluster.quiesce(["poisoned"])


def test_poison_does_not_come_again_after_a_restart(cluster: ClusterUnderTest, wire: Wire) -> None:
    """It is acknowledged once its copy is safe."""
    wire.publish(b"once")
    assert [copy.body for copy in wire.rejected(3)] == [b"once"] * 3
    cluster.quiesce()
    node = cluster["node2"]
    assert node.terminate() == 0
    wire.publish(b"while node2 is away")
    node.start()
    node.wait_ready()
    assert [copy.body for copy in wire.rejected(3)] == [b"while node2 is away"] * 3
    cluster.quiesce()
    wait_for_sample(node, "messages_rejected_total", 1)
    assert wire.rejected_count() == 0


def test_duplicates_own_echoes_and_stale_messages_change_nothing(cluster: ClusterUnderTest, wire: Wire) -> None:
    """However often, in whatever order, and however long after: each node counts them and stays as it is."""
    node1 = cluster["node1"]
    wire.forget()
    echoes = sample(node1, "own_echoes_total")
    stale = []
    token = ""
    for number in range(6):
        # One write, one message: each is captured before the next is made.
        answer = node1.put("again", number, token)
        token = answer.headers["X-Causal-Context"]
        stale.append(wire.capture())
    assert cluster["node2"].put("again", "last", token).status_code == 200
    assert cluster["node3"].http.post("/delete", json={"key": "gone"}).status_code == 200
    cluster.quiesce(["again"])
    before = [(node.status()["clock"], node.get("again", siblings="true").json()) for node in cluster]
    duplicates = {node.name: sample(node, "duplicates_dropped_total") for node in cluster}
    again = stale * 5
    random.Random(7).shuffle(again)
    for message in again:
        wire.publish(message.body, message.properties)
    for node in (cluster["node2"], cluster["node3"]):
        wait_for_sample(node, "duplicates_dropped_total", duplicates[node.name] + len(again))
    wait_for_sample(node1, "own_echoes_total", echoes + len(stale) + len(again))
    cluster.quiesce(["again"])
    assert [(node.status()["clock"], node.get("again", siblings="true").json()) for node in cluster] == before
    assert before[2][1]["value"] == "last"
    assert wire.rejected_count() == 0


def test_an_echo_under_a_strange_name_changes_nothing(cluster: ClusterUnderTest, wire: Wire) -> None:
    """What counts is what the message says, not the properties around it."""
    node = cluster["node1"]
    wire.forget()
    echoes = sample(node, "own_echoes_total")
    node.put("named", 1)
    message = wire.capture()
    before = node.status()["clock"]
    names = ["", "garbage", "node3~abcdef:9", "x" * 255]
    for name in names:
        wire.publish(message.body, json_properties(message_id=name))
    wait_for_sample(node, "own_echoes_total", echoes + 1 + len(names))
    cluster.quiesce(["named"])
    assert node.status()["clock"] == before
