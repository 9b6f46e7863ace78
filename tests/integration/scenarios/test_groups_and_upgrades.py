"""Changing groups of nodes that reach the broker, a join right after, a lost clock, and an upgrade node by node."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.integration.healing.tools import HEAL_SECONDS, assert_everywhere, put_all
from tests.integration.node.wire import Wire
from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker


class Partitioned:
    """A cluster whose nodes each reach the broker through a network of their own."""

    def __init__(
        self, broker: PrivateBroker, name: str, cluster: ClusterUnderTest, proxies: dict[str, TcpProxy]
    ) -> None:
        self.broker = broker
        self.name = name
        self.cluster = cluster
        self._proxies = proxies

    def cut_off(self, *names: str) -> None:
        """Only these nodes are cut off from now on; returns when they know."""
        for name, proxy in self._proxies.items():
            if name in names:
                proxy.cut()
            else:
                proxy.restore()
        for node in self.cluster:
            wanted = "disconnected" if node.name in names else "connected"
            wait_until(
                lambda node=node, wanted=wanted: node.status()["broker"] == wanted,  # type: ignore[misc]  # bound at once
                f"{node.name} is {wanted}",
                30.0,
                node.log_tail,
            )


@pytest.fixture
def partitioned(broker: PrivateBroker, cluster_name: str, tmp_path: Path) -> Iterator[Partitioned]:
    """Three nodes, ready, all of them connected."""
    with ExitStack() as stack:
        cluster = ClusterUnderTest(tmp_path, broker.url, cluster=cluster_name)
        proxies = {node.name: stack.enter_context(TcpProxy("127.0.0.1", broker.amqp_port)) for node in cluster}
        for node in cluster:
            port = str(proxies[node.name].port)
            node.environment["CAUSALKV_AMQP_URL"] = broker.url.replace(str(broker.amqp_port), port)
        stack.enter_context(cluster)
        yield Partitioned(broker, cluster_name, cluster, proxies)


def test_repeated_partition_and_healing_with_changing_groups(partitioned: Partitioned) -> None:
    """Each time others are cut off, all write, and in the end everybody has everything."""
    keys = []
    for turn, group in enumerate((["node1"], ["node2", "node3"], ["node1", "node3"], ["node2"], [])):
        partitioned.cut_off(*group)
        keys += [key for node in partitioned.cluster for key in put_all(node, f"{turn}-{node.name}-", 5)]
    assert_everywhere(partitioned.cluster, keys, 30.0)


def test_a_node_joins_right_after_a_partition(partitioned: Partitioned) -> None:
    """One that was cut off has writes that nobody knows when the new one comes."""
    cluster = partitioned.cluster
    partitioned.cut_off("node1")
    unknown = put_all(cluster["node1"], "node1-", 10)
    keys = unknown + put_all(cluster["node2"], "node2-", 10) + put_all(cluster["node3"], "node3-", 10)
    node4 = cluster.add("node4")
    node4.start()
    wait_until(lambda: node4.answers("/healthz"), "node4 answers", HEAL_SECONDS, node4.log_tail)
    assert {cluster[name].get(key).status_code for name in ("node2", "node3") for key in unknown} == {404}
    partitioned.cut_off()
    node4.wait_ready(30.0)
    keys += put_all(node4, "node4-", 10)
    assert_everywhere(cluster, keys, 30.0)


def test_broker_queues_gone(partitioned: Partitioned) -> None:
    """All queues are deleted while all nodes write: each is made again, and nothing is missing."""
    keys = put_all(partitioned.cluster["node1"], "before", 20)
    for name in ("node1", "node2", "node3"):
        partitioned.broker.ctl("delete_queue", f"{partitioned.name}.{name}")
        keys += [key for node in partitioned.cluster for key in put_all(node, f"{name}-gone-{node.name}-", 5)]
    assert_everywhere(partitioned.cluster, keys, 30.0)


def test_a_lost_clock_store(partitioned: Partitioned) -> None:
    """A node whose data directory is gone counts from 1 again, under another name, and nobody drops what it writes."""
    node2 = partitioned.cluster["node2"]
    keys = put_all(node2, "before", 20)
    partitioned.cluster.quiesce()
    node2.kill()
    node2.forget_data()
    node2.start()
    node2.wait_ready(30.0)
    keys += put_all(node2, "after", 5)
    assert_everywhere(partitioned.cluster, keys)


def test_rolling_restart_with_messages_of_the_previous_format_version(partitioned: Partitioned) -> None:
    """What a node of the version before published, format 1, is read by nodes of this one, one after the other."""
    cluster = partitioned.cluster
    keys = put_all(cluster["node1"], "now", 5)
    cluster.quiesce()
    body = json.dumps(
        {
            "format": 1,
            "sender": "node9~former",
            "writes": [
                {
                    "replica": "node9~former",
                    "seq": seq,
                    "vector_clock": {"node9~former": seq},
                    "timestamp": [1_700_000_000_000, seq],
                    "ops": [{"op": "put", "key": f"old{seq}", "value": f"old{seq}"}],
                }
                for seq in (1, 2, 3)
            ],
        }
    ).encode()
    for name in ("node1", "node2", "node3"):
        cluster[name].terminate()
        if name == "node2":
            with Wire(partitioned.broker.url, partitioned.name) as wire:
                wire.publish(body)
        cluster[name].start()
        cluster[name].wait_ready(30.0)
        keys += put_all(cluster[name], f"restarted-{name}-", 3)
    assert_everywhere(cluster, [*keys, "old1", "old2", "old3"])
