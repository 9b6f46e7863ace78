"""A node's broker user in wrong hands: it speaks for that node alone, over the writes exchange and over control.

Without users of their own, nodes believe a forged removal, and hold a forged write of the future: see
``tests/integration/healing/test_hostile_control.py``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pika
import pytest

from node.codec import encode_hello, encode_message, encode_write
from node.control_codec import encode_control
from node.core.control import ClockTold, HelloSeen, MemberChange
from node.core.dot import Dot
from node.core.hybrid_clock import HybridTimestamp
from node.core.vector_clock import VectorClock
from node.core.write import Put, Write
from tests.integration.broker_users.brokers import CLUSTER, connection
from tests.integration.healing.tools import HEAL_SECONDS, assert_everywhere, metric, put_all
from tests.integration.node.wire import sample
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pika.adapters.blocking_connection import BlockingChannel

    from tests.integration.broker_users.brokers import RunningBroker
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

# None: the property is left out, which the broker allows.
CLAIMS = [None, "node3"]
FAR_FUTURE_MS = 2_000_000_000_000


@pytest.fixture
def thief(users_broker: RunningBroker, cluster: ClusterUnderTest) -> Iterator[BlockingChannel]:
    """Whoever has node3's password; the cluster is quiet before and after."""
    cluster.quiesce()
    connected = connection(users_broker, "node3")
    yield connected.channel()
    connected.close()
    cluster.quiesce()


def properties(user_id: str | None, **more: str) -> pika.BasicProperties:
    """As nodes set them, but for the proof of who it was."""
    return pika.BasicProperties(content_type="application/json", app_id="causalkv", user_id=user_id, **more)


def forged_write(replica: str, seq: int) -> bytes:
    """A message with a write that its replica never made."""
    write = Write(
        Dot(replica, seq), VectorClock({replica: seq}), HybridTimestamp(1, 0), (Put("forged", b'"forged"'),), "", b""
    )
    return encode_message(replica, [encode_write(write)])


def told(sender: str, clock: VectorClock, *changes: MemberChange) -> bytes:
    """A clock, as nodes tell it, with changes of the membership."""
    return encode_control(ClockTold(sender, "session", clock, VectorClock(), changes, "", 0))


def replica_of(node: NodeUnderTest) -> str:
    """The name under which it writes."""
    return str(node.status()["replica"])


def rejected(cluster: ClusterUnderTest) -> list[float]:
    """How many messages each of node1 and node2 has rejected."""
    return [sample(cluster[node], "messages_rejected_total") for node in ("node1", "node2")]


def wait_for_rejections(cluster: ClusterUnderTest, before: list[float], count: int) -> None:
    """Wait until node1 and node2 have rejected this many more."""
    wanted = [value + count for value in before]
    wait_until(lambda: rejected(cluster) == wanted, f"{count} rejections", HEAL_SECONDS, cluster["node1"].log_tail)


def members(node: NodeUnderTest) -> list[str]:
    """Whom it counts as members."""
    return [each["node"] for each in node.status()["members"]]


@pytest.mark.parametrize("user_id", CLAIMS)
def test_a_write_in_another_nodes_name_is_rejected_and_never_held(
    cluster: ClusterUnderTest, thief: BlockingChannel, user_id: str | None
) -> None:
    """Neither the next one, nor one of the future, nor its greeting; nor does it hide by a misleading message id."""
    node1 = replica_of(cluster["node1"])
    count = cluster["node1"].status()["clock"].get(node1, 0)
    before = rejected(cluster)
    thief.basic_publish(f"{CLUSTER}.writes", "", forged_write(node1, count + 1), properties(user_id))
    thief.basic_publish(f"{CLUSTER}.writes", "", forged_write(node1, count + 1_000_000), properties(user_id))
    thief.basic_publish(f"{CLUSTER}.writes", "", forged_write("node4~neverwas", 1), properties(user_id))
    hello = properties(user_id, message_id=f"{node1}:hello")
    thief.basic_publish(f"{CLUSTER}.writes", "", encode_hello(node1, "session"), hello)
    own = properties(user_id, message_id=f"{node1}:1")
    thief.basic_publish(f"{CLUSTER}.writes", "", forged_write(node1, 1), own)
    wait_for_rejections(cluster, before, 5)
    for node in cluster:
        assert node.status()["held"] == 0
        wait_until(
            lambda node=node: node.status()["missing_writes"] == 0,  # type: ignore[misc]  # bound at once
            "nothing is missed",
            HEAL_SECONDS,
        )
        assert node.get("forged").status_code == 404
    assert_everywhere(cluster, put_all(cluster["node1"], f"after-{user_id}-", 5))


