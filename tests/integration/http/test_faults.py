"""POST /faults: which forms it takes, and what the node shows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, serving
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("drop", "duplicate")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    """One node with faults on for a whole module."""
    with serving(tmp_path_factory.mktemp("faulty"), faults=True) as served:
        yield served


@pytest.fixture
def node(faulty: ServedNode) -> Iterator[ServedNode]:
    """The node with nothing in force."""
    faulty.clear_faults()
    yield faulty
    faulty.clear_faults()


def post(node: ServedNode, body: dict[str, Any]) -> dict[str, Any]:
    """Change the faults; returns those in force then."""
    answer: dict[str, Any] = node.http.post("/faults", json=body).raise_for_status().json()
    assert answer == node.http.get("/faults").json()
    return answer


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_are_named_as_a_list_or_with_how_likely_it_is(node: ServedNode, kind: str) -> None:
    """A list means all their messages; what is not named stays; false and 0 end it."""
    assert post(node, {kind: ["node2"]})[kind] == {"node2": 1.0}
    assert post(node, {kind: {"node3": 0.25, "node1": True}})[kind] == {"node2": 1.0, "node3": 0.25, "node1": 1.0}
    assert post(node, {kind: {"node2": False, "node3": 0}})[kind] == {"node1": 1.0}
    assert post(node, {"delay": {"node2": 1}})[kind] == {"node1": 1.0}
    assert post(node, {"clear": True})[kind] == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["node1", [1], ["no~de"], {"node1": -0.1}, {"node1": 1.1}, {"node1": "yes"}, 1, []])
def test_what_names_no_nodes_or_no_probability_is_400(node: ServedNode, kind: str, wrong: object) -> None:
    """Nothing is put in force."""
    answer = node.http.post("/faults", json={kind: wrong})
    assert answer.status_code == 400
    assert '{"clear": true}' in answer.json()["error"]
    assert node.http.get("/faults").json()[kind] == {}


@pytest.mark.parametrize("wrong", ["yes", 1, {"node1": True}, ["node1"]])
def test_a_cut_is_true_or_false(node: ServedNode, wrong: object) -> None:
    """It parts this node, and names no other."""
    assert node.http.post("/faults", json={"cut": wrong}).status_code == 400
    assert node.http.get("/faults").json()["cut"] is False


def test_a_node_that_is_cut_off_says_so_and_goes_on_alone(node: ServedNode) -> None:
    """Until it is restored."""
    assert post(node, {"cut": True})["cut"] is True
    wait_until(lambda: broker_of(node) == "disconnected", "it is noticed", TIMEOUT_SECONDS)
    node.put("alone", 1).raise_for_status()
    assert node.get("alone").json()["value"] == 1
    assert node.http.get("/readyz").status_code == 200
    assert node.http.get("/status").json()["outbox"] == 1
    assert post(node, {"cut": False})["cut"] is False
    wait_until(lambda: broker_of(node) == "connected", "it is connected again", TIMEOUT_SECONDS)
    wait_until(lambda: node.http.get("/status").json()["outbox"] == 0, "the outbox is empty", TIMEOUT_SECONDS)


def broker_of(node: ServedNode) -> str:
    """The link in one word."""
    state: str = node.http.get("/status").json()["broker"]
    return state
