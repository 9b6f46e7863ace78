"""Whatever the broker does, every node reads and writes locally, at its usual speed; afterwards everything drains."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.healing.tools import HEAL_SECONDS, assert_everywhere, put_all, wait_clock
from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker
    from tests.support.cluster import NodeUnderTest

pytestmark = pytest.mark.broker

NOBODY_THERE = "amqp://guest:guest@127.0.0.1:1/%2F"
WRITES = 60
# A shared machine has hiccups; what must not be is that a write waits for the broker.
SLOWER_AT_MOST = 5.0


@pytest.fixture
def nodes(own_broker: PrivateBroker, cluster_id: str, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    """Three nodes on it, ready."""
    with ClusterUnderTest(tmp_path, own_broker.url, cluster=cluster_id) as started:
        yield started


def _median_put_seconds(node: NodeUnderTest, prefix: str) -> tuple[float, list[str]]:
    seconds, keys = [], []
    for number in range(WRITES):
        began = time.perf_counter()
        keys += put_all(node, f"{prefix}{number}-", 1)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), keys


def _assert_unhindered(node: NodeUnderTest, prefix: str, usual_seconds: float) -> list[str]:
    """Local writes take as long as ever, and can be read at once."""
    seconds, keys = _median_put_seconds(node, prefix)
    # A put that waited for the broker would take seconds; this machine may have more to do than it had before.
    assert seconds < SLOWER_AT_MOST * usual_seconds + 0.1
    assert node.get(keys[-1]).json()["value"] == keys[-1]
    return keys


def test_nodes_start_while_the_broker_is_down(own_broker: PrivateBroker, cluster_id: str, tmp_path: Path) -> None:
    """They serve, each by itself, for as long as it takes; when it comes, all is exchanged."""
    own_broker.kill()
    nodes = ClusterUnderTest(tmp_path, own_broker.url, cluster=cluster_id)
    try:
        keys = []
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready(HEAL_SECONDS)
            keys += put_all(node, f"{node.name}-", 20)
            assert node.status()["broker"] == "disconnected"
        own_broker.start()
        nodes.wait_connected()
        assert_everywhere(nodes, keys, 30.0)
    finally:
        nodes.kill()


def test_the_broker_is_killed_under_load_and_comes_back(own_broker: PrivateBroker, nodes: ClusterUnderTest) -> None:
    """Writes go on at their usual speed while it is away."""
    usual, keys = _median_put_seconds(nodes["node1"], "usual")
    own_broker.kill()
    for node in nodes:
        keys += _assert_unhindered(node, f"{node.name}-alone-", usual)
    own_broker.start()
    assert_everywhere(nodes, keys, 45.0)


@pytest.mark.parametrize("alarm", ["memory", "disk"])
def test_an_alarm_of_the_broker_stops_nobody(own_broker: PrivateBroker, nodes: ClusterUnderTest, alarm: str) -> None:
    """It takes no messages for a while: what is written waits in the outbox, and is published afterwards."""
    usual, keys = _median_put_seconds(nodes["node1"], "usual")
    with own_broker.alarm(alarm):
        for node in nodes:
            keys += _assert_unhindered(node, f"{node.name}-blocked-", usual)
        for node in nodes:
            wait_until(
                lambda node=node: node.status()["broker"] == "blocked",  # type: ignore[misc]  # bound at once
                "the alarm is shown",
                HEAL_SECONDS,
            )
            assert node.status()["outbox"] > 0
    assert_everywhere(nodes, keys, 30.0)


def test_a_queue_at_its_length_limit_stalls_nobody(own_broker: PrivateBroker, cluster_id: str, tmp_path: Path) -> None:
    """A stopped node's queue drops its oldest; the others never notice, and it gets all that back from them."""
    with ClusterUnderTest(tmp_path, own_broker.url, cluster=cluster_id, CAUSALKV_QUEUE_MAX_MESSAGES="100") as nodes:
        nodes["node3"].terminate()
        keys = put_all(nodes["node1"], "k", 400)
        wait_until(lambda: nodes["node1"].status()["outbox"] == 0, "all is published", HEAL_SECONDS)
        wait_clock(nodes["node2"], len(keys))
        assert {nodes["node2"].get(key).status_code for key in keys} == {200}
        nodes["node3"].start()
        nodes["node3"].wait_ready(HEAL_SECONDS)
        assert_everywhere(nodes, keys)
        assert nodes["node3"].status()["healing"]["repairs"]


def test_a_half_open_connection_is_noticed_by_its_silence(
    own_broker: PrivateBroker, cluster_id: str, tmp_path: Path
) -> None:
    """A network that swallows every byte and says nothing: writes go on, and the link is made anew."""
    with (
        TcpProxy("127.0.0.1", own_broker.amqp_port) as proxy,
        ClusterUnderTest(tmp_path, own_broker.url, cluster=cluster_id, CAUSALKV_BROKER_HEARTBEAT_SECONDS="5") as nodes,
    ):
        node3 = nodes["node3"]
        node3.terminate()
        through_proxy = own_broker.url.replace(str(own_broker.amqp_port), str(proxy.port))
        node3.start(CAUSALKV_AMQP_URL=through_proxy)
        node3.wait_ready()
        usual, keys = _median_put_seconds(node3, "usual")
        proxy.swallow(requests=True, answers=True)
        keys += _assert_unhindered(node3, "swallowed-", usual)
        keys += put_all(nodes["node1"], "elsewhere", 20)
        wait_until(lambda: node3.status()["broker"] == "disconnected", "the silence is noticed", 30.0, node3.log_tail)
        proxy.cut()
        proxy.forget()
        proxy.restore()
        assert_everywhere(nodes, keys, 30.0)


def test_of_several_addresses_the_first_is_dead(own_broker: PrivateBroker, cluster_id: str, tmp_path: Path) -> None:
    """The next one is tried, and everything works."""
    urls = f"{NOBODY_THERE},{own_broker.url}"
    with ClusterUnderTest(tmp_path, urls, cluster=cluster_id) as nodes:
        assert_everywhere(nodes, [key for node in nodes for key in put_all(node, node.name, 10)])
