"""Disks that are lost, or come back as they once were; and two processes where there should be one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.healing.tools import HEAL_SECONDS, assert_everywhere, copy_directory, put_all, wait_clock
from tests.support.cluster import ClusterUnderTest, NodeUnderTest, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker


def test_a_node_that_lost_its_disk_five_times_in_a_row_gets_all_back(cluster: ClusterUnderTest) -> None:
    """Each time it is a new incarnation, has everything, and what it writes reaches everybody."""
    keys = put_all(cluster["node1"], "first", 50)
    names = {cluster["node3"].status()["replica"]}
    for turn in range(5):
        keys += put_all(cluster["node3"], f"turn{turn}-", 5)
        cluster.quiesce()
        cluster["node3"].kill()
        cluster["node3"].forget_data()
        keys += put_all(cluster["node2"], f"while-down{turn}-", 5)
        cluster["node3"].start()
        cluster["node3"].wait_ready(HEAL_SECONDS)
        names.add(cluster["node3"].status()["replica"])
    keys += put_all(cluster["node3"], "last", 5)
    assert_everywhere(cluster, keys)
    assert len(names) == 6
    assert len(cluster["node1"].status()["vc"]) == 3


def test_a_node_that_lost_its_disk_serves_while_it_is_the_only_one_up(cluster: ClusterUnderTest) -> None:
    """It takes writes at once; its peers come back later, and all have everything."""
    keys = put_all(cluster["node3"], "old", 20)
    cluster.quiesce()
    for node in cluster:
        node.kill()
    cluster["node3"].forget_data()
    cluster["node3"].start()
    cluster["node3"].wait_ready(HEAL_SECONDS)
    keys += put_all(cluster["node3"], "alone", 20)
    cluster["node1"].start()
    cluster["node2"].start()
    for node in cluster:
        node.wait_ready(30.0)
    keys += put_all(cluster["node1"], "together", 5)
    assert_everywhere(cluster, keys)


def _wait_for_safe_name(node: NodeUnderTest) -> None:
    """Behind a start, before the first write: one that has to wait long for the others' answers takes another name."""
    wait_until(lambda: node.status()["healing"]["name_is_safe"], "its name is safe", HEAL_SECONDS, node.log_tail)


