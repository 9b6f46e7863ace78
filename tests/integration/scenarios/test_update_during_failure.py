"""Update during failure: nodes die and come back while a key is written, here and elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

pytestmark = pytest.mark.broker

CONTEXT = "X-Causal-Context"
KEY = "x"


def write(node: NodeUnderTest, value: str, token: str = "") -> str:
    """Put, and return the token of the answer."""
    return node.put(KEY, value, token).raise_for_status().headers[CONTEXT]


def bring_back(node: NodeUnderTest) -> None:
    """Start it on the disk that it left."""
    node.start()
    node.wait_ready()


def only_value(node: NodeUnderTest, token: str) -> str:
    """The value of the key after what ``token`` says; there must be one alone."""
    (shown,) = node.get(KEY, token, siblings="true").raise_for_status().json()["siblings"]
    value: str = shown["value"]
    return value


def test_update_during_failure_a_node_that_was_dead_has_what_was_written_elsewhere(cluster: ClusterUnderTest) -> None:
    """Kill, write elsewhere, restart: the update replaced what the dead node wrote last, there too."""
    node1, node2, _ = cluster
    token = write(node1, "before")
    node2.get(KEY, token).raise_for_status()
    node1.kill()
    token = write(node2, "meanwhile", token)
    bring_back(node1)
    assert only_value(node1, token) == "meanwhile"
    cluster.quiesce([KEY])


def test_update_during_failure_a_node_that_came_back_writes_on(cluster: ClusterUnderTest) -> None:
    """Kill, write elsewhere, restart, write again: the numbers of the node go on, and its update wins."""
    node1, node2, node3 = cluster
    token = write(node1, "before")
    node2.get(KEY, token).raise_for_status()
    node1.kill()
    token = write(node2, "meanwhile", token)
    bring_back(node1)
    answer = node1.put(KEY, "again", token).raise_for_status()
    assert answer.json()["vc"] == [2, 1, 0]
    for node in (node2, node3):
        assert only_value(node, answer.headers[CONTEXT]) == "again"
    cluster.quiesce([KEY])


def test_update_during_failure_a_second_node_dies_after_the_first_is_back(cluster: ClusterUnderTest) -> None:
    """Kill, write elsewhere, restart, write again, kill the one that had written meanwhile: nothing goes with it."""
    node1, node2, node3 = cluster
    token = write(node1, "before")
    node2.get(KEY, token).raise_for_status()
    node1.kill()
    token = write(node2, "meanwhile", token)
    bring_back(node1)
    token = write(node1, "again", token)
    node2.kill()
    assert only_value(node3, token) == "again"
    token = write(node3, "last", token)
    assert only_value(node1, token) == "last"
    bring_back(node2)
    assert only_value(node2, token) == "last"
    cluster.quiesce([KEY])
