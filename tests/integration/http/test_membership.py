"""Members through HTTP: who they are, taking one out, and a node that joins."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, serving
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx


def members_of(node: ServedNode) -> dict[str, dict[str, Any]]:
    """GET /members, by node id."""
    shown = node.http.get("/members").raise_for_status().json()["members"]
    return {member["node"]: member for member in shown}


def remove(node: ServedNode, name: str, **more: Any) -> httpx.Response:
    """POST /members/remove."""
    return node.http.post("/members/remove", json={"node": name, **more})


def wait_all_alive(nodes: list[ServedNode]) -> None:
    """Wait until everybody has heard everybody."""
    for node in nodes:
        wait_until(lambda node=node: all(m["alive"] for m in members_of(node).values()), "alive", TIMEOUT_SECONDS)  # type: ignore[misc]  # bound at once


@contextmanager
def started(directory: Path, cluster: str, name: str, **settings: Any) -> Iterator[ServedNode]:
    """A node that runs and need not be ready."""
    served = ServedNode(directory, cluster, name, **settings)
    served.node.start()
    try:
        yield served
    finally:
        served.node.stop()
        served.http.close()


# ---------------------------------------------------------------------------------------- who they are


def test_members_are_listed_by_name_with_how_far_each_is(nodes: list[ServedNode]) -> None:
    """Everybody lives and lacks nothing; each tells its address."""
    wait_all_alive(nodes)
    nodes[0].put("x", 1).raise_for_status()
    wait_until(lambda: members_of(nodes[1])["node3"]["lag_writes"] == 0, "no lag", TIMEOUT_SECONDS)
    for node in nodes:
        shown = members_of(node)
        assert list(shown) == ["node1", "node2", "node3"]
        for other in nodes:
            member = shown[other.name]
            assert (member["replica"], member["url"]) == (other.node.service.replica, other.url)
            assert (member["alive"], member["away"]) == (True, False)
            assert member["silent_seconds"] < TIMEOUT_SECONDS
            assert abs(member["clock_ahead_seconds"]) < TIMEOUT_SECONDS


def test_a_member_that_was_never_heard_says_so_and_holds_history_back(node: ServedNode) -> None:
    """Its name is known from the configuration; everything else is not."""
    node.put("x", 1).raise_for_status()
    applied = sum(node.http.get("/status").json()["vc"])
    wait_until(lambda: members_of(node)["node2"]["lag_writes"] >= applied, "the view is fresh", TIMEOUT_SECONDS)
    silent = members_of(node)["node2"]
    assert (silent["replica"], silent["url"], silent["clock_ahead_seconds"]) == (None, None, None)
    assert (silent["alive"], silent["away"]) == (False, False)
    assert silent["holds_back_writes"] == silent["lag_writes"]


def test_status_shows_the_members_and_what_is_healed(node: ServedNode) -> None:
    """The same members, and a report that is empty while nothing was wrong."""
    status = node.http.get("/status").json()
    assert [member["node"] for member in status["members"]] == ["node1", "node2", "node3"]
    assert status["missing_writes"] == 0
    assert status["healing"] == {
        "asking_for": {},
        "catching_up_writes": None,
        "name_is_safe": True,
        "repairs": [],
        "snapshot": None,
        "former_incarnation": None,
    }


# ---------------------------------------------------------------------------------------- taking one out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("node1", "node1 cannot remove itself: ask another node"),
        ("node9", "node9 is no member: the members are node1, node2, node3"),
    ],
)
def test_a_removal_that_makes_no_sense_is_400(node: ServedNode, name: str, words: str) -> None:
    """With what is wrong about it; force does not help."""
    for force in (False, True):
        answer = remove(node, name, force=force)
        assert answer.status_code == 400
        assert answer.json() == {"error": words}


@pytest.mark.parametrize(
    "body", [{}, {"node": 1}, {"node": ""}, {"node": "node1~abcd"}, {"node": "node2", "force": "yes"}, {"name": "x"}]
)
def test_a_malformed_removal_is_400(node: ServedNode, body: dict[str, Any]) -> None:
    """It shows a body that would be right, and removes nobody."""
    answer = node.http.post("/members/remove", json=body)
    assert answer.status_code == 400
    assert '{"node": "node4"}' in answer.json()["error"]
    assert list(members_of(node)) == ["node1", "node2", "node3"]


def test_a_silent_node_is_removed_and_its_writes_stay(tmp_path: Path) -> None:
    """Its queue is gone, and it holds back history no more; removed once more, it is no member."""
    cluster = f"test-{secrets.token_hex(4)}"
    with serving(tmp_path, cluster, "node1", faults=True) as node1:
        with serving(tmp_path, cluster, "node2") as node2:
            token = node2.put("x", "of node2").headers["X-Causal-Context"]
            assert node1.get("x", token).json()["value"] == "of node2"
        # It counts as alive until it was silent for a while.
        wait_until(lambda: remove(node1, "node2").status_code == 200, "removed", TIMEOUT_SECONDS)
        assert remove(node1, "node2").status_code == 400
        wait_until(lambda: list(members_of(node1)) == ["node1", "node3"], "shown", TIMEOUT_SECONDS)
        assert "node2" not in node1.node.engine.transport._fanout.queues  # type: ignore[attr-defined]  # the in-process transport
        assert node1.get("x").json()["value"] == "of node2"


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_node_that_is_alive_is_removed_only_by_force(tmp_path: Path, *, is_restarted: bool) -> None:
    """Then everybody learns it, the removed one too: it says so, and is not ready any more."""
    cluster = f"test-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        node1 = stack.enter_context(serving(tmp_path, cluster, "node1"))
        node2 = stack.enter_context(serving(tmp_path, cluster, "node2"))
        if is_restarted:
            with serving(tmp_path, cluster, "node3"):
                pass
        node3 = stack.enter_context(serving(tmp_path, cluster, "node3"))
        wait_all_alive([node1, node2, node3])
        refused = remove(node1, "node3")
        assert refused.status_code == 400
        assert refused.json() == {"error": "node3 is alive: stop it first, or force the removal"}
        assert list(members_of(node1)) == ["node1", "node2", "node3"]
        answer = remove(node1, "node3", force=True)
        assert answer.status_code == 200
        assert answer.json()["removed"] == "node3"
        assert [member["node"] for member in answer.json()["members"]] == ["node1", "node2"]
        for node in (node1, node2, node3):
            wait_until(lambda node=node: list(members_of(node)) == ["node1", "node2"], "it is out", TIMEOUT_SECONDS)  # type: ignore[misc]  # bound at once
        unready = node3.http.get("/readyz")
        assert unready.status_code == 503
        assert unready.json()["error"].startswith("this node was removed from the cluster")
        assert node1.http.get("/readyz").status_code == 200


# ------------------------------------------------------------------------------------------ joining


def test_a_node_that_joins_is_not_ready_and_reads_say_so_until_it_has_everything(tmp_path: Path) -> None:
    """What it does not know yet must not look as if it were not there."""
    cluster = f"test-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        joining = stack.enter_context(started(tmp_path, cluster, "node4"))
        unready = joining.http.get("/readyz")
        assert unready.status_code == 503
        assert unready.headers["Retry-After"]
        assert unready.json()["error"] in {
            "connecting to the broker",
            "asking the other nodes where they are",
            "catching up: 0 messages of the backlog have not arrived yet",
        }
        read = joining.get("x")
        assert read.status_code == 503
        assert "is joining" in read.json()["error"]
        node1 = stack.enter_context(serving(tmp_path, cluster, "node1", repair_after_seconds=0.2))
        token = node1.put("x", 1).headers["X-Causal-Context"]
        wait_until(lambda: joining.http.get("/readyz").is_success, "it has joined", TIMEOUT_SECONDS)
        assert joining.get("x", token).json()["value"] == 1
        assert joining.put("y", 2, token).json()["vc"] == [1, 0, 0, 1]
        wait_until(lambda: node1.get("y").is_success, "its writes reach the others", TIMEOUT_SECONDS)
        assert node1.get("y").json()["vc"] == [1, 0, 0, 1]
        assert "node4" in members_of(node1)
