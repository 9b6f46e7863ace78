"""Counters: no increment is lost, whoever counts at the same time."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from infra.ports import NO_TLS
from tests.integration.http.conftest import TIMEOUT_SECONDS, become_quiet, token_of

if TYPE_CHECKING:
    from tests.integration.http.conftest import ServedNode

MOST = 2**53 - 1


def test_an_increment_answers_with_what_the_counter_stands_at(nodes: list[ServedNode]) -> None:
    """This one included; by one unless it says otherwise."""
    node1, node2, _ = nodes
    first = node1.post("/counter/incr", key="n")
    assert first.text == '{"message":"Counter incremented with causal consistency","value":1,"vc":[1,0,0]}'
    second = node2.post("/counter/incr", token_of(first), key="n", by=-3)
    assert (second.json()["value"], second.json()["vc"]) == (-2, [1, 1, 0])
    read = node1.read("/counter/get", token_of(second), key="n")
    assert read.text == '{"key":"n","value":-2,"vc":[1,1,0]}'


def test_a_counter_that_nobody_incremented_stands_at_zero(node: ServedNode) -> None:
    """That is a fact about all that is applied, so the token is the node's clock."""
    answer = node.read("/counter/get", key="never")
    assert answer.status_code == 200
    assert answer.json()["value"] == 0
    assert token_of(answer) == str(node.node.service.clock)


def test_the_token_of_a_counter_covers_its_increments_and_no_more(nodes: list[ServedNode]) -> None:
    """A reader does not wait elsewhere for what it saw no effect of."""
    node1, node2, _ = nodes
    counted = token_of(node1.post("/counter/incr", key="n"))
    counted = token_of(node2.post("/counter/incr", counted, key="n"))
    node2.put("other", 1)
    assert token_of(node2.read("/counter/get", key="n")) == counted


def test_concurrent_increments_on_all_nodes_add_up(nodes: list[ServedNode]) -> None:
    """However late the nodes hear of each other."""
    nodes[0].delay(node2=0.3, node3=0.1)
    nodes[1].delay(node1=0.2)
    nodes[2].delay(node1=0.4, node2=0.05)
    wanted = []

    def count(worker: int) -> int:
        seeded = random.Random(worker)
        total = 0
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=NO_TLS) as http:
            for _ in range(40):
                by = seeded.randrange(-50, 100)
                url = f"{nodes[worker % 3].url}/counter/incr"
                http.post(url, json={"key": "n", "by": by}).raise_for_status()
                total += by
        return total

    with ThreadPoolExecutor(6) as pool:
        wanted = list(pool.map(count, range(6)))
    become_quiet(nodes)
    assert [node.count("n") for node in nodes] == [sum(wanted)] * 3


def test_a_counter_goes_beyond_what_one_increment_may(node: ServedNode) -> None:
    """It is an integer of any size."""
    for _ in range(3):
        node.post("/counter/incr", key="big", by=MOST).raise_for_status()
    assert node.count("big") == 3 * MOST
    assert node.post("/counter/incr", key="big", by=-MOST).json()["value"] == 2 * MOST


def test_a_counter_and_a_value_of_one_name_know_nothing_of_each_other(node: ServedNode) -> None:
    """Each type has keys of its own; a set too."""
    node.put("same", "text")
    node.post("/counter/incr", key="same", by=7)
    node.post("/set/add", key="same", members=["m"])
    assert (node.get("same").json()["value"], node.count("same"), node.members("same")) == ("text", 7, ["m"])
    node.delete("same")
    assert (node.get("same").status_code, node.count("same"), node.members("same")) == (404, 7, ["m"])


@pytest.mark.parametrize("by", [MOST + 1, -MOST - 1, 10**40, 1.5, 1e3, "1", None, True, [1]])
def test_a_wrong_increment_is_400(node: ServedNode, by: Any) -> None:
    """An integer that every JSON reader takes exactly; nothing is written."""
    clock = node.node.service.clock
    answer = node.post("/counter/incr", key="wrong", by=by)
    assert answer.status_code == 400
    assert "$.by" in answer.json()["error"]
    assert node.node.service.clock == clock


@pytest.mark.parametrize(
    "query", ["", "key=", "key=x&key=y", "name=x", "key=" + "x" * 1025, "key=%ff", "key=x&limit=1"]
)
def test_a_wrong_question_for_a_counter_is_400(node: ServedNode, query: str) -> None:
    """It says what is right."""
    answer = node.http.get(f"/counter/get?{query}")
    assert answer.status_code == 400
    assert any(word in answer.json()["error"] for word in ("key", "'name'", "'limit'", "UTF-8"))


def test_an_increment_that_is_made_is_answered_as_such_where_nobody_may_read(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that joins takes writes: were the answer that it cannot read yet, the client would count again."""
    joining = node.node.service.reading._joining
    monkeypatch.setattr(joining, "_is_new", True)
    monkeypatch.setattr(joining, "_is_founding", False)
    monkeypatch.setattr(joining, "is_over", False)
    assert node.read("/counter/get", key="joining").status_code == 503
    answer = node.post("/counter/incr", key="joining", by=2)
    assert (answer.status_code, answer.json()["value"]) == (200, 2)
