"""Values that end by themselves: an expiry is a causal write, so every node shows the same."""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from node.core.expiry import ExpiryLimits
from tests.integration.http.conftest import NAMES, TIMEOUT_SECONDS, ServedNode, become_quiet, serving, token_of
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from pathlib import Path

SHORT_SECONDS = 0.3


def is_gone(node: ServedNode, key: str) -> bool:
    """Whether a key has no value at a node."""
    return node.get(key).status_code == 404


def gone_everywhere(nodes: list[ServedNode], key: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Wait until no node shows a value."""
    wait_until(lambda: all(is_gone(node, key) for node in nodes), f"{key} is gone everywhere", timeout_seconds)


def test_a_value_ends_on_every_node(nodes: list[ServedNode]) -> None:
    """Not before its time, and by a write of its own, which all nodes apply."""
    before = time.time()
    token = token_of(nodes[0].post("/put", key="x", value=1, ttl=5))
    assert all(node.get("x", token).status_code == 200 for node in nodes)
    gone_everywhere(nodes, "x")
    assert time.time() - before >= 5
    become_quiet(nodes)
    assert [node.node.service.shown(node.node.service.clock) for node in nodes] == [[2, 0, 0]] * 3


def test_a_read_shows_how_long_a_value_has_left(nodes: list[ServedNode]) -> None:
    """On every node; a value without an end shows none."""
    token = token_of(nodes[0].post("/put", key="x", value=1, ttl=50), nodes[0].put("y", 1))
    for node in nodes:
        shown = node.get("x", token).json()
        assert list(shown) == ["key", "value", "vc", "ttl"]
        assert 40 < shown["ttl"] <= 50
        assert "ttl" not in node.get("y", token).json()


def test_a_value_that_was_put_again_does_not_end_with_the_former_one(nodes: list[ServedNode]) -> None:
    """Neither one without an end, nor one with a later end, whichever node took it."""
    node1, node2, _ = nodes
    token = token_of(*(node1.post("/put", key=key, value=1, ttl=SHORT_SECONDS) for key in ("a", "b", "marker")))
    node2.put("a", 2, token).raise_for_status()
    node2.post("/put", token, key="b", value=2, ttl=100).raise_for_status()
    gone_everywhere(nodes, "marker")
    become_quiet(nodes)
    for node in nodes:
        assert node.get("a").json()["value"] == 2
        assert node.get("b").json()["ttl"] > 50


def test_an_expiry_ends_its_own_version_and_no_concurrent_one(nodes: list[ServedNode]) -> None:
    """The sibling that another node took at the same time stays."""
    node1, node2, _ = nodes
    node1.delay(node2=60)
    node2.delay(node1=60)
    node1.post("/put", key="s", value="ends", ttl=SHORT_SECONDS).raise_for_status()
    node2.put("s", "stays").raise_for_status()
    wait_until(lambda: is_gone(node1, "s"), "it ended", TIMEOUT_SECONDS)
    become_quiet(nodes)
    for node in nodes:
        assert [each["value"] for each in node.get("s", siblings="true").json()["siblings"]] == ["stays"]


def test_a_value_ends_although_its_node_was_stopped_in_between(tmp_path: Path) -> None:
    """What is due is found again after the start, and the clock of the wall went on."""
    cluster = f"test-{secrets.token_hex(4)}"
    with serving(tmp_path, cluster) as node:
        node.post("/put", key="x", value=1, ttl=1).raise_for_status()
        node.post("/put", key="y", value=1, ttl=100).raise_for_status()
    with serving(tmp_path, cluster) as node:
        wait_until(lambda: is_gone(node, "x"), "it ended", TIMEOUT_SECONDS)
        assert 50 < node.get("y").json()["ttl"] <= 100


@pytest.mark.slow
def test_a_value_ends_although_its_node_stays_away(tmp_path: Path) -> None:
    """After a time of grace one of the others issues the expiry; both of them show the same."""
    cluster = f"test-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        others = [stack.enter_context(serving(tmp_path, cluster, name, faults=True)) for name in NAMES[1:]]
        with serving(tmp_path, cluster, NAMES[0], faults=True) as taker:
            answer = taker.post("/put", key="x", value=1, ttl=10, ack="all", ack_timeout=TIMEOUT_SECONDS)
            assert answer.json()["acked"] == "all"
        put_at = time.time()
        gone_everywhere(others, "x", 40.0)
        assert time.time() - put_at >= ExpiryLimits().grace_ms / 1000
        become_quiet(others)
        assert others[0].node.service.shown(others[0].node.service.clock) == [1, 1, 0]
        # The node that took it finds out when it is back.
        with serving(tmp_path, cluster, NAMES[0], faults=True) as taker:
            gone_everywhere([taker, *others], "x")


def test_an_end_in_a_batch_is_that_of_its_put(node: ServedNode) -> None:
    """The other keys of the batch stay."""
    ops = [{"op": "put", "key": "b1", "value": 1, "ttl": SHORT_SECONDS}, {"op": "put", "key": "b2", "value": 2}]
    node.post("/batch", ops=ops).raise_for_status()
    gone_everywhere([node], "b1")
    assert node.get("b2").json()["value"] == 2


def test_many_values_end_together(node: ServedNode) -> None:
    """Also more than one write of expiries takes."""
    ops = [{"op": "put", "key": f"many{n}", "value": n, "ttl": SHORT_SECONDS} for n in range(1000)]
    node.post("/batch", ops=ops).raise_for_status()
    wait_until(lambda: not node.scan(prefix="many")["keys"], "all are gone", TIMEOUT_SECONDS)


@pytest.mark.parametrize("ttl", [0, -1, "1", None, True, [1], 1e10, 10**50, float("1e-400")])
def test_a_wrong_ttl_is_400(node: ServedNode, ttl: Any) -> None:
    """Seconds above zero, at most ten years; nothing is written."""
    answer = node.post("/put", key="wrong", value=1, ttl=ttl)
    assert answer.status_code == 400
    assert "$.ttl" in answer.json()["error"]
    assert is_gone(node, "wrong")


def test_the_shortest_and_the_longest_ttl_are_taken(node: ServedNode) -> None:
    """What is less than a millisecond lasts one."""
    node.post("/put", key="long", value=1, ttl=10 * 366 * 86_400).raise_for_status()
    assert node.get("long").json()["ttl"] > 300_000_000
    node.post("/put", key="brief", value=1, ttl=1e-9).raise_for_status()
    gone_everywhere([node], "brief")
