"""A node joins a cluster that exists, under load; another one leaves it for good."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import httpx
import pytest

from infra.ports import NO_TLS
from tests.integration.healing.tools import HEAL_SECONDS, assert_everywhere, put_all
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from tests.support.broker import PrivateBroker
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

pytestmark = pytest.mark.broker


class Load:
    """Puts to one node, one after the other, until it is stopped."""

    def __init__(self, node: NodeUnderTest) -> None:
        self._node = node
        self._stop = threading.Event()
        self.keys: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with httpx.Client(base_url=self._node.url, timeout=30.0, trust_env=False, verify=NO_TLS) as http:
            while not self._stop.is_set():
                key = f"load{len(self.keys)}"
                http.post("/put", json={"key": key, "value": key}).raise_for_status()
                self.keys.append(key)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_a_node_joins_under_load_by_itself(cluster: ClusterUnderTest) -> None:
    """It is unready and says so until it holds everything; then all show it, and have what it writes."""
    keys = put_all(cluster["node1"], "before", 300)
    with Load(cluster["node2"]) as load:
        node4 = cluster.add("node4")
        # Late, so that there is time to see it without the writes.
        node4.start(CAUSALKV_REPAIR_AFTER_SECONDS="6")
        wait_until(lambda: node4.answers("/healthz"), "node4 answers", HEAL_SECONDS, node4.log_tail)
        early = node4.http.get("/readyz")
        assert early.status_code == 503, early.text
        read = node4.get("before0")
        assert (read.status_code, "joining" in read.json()["error"]) == (503, True)
        assert read.headers["Retry-After"]
        node4.wait_ready(30.0)
        has_at_once = [node4.get(key).status_code for key in keys]
    assert has_at_once == [200] * len(keys)
    own = put_all(node4, "own", 10)
    assert_everywhere(cluster, [*keys, *load.keys[:: max(1, len(load.keys) // 100)], *own], 30.0)
    for node in cluster:
        status = node.status()
        assert len(status["vc"]) == 4
        assert status["vc"] == cluster["node1"].status()["vc"]
        assert [member["node"] for member in status["members"]] == ["node1", "node2", "node3", "node4"]


def test_a_member_is_removed_for_good_and_its_writes_stay(
    broker: PrivateBroker, cluster: ClusterUnderTest, cluster_id: str
) -> None:
    """Alive it is not removed unless forced; once out, its queue is gone and nobody waits for it."""
    keys = put_all(cluster["node3"], "of-node3-", 20)
    assert_everywhere(cluster, keys)
    alive = cluster["node1"].http.post("/members/remove", json={"node": "node3"})
    assert (alive.status_code, "alive" in alive.json()["error"]) == (400, True)
    gone = cluster.take_out("node3")
    gone.terminate()
    waiting = cluster["node1"].http.post("/put", json={"key": "x", "value": 1, "ack": "all", "ack_timeout": 5})
    assert waiting.json()["acked"] == "broker"
    wait_until(
        lambda: cluster["node1"].http.post("/members/remove", json={"node": "node3"}).status_code == 200,
        "node3 counts as down and is removed",
        HEAL_SECONDS,
    )
    for node in cluster:
        wait_until(
            lambda node=node: [each["node"] for each in node.status()["members"]] == ["node1", "node2"],  # type: ignore[misc]  # bound at once
            "the removal is known",
            HEAL_SECONDS,
            node.log_tail,
        )
    wait_until(
        lambda: f"{cluster_id}.node3" not in broker.ctl("list_queues", "name").split(),
        "its queue is gone",
        HEAL_SECONDS,
    )
    answer = cluster["node1"].http.post("/put", json={"key": "x", "value": 2, "ack": "all"})
    assert answer.json()["acked"] == "all"
    cluster["node2"].terminate()
    cluster["node2"].start()  # it must neither expect node3 again, nor declare its queue
    cluster["node2"].wait_ready()
    assert_everywhere(cluster, keys)
    assert f"{cluster_id}.node3" not in broker.ctl("list_queues", "name").split()
    gone.http.close()


def test_a_removed_node_joins_again_without_its_data(cluster: ClusterUnderTest) -> None:
    """Its name comes back as a new member; with its old data it would say that it was removed."""
    keys = put_all(cluster["node3"], "k", 5)
    assert_everywhere(cluster, keys)
    forced = cluster["node1"].http.post("/members/remove", json={"node": "node3", "force": True})
    assert forced.status_code == 200, forced.text
    wait_until(lambda: "removed" in cluster["node3"].http.get("/readyz").text, "node3 knows it", HEAL_SECONDS)
    cluster["node3"].kill()
    cluster["node3"].forget_data()
    cluster["node3"].start()
    cluster["node3"].wait_ready(30.0)
    keys += put_all(cluster["node3"], "again", 5)
    assert_everywhere(cluster, keys)
    assert [each["node"] for each in cluster["node1"].status()["members"]] == ["node1", "node2", "node3"]
