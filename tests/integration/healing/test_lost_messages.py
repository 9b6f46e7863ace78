"""Whatever the broker loses, the nodes notice, name it, and get it from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.healing.tools import (
    HEAL_SECONDS,
    assert_everywhere,
    delete_message,
    messages_in,
    metric,
    put_all,
    repairs,
)
from tests.support.cluster import ClusterUnderTest, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker


def test_a_purged_queue_is_repaired(broker: PrivateBroker, cluster: ClusterUnderTest, cluster_id: str) -> None:
    """Everything that waited for a stopped node is lost; it gets it from the others, and says from whom."""
    cluster["node3"].terminate()
    keys = put_all(cluster["node1"], "a", 60) + put_all(cluster["node2"], "b", 60)
    wait_until(
        lambda: all(cluster[name].status()["outbox"] == 0 for name in ("node1", "node2")),
        "all is in the queues",
        HEAL_SECONDS,
    )
    broker.ctl("purge_queue", f"{cluster_id}.node3")
    cluster["node3"].start()
    cluster["node3"].wait_ready(HEAL_SECONDS)
    assert_everywhere(cluster, keys)
    healed = repairs(cluster["node3"])
    assert sum(each["writes"] for each in healed) == len(keys)
    assert {each["from"] for each in healed} <= {"node1", "node2"}
    assert metric(cluster["node3"], "causalkv_repaired_writes_total") == len(keys)
    assert "missing writes came" in cluster["node3"].log_file.read_text()


def test_a_single_lost_message_is_repaired_and_nothing_else(
    broker: PrivateBroker, cluster: ClusterUnderTest, cluster_id: str
) -> None:
    """Of many messages one is gone: what follows is held, and exactly the missing write is asked for."""
    cluster["node3"].terminate()
    keys = put_all(cluster["node1"], "k", 30)
    wait_until(lambda: messages_in(broker, f"{cluster_id}.node3") >= len(keys), "all are queued", HEAL_SECONDS)
    lost = delete_message(broker, f"{cluster_id}.node3", 10)
    cluster["node3"].start()
    cluster["node3"].wait_ready(HEAL_SECONDS)
    assert_everywhere(cluster, keys)
    healed = repairs(cluster["node3"])
    assert [each["writes"] for each in healed] == [lost.count(b'"seq"')]
    assert cluster["node3"].status()["held"] == 0


def test_a_deleted_queue_is_declared_again_and_repaired(
    broker: PrivateBroker, cluster: ClusterUnderTest, cluster_id: str
) -> None:
    """The queue goes while its node consumes, and again while its node is stopped."""
    broker.ctl("delete_queue", f"{cluster_id}.node3")
    keys = put_all(cluster["node1"], "while-up-", 40)
    assert_everywhere(cluster, keys)
    cluster["node3"].terminate()
    keys += put_all(cluster["node2"], "before-", 20)
    broker.ctl("delete_queue", f"{cluster_id}.node3")
    keys += put_all(cluster["node2"], "after-", 20)
    cluster["node3"].start()
    cluster["node3"].wait_ready(HEAL_SECONDS)
    assert_everywhere(cluster, keys)


def test_a_broker_that_comes_back_empty_loses_nothing(
    own_broker: PrivateBroker, cluster_id: str, tmp_path: Path
) -> None:
    """All queues and exchanges are gone with what was in them; also what a stopped node had not got yet."""
    with ClusterUnderTest(tmp_path, own_broker.url, cluster=cluster_id) as cluster:
        cluster["node3"].kill()
        keys = put_all(cluster["node1"], "queued-", 50)
        own_broker.kill()
        keys += put_all(cluster["node2"], "outbox-", 50)
        own_broker.wipe()
        own_broker.start()
        cluster["node3"].start()
        cluster["node3"].wait_ready(HEAL_SECONDS)
        assert_everywhere(cluster, keys, timeout_seconds=30.0)


def test_an_idle_cluster_asks_for_nothing(cluster: ClusterUnderTest) -> None:
    """When nothing is missing no repair is asked for, and nothing but clocks is told."""
    assert_everywhere(cluster, put_all(cluster["node1"], "k", 20))
    # While the writes came, a node that had to wait for its turn may have asked.
    asked = [metric(node, "causalkv_repairs_asked_total") for node in cluster]
    since = cluster["node1"].status()["uptime_seconds"]
    wait_until(
        lambda: cluster["node1"].status()["uptime_seconds"] > since + 6, "some seconds have passed", HEAL_SECONDS
    )
    assert [metric(node, "causalkv_repairs_asked_total") for node in cluster] == asked
    for node in cluster:
        assert node.status()["missing_writes"] == 0
        assert node.status()["healing"]["asking_for"] == {}