def test_an_old_copy_of_the_disk_uses_no_dot_twice(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """A thousand writes after the copy was made, the copy is put back: all nodes still end with every write."""
    node3 = cluster["node3"]
    keys = put_all(node3, "before", 100)
    cluster.quiesce()
    node3.terminate()
    copy_directory(node3.data_dir, tmp_path / "backup")
    node3.start()
    node3.wait_ready()
    _wait_for_safe_name(node3)
    former = node3.status()["replica"]
    keys += put_all(node3, "lost-here", 1000)
    cluster.quiesce()  # what is not published when it stops would be lost with the disk
    node3.terminate()
    copy_directory(tmp_path / "backup", node3.data_dir)
    node3.start()
    node3.wait_ready(HEAL_SECONDS)
    keys += put_all(node3, "after", 100)
    wait_until(lambda: node3.status()["replica"] != former, "it has another name", HEAL_SECONDS, node3.log_tail)
    assert_everywhere(cluster, keys, 30.0)
    clock = cluster["node1"].status()["clock"]
    assert clock[former] == 1100
    assert clock[node3.status()["replica"]] == 100
    assert cluster["node1"].status()["vc"] == [0, 0, 1200]


def test_copies_of_all_nodes_of_different_moments_over_an_empty_broker_become_one_state(
    own_broker: PrivateBroker, cluster_id: str, tmp_path: Path
) -> None:
    """As after a fire, with backups: what is in any of the copies is on all nodes, and new writes are taken.

    Nobody is left who knows what was written after the copies: told so, nodes give none of its names again.
    """
    with ClusterUnderTest(tmp_path / "nodes", own_broker.url, cluster=cluster_id) as cluster:
        keys = []
        for node in cluster:
            keys += put_all(node, f"{node.name}-", 20)
            cluster.quiesce()
            node.terminate()
            copy_directory(node.data_dir, tmp_path / node.name)
            node.start()
            node.wait_ready()
        lost = put_all(cluster["node1"], "after-the-copies", 5)
        cluster.quiesce()
        known = cluster["node1"].status()["clock"]
        for node in cluster:
            node.kill()
            copy_directory(tmp_path / node.name, node.data_dir)
        own_broker.stop()
        own_broker.wipe()
        own_broker.start()
        cluster.start(CAUSALKV_RESTORED="1")
        keys += [key for node in cluster for key in put_all(node, f"new-{node.name}-", 5)]
        assert_everywhere(cluster, keys, 30.0)
        clock = cluster["node1"].status()["clock"]
        assert [clock.get(replica) for replica in known] == [20, 20, 20]
        assert sorted(count for replica, count in clock.items() if replica not in known) == [5, 5, 5]
        assert {node.get(key).status_code for node in cluster for key in lost} == {404}


def test_an_old_copy_keeps_what_only_it_has(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """Writes that the copy had not published yet go out under the former name."""
    node3 = cluster["node3"]
    node3.terminate()
    # The broker cannot be reached: what is written now stays in the outbox.
    node3.start(CAUSALKV_AMQP_URL="amqp://guest:guest@127.0.0.1:1/%2F")
    node3.wait_ready(HEAL_SECONDS)
    keys = put_all(node3, "unpublished", 10)
    node3.terminate()
    copy_directory(node3.data_dir, tmp_path / "backup")
    node3.start()
    node3.wait_ready()
    keys += put_all(node3, "published", 10)
    cluster.quiesce()
    node3.terminate()
    copy_directory(tmp_path / "backup", node3.data_dir)
    node3.start()
    node3.wait_ready(HEAL_SECONDS)
    keys += put_all(node3, "later", 10)
    assert_everywhere(cluster, keys)


def test_a_plain_restart_keeps_the_name(cluster: ClusterUnderTest) -> None:
    """With its peers there to say that the name is safe, a node goes on under it."""
    node3 = cluster["node3"]
    keys = put_all(node3, "a", 10)
    name = node3.status()["replica"]
    node3.kill()
    node3.start()
    node3.wait_ready()
    _wait_for_safe_name(node3)
    keys += put_all(node3, "b", 10)
    assert node3.status()["replica"] == name
    assert_everywhere(cluster, keys)


def test_two_processes_on_one_directory_the_second_refuses(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """One clear line, exit code 1, and the first goes on."""
    second = _twin(cluster, "node3", tmp_path / "elsewhere")
    second.data_dir = cluster["node3"].data_dir
    second.environment["CAUSALKV_DATA_DIR"] = str(second.data_dir)
    second.start()
    wait_until(lambda: second.exit_code is not None, "the second one ends", HEAL_SECONDS)
    assert second.exit_code == 1
    assert "is in use by another process" in second.log_file.read_text()
    assert_everywhere(cluster, put_all(cluster["node3"], "k", 5))


@pytest.mark.parametrize("copied", [False, True], ids=["on an empty directory", "on a copy of the directory"])
def test_two_processes_with_one_node_id_are_noticed_and_lose_nothing(
    cluster: ClusterUnderTest, tmp_path: Path, *, copied: bool
) -> None:
    """Both say so loudly; whatever each of them accepted is on all nodes in the end."""
    keys = put_all(cluster["node3"], "before", 20)
    cluster.quiesce()
    twin = _twin(cluster, "node3", tmp_path / "elsewhere")
    if copied:
        cluster["node3"].terminate()
        copy_directory(cluster["node3"].data_dir, twin.data_dir)
        cluster["node3"].start()
        cluster["node3"].wait_ready()
    twin.start()
    try:
        twin.wait_ready(30.0)
        for turn in range(10):
            keys += put_all(cluster["node3"], f"one{turn}-", 5)
            keys += put_all(twin, f"two{turn}-", 5)
        total = len(keys)
        for node in (cluster["node1"], cluster["node2"], cluster["node3"], twin):
            wait_clock(node, total, 30.0)
        for node in (cluster["node3"], twin):
            wait_until(
                lambda node=node: "another process runs under this node's id" in node.log_file.read_text(),  # type: ignore[misc]  # bound at once
                f"{node.log_file} says that there are two",
                HEAL_SECONDS,
            )
        assert twin.status()["replica"] != cluster["node3"].status()["replica"]
    finally:
        twin.terminate()
        twin.http.close()
    assert_everywhere(cluster, keys, 30.0)


def _twin(cluster: ClusterUnderTest, name: str, directory: Path) -> NodeUnderTest:
    """Another process for a node that runs, with a directory and a port of its own."""
    directory.mkdir()
    original = cluster[name].environment
    own = {"CAUSALKV_HTTP_PORT", "CAUSALKV_DATA_DIR"}
    common = {key: value for key, value in original.items() if key.startswith("CAUSALKV_") and key not in own}
    return NodeUnderTest(name, directory, common)
