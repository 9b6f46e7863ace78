"""Nodes whose broker is not there: they serve reads and writes, say so, and catch up by themselves later."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker

# A node waits 3 s for its broker; the rest is for the start of a process on a busy machine.
READY_SECONDS = 15.0


@pytest.fixture
def network(broker: PrivateBroker) -> Iterator[TcpProxy]:
    """The way to the broker, cut."""
    parts = urlsplit(broker.url)
    assert parts.hostname is not None
    assert parts.port is not None
    with TcpProxy(parts.hostname, parts.port) as proxy:
        proxy.cut()
        yield proxy


def test_nodes_start_and_serve_without_a_broker_and_drain_later(
    broker: PrivateBroker, network: TcpProxy, cluster_name: str, tmp_path: Path
) -> None:
    """Ready within seconds, writes durable and readable at once; when the broker is there, everybody has everything."""
    parts = urlsplit(broker.url)
    url = broker.url.replace(f":{parts.port}", f":{network.port}")
    cluster = ClusterUnderTest(tmp_path, url, cluster=cluster_name)
    try:
        for node in cluster:
            node.start()
        started = time.monotonic()
        for node in cluster:
            node.wait_ready(READY_SECONDS)
        assert time.monotonic() - started < READY_SECONDS
        for number, node in enumerate(cluster):
            for key in (f"at-{node.name}", "shared"):
                assert node.put(key, number).status_code == 200
                assert node.get(key).json()["value"] == number
            status = node.status()
            assert (status["broker"], status["ready"], status["outbox"]) == ("disconnected", True, 2)
            assert "causalkv_broker_connected 0.0" in node.http.get("/metrics").text
            others = [other for other in cluster if other is not node]
            assert all(node.get(f"at-{other.name}").status_code == 404 for other in others)
        network.restore()
        cluster.wait_connected()
        cluster.quiesce(["shared", *(f"at-{node.name}" for node in cluster)])
        assert cluster["node1"].status()["vc"] == [2, 2, 2]
        siblings = cluster["node2"].get("shared", siblings="true").json()["siblings"]
        assert sorted(sibling["node"] for sibling in siblings) == ["node1", "node2", "node3"]
    finally:
        cluster.kill()


def test_a_node_without_a_broker_stops_in_time_and_keeps_its_outbox(tmp_path: Path) -> None:
    """What could not be published is on disk; stopping does not wait for a broker that is away."""
    cluster = ClusterUnderTest(tmp_path, "amqp://guest:guest@127.0.0.1:1/%2F", size=1)
    node = cluster["node1"]
    try:
        for expected in (1, 2):
            node.start()
            node.wait_ready(READY_SECONDS)
            assert node.put("x", expected).json()["vc"] == [expected]
            assert node.status()["outbox"] == expected
            started = time.monotonic()
            assert node.terminate() == 0
            assert time.monotonic() - started < 5
        log = node.log_file.read_text()
        assert log.count("no link to the broker") == 4  # once for each link and run, not for each attempt
        wait_until(lambda: not node.runs, "ended", 5)
    finally:
        cluster.kill()