def test_the_rejected_queue_says_who_published_and_whom_it_named(
    users_broker: RunningBroker, cluster: ClusterUnderTest, thief: BlockingChannel
) -> None:
    """An operator finds whose password is in wrong hands."""
    node1 = replica_of(cluster["node1"])
    before = rejected(cluster)
    administrator = connection(users_broker, users_broker.users.administrator)
    channel = administrator.channel()
    channel.queue_purge(f"{CLUSTER}.rejected")
    for user_id in CLAIMS:
        thief.basic_publish(f"{CLUSTER}.writes", "", forged_write(node1, 7), properties(user_id))
    wait_for_rejections(cluster, before, len(CLAIMS))
    found: list[dict[str, Any]] = []

    def all_are_there() -> bool:
        method, seen, _ = channel.basic_get(f"{CLUSTER}.rejected", auto_ack=True)
        if method is not None:
            found.append(seen.headers)
        return len(found) == 3 * len(CLAIMS)

    wait_until(all_are_there, "each node's copies", HEAL_SECONDS)
    administrator.close()
    named, unnamed = sorted({headers["x-causalkv-reason"] for headers in found}, reverse=True)
    assert named == f"published by user node3, but names {node1} as its sender"
    assert unnamed == (
        f"names {node1} as its sender without a proof: each node has a broker user of its own, so publish as user "
        "node1, with the property user_id"
    )
    assert {headers.get("x-causalkv-user-id") for headers in found} == set(CLAIMS)


@pytest.mark.parametrize("user_id", CLAIMS)
def test_a_removal_in_another_nodes_name_is_not_believed(
    cluster: ClusterUnderTest, thief: BlockingChannel, user_id: str | None
) -> None:
    """Dated in the far future, it could never be taken back."""
    node1 = replica_of(cluster["node1"])
    removal = MemberChange("node2", FAR_FUTURE_MS, is_member=False)
    dropped = {node.name: metric(node, "causalkv_control_dropped_total") for node in cluster}
    thief.basic_publish(f"{CLUSTER}.control", "all", told(node1, VectorClock(), removal), properties(user_id))
    wait_until(
        lambda: all(metric(node, "causalkv_control_dropped_total") > dropped[node.name] for node in cluster),
        "every node has dropped it",
        HEAL_SECONDS,
        cluster["node1"].log_tail,
    )
    for node in cluster:
        assert members(node) == ["node1", "node2", "node3"]
        assert "a control message was dropped" in node.log_file.read_text()


@pytest.mark.parametrize("user_id", CLAIMS)
def test_a_lie_about_a_nodes_own_writes_costs_it_no_name(
    cluster: ClusterUnderTest, thief: BlockingChannel, user_id: str | None
) -> None:
    """In node2's name, that it has seen more of node1's writes than node1 has made; twice, over either way."""
    node1, node2 = replica_of(cluster["node1"]), replica_of(cluster["node2"])
    before = metric(cluster["node1"], "causalkv_control_dropped_total")
    for body in (told(node2, VectorClock({node1: 10**6})), encode_control(HelloSeen(node2, "session", node1, 10**6))):
        thief.basic_publish(f"{CLUSTER}.control", "node.node1", body, properties(user_id))
    wait_until(
        lambda: metric(cluster["node1"], "causalkv_control_dropped_total") == before + 2,
        "both are dropped",
        HEAL_SECONDS,
        cluster["node1"].log_tail,
    )
    assert replica_of(cluster["node1"]) == node1


def test_what_an_administrator_publishes_is_believed_only_where_it_is_trusted(
    users_broker: RunningBroker, cluster: ClusterUnderTest
) -> None:
    """These nodes name nobody in CAUSALKV_TRUSTED_BROKER_USERS; node2 does, when it is started anew."""
    name = users_broker.users.administrator
    stranger = "stranger~abcdef"
    administrator = connection(users_broker, name)
    channel = administrator.channel()
    before = rejected(cluster)
    channel.basic_publish(f"{CLUSTER}.writes", "", forged_write(stranger, 1), properties(name))
    wait_for_rejections(cluster, before, 1)
    node2 = cluster["node2"]
    node2.terminate()
    node2.start(CAUSALKV_TRUSTED_BROKER_USERS=f"{name},somebody")
    node2.wait_ready()
    channel.basic_publish(f"{CLUSTER}.writes", "", forged_write(stranger, 2), properties(name))
    channel.basic_publish(f"{CLUSTER}.writes", "", forged_write(stranger, 3), properties(None))
    administrator.close()
    wait_until(
        lambda: node2.status()["held"] == 1, "the second write waits for the first", HEAL_SECONDS, node2.log_tail
    )
    [held] = node2.http.get("/buffer").json()["held"]
    assert held["dot"] == f"{stranger}:2"
    assert json.dumps(held).count(f"{stranger}:1")
    assert sample(node2, "messages_rejected_total") == 1
    assert cluster["node1"].status()["held"] == 0
