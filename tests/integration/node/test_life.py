"""A node's life: it stops in order under load, comes back with all it knew, and catches up before it serves."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.ports import NO_TLS
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

pytestmark = pytest.mark.broker

STOP_SECONDS = 10.0
WRITERS = 8


class Load:
    """Clients that write at one node until it is gone, and what it acknowledged."""

    def __init__(self, node: NodeUnderTest, name: str) -> None:
        self._node = node
        self._name = name
        self.acknowledged: dict[str, int] = {}
        self.unexpected: list[str] = []
        self._threads = [threading.Thread(target=self._write, args=(writer,)) for writer in range(WRITERS)]

    def _write(self, writer: int) -> None:
        with httpx.Client(base_url=self._node.url, timeout=30.0, trust_env=False, verify=NO_TLS) as http:
            for number in range(100_000):
                key = f"{self._name}-{writer}-{number}"
                try:
                    answer = http.post("/put", json={"key": key, "value": number})
                except httpx.HTTPError:
                    return
                if answer.status_code == httpx.codes.OK:
                    self.acknowledged[key] = number
                elif answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    self.unexpected.append(answer.text)
                    return

    def start(self) -> None:
        """Write, and return when it is under way."""
        for thread in self._threads:
            thread.start()
        wait_until(lambda: len(self.acknowledged) > 200, "the load is under way", 30, self._node.log_tail)

    def end(self) -> None:
        """Wait until all clients have noticed that the node is gone."""
        for thread in self._threads:
            thread.join(60)
        assert self.unexpected == []


def missing(node: NodeUnderTest, values: dict[str, int]) -> list[str]:
    """The keys that a node does not show as they were acknowledged."""
    with ThreadPoolExecutor(4) as pool:
        shown = list(pool.map(lambda key: node.get(key).json().get("value"), values))
    return [key for key, value in zip(values, shown, strict=True) if values[key] != value]


def test_sigterm_under_load_loses_nothing_that_was_acknowledged(cluster: ClusterUnderTest) -> None:
    """Exit code 0 within 10 s; after the restart everything is there, here and on the others."""
    node = cluster["node1"]
    before = node.status()
    load = Load(node, "load")
    load.start()
    started = time.monotonic()
    assert node.terminate() == 0, node.log_tail()
    assert time.monotonic() - started < STOP_SECONDS
    load.end()

    node.start()
    node.wait_ready()
    after = node.status()
    assert after["incarnation"] == before["incarnation"]
    replica = f"node1~{after['incarnation']}"
    assert after["clock"][replica] >= len(load.acknowledged)
    assert missing(node, load.acknowledged) == []
    cluster.quiesce()
    for other in cluster:
        assert missing(other, load.acknowledged) == []


def test_a_restart_goes_on_counting(cluster: ClusterUnderTest) -> None:
    """Same incarnation, same clock, and the next write is the next in line."""
    cluster.quiesce()
    node = cluster["node2"]
    first = node.put("counting", 1).json()["vc"]
    before = node.status()
    assert node.terminate() == 0
    node.start()
    node.wait_ready()
    after = node.status()
    assert (after["incarnation"], after["clock"]) == (before["incarnation"], before["clock"])
    assert node.get("counting").json() == {"key": "counting", "value": 1, "vc": first}
    assert node.put("counting", 2).json()["vc"] == [first[0], first[1] + 1, first[2]]
    cluster.quiesce(["counting"])


def test_a_backlog_is_caught_up_with_before_a_node_is_ready(cluster: ClusterUnderTest) -> None:
    """``/readyz`` says 503 and how much is left until all that had waited in the queue is applied."""
    cluster.quiesce()
    late = cluster["node3"]
    assert late.terminate() == 0
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: cluster["node1"].put(f"backlog-{n}", n).status_code, range(400)))
    assert answers == [httpx.codes.OK] * 400
    wait_until(lambda: cluster["node1"].status()["outbox"] == 0, "published", 30)
    clock = cluster["node1"].status()["clock"]
    late.start()
    refusals: list[str] = []

    def is_ready() -> bool:
        try:
            # A founding node that finds no broker for some seconds serves what it has.
            is_connected = late.status()["broker"] == "connected"
            answer = late.http.get("/readyz")
        except httpx.HTTPError:
            return False
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            refusals.append(answer.json()["error"])
        return is_connected and answer.status_code == httpx.codes.OK

    wait_until(is_ready, "node3 is ready", 30, late.log_tail)
    assert late.status()["clock"] == clock
    reasons = ("connecting to the broker", "catching up: ", "asking the other nodes where they are")
    assert [reason for reason in refusals if not reason.startswith(reasons)] == []
    cluster.quiesce([f"backlog-{n}" for n in range(0, 400, 40)])


def test_a_request_that_waits_does_not_hold_up_the_stop(cluster: ClusterUnderTest) -> None:
    """It is told at once to try another node, and the node is gone long before the request's own deadline."""
    node = cluster["node1"]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(
            node.http.get,
            "/get?key=x",
            headers={
                "X-Causal-Context": "node2~nobody=1",
                "X-Causal-Wait": "60",
            },
        )
        wait_until(lambda: node.status()["waiting_requests"] == 1, "the request waits", 10)
        started = time.monotonic()
        assert node.terminate() == 0
        took = time.monotonic() - started
        assert answer.result(10).status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert "stopping: use another node" in answer.result().json()["error"]
    assert took < STOP_SECONDS / 2
    node.start()
    node.wait_ready()
    cluster.wait_connected()


def test_stopping_and_starting_all_nodes_keeps_everything(cluster: ClusterUnderTest) -> None:
    """The data is in the nodes; the broker only carries it."""
    for number, node in enumerate(cluster):
        node.put("kept", number)
    cluster.quiesce(["kept"])
    before = [(status["incarnation"], status["clock"]) for status in cluster.statuses()]
    kept = cluster["node1"].get("kept", siblings="true").json()
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda node: node.terminate(), cluster)) == [0, 0, 0]
    cluster.start()
    assert [(status["incarnation"], status["clock"]) for status in cluster.statuses()] == before
    assert [node.get("kept", siblings="true").json() for node in cluster] == [kept] * 3
