"""Faults injected by /faults into real nodes over a real broker: what heals by itself, and what a cut does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.healing.tools import HEAL_SECONDS, assert_everywhere, metric, put_all, repairs
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

pytestmark = pytest.mark.broker

# A lost connection is tried again after pauses that grow to 4 s; a restored one must not wait for them.
AT_ONCE_SECONDS = 10.0


def inject(node: NodeUnderTest, **faults: Any) -> dict[str, Any]:
    """POST /faults; returns those in force."""
    answer: dict[str, Any] = node.http.post("/faults", json=faults).raise_for_status().json()
    return answer


def shown(node: NodeUnderTest, name: str) -> Any:
    """One of the faults."""
    return node.http.get("/faults").json()[name]


def test_a_dropped_message_is_acknowledged_and_comes_back_by_repair(cluster: ClusterUnderTest) -> None:
    """The broker never brings it again: a peer does, while the fault is still in force."""
    node1, _, node3 = cluster
    inject(node3, drop=["node1"])
    keys = put_all(node1, "lost", 20)
    assert_everywhere(cluster, keys)
    assert shown(node3, "dropped") >= 1
    assert sum(each["writes"] for each in repairs(node3)) == len(keys)
    inject(node3, clear=True)
    assert_everywhere(cluster, put_all(node1, "later", 3))
    assert sum(each["writes"] for each in repairs(node3)) == len(keys)


def test_messages_dropped_by_chance_are_repaired_and_held_writes_wait_for_them(cluster: ClusterUnderTest) -> None:
    """Whatever pattern the losses have."""
    for node in cluster:
        inject(node, drop={"node1": 0.5, "node2": 0.3})
    keys = [key for n in range(15) for node in cluster for key in put_all(node, f"{node.name}-{n}-", 1)]
    assert_everywhere(cluster, keys, timeout_seconds=2 * HEAL_SECONDS)
    assert sum(shown(node, "dropped") for node in cluster) > 0


def test_a_message_that_comes_twice_changes_nothing(cluster: ClusterUnderTest) -> None:
    """It is seen as a duplicate, counted and acknowledged; nothing of it stays in the queue."""
    node1, _, node3 = cluster
    inject(node3, duplicate=["node1"])
    keys = put_all(node1, "twice", 20)
    assert_everywhere(cluster, keys)
    wait_until(lambda: shown(node3, "delayed") == 0, "all second copies came", HEAL_SECONDS)
    assert shown(node3, "duplicated") >= 1
    wait_until(
        lambda: metric(node3, "causalkv_duplicates_dropped_total") == len(keys), "they are dropped", HEAL_SECONDS
    )
    cluster.quiesce(keys)
    assert sum(node3.status()["clock"].values()) == len(keys)


def test_a_node_that_is_cut_off_works_alone_and_converges_at_once_when_restored(cluster: ClusterUnderTest) -> None:
    """Nothing passes either way, reads and writes go on everywhere, nothing is lost."""
    node1, node2, node3 = cluster
    inject(node3, cut=True)
    wait_until(lambda: node3.status()["broker"] == "disconnected", "node3 is cut off", AT_ONCE_SECONDS)
    alone = put_all(node3, "alone", 10)
    others = put_all(node1, "others", 10)
    wait_until(lambda: node2.get(others[-1]).status_code == 200, "the others go on", HEAL_SECONDS)
    assert node3.get(alone[0]).json()["value"] == alone[0]
    assert node3.get(others[0]).status_code == 404
    assert node1.get(alone[0]).status_code == 404
    assert (node3.status()["broker"], node3.status()["outbox"]) == ("disconnected", len(alone))
    assert node1.status()["broker"] == "connected"

    restored = time.monotonic()
    inject(node3, cut=False)
    wait_until(lambda: node3.status()["broker"] == "connected", "node3 is back", HEAL_SECONDS)
    assert time.monotonic() - restored < AT_ONCE_SECONDS
    assert_everywhere(cluster, alone + others)
