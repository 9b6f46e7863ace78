"""Writes that are made only when the key is as the client thinks it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from infra.ports import NO_TLS
from tests.integration.http.conftest import TIMEOUT_SECONDS, become_quiet, token_of

if TYPE_CHECKING:
    from tests.integration.http.conftest import ServedNode

RACERS = 24


def race(node: ServedNode, path: str, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    """Send all of these at once, each over a connection of its own."""
    clients = [httpx.Client(base_url=node.url, timeout=TIMEOUT_SECONDS, trust_env=False, verify=NO_TLS) for _ in bodies]
    for client in clients:
        client.get("/healthz").raise_for_status()
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda pair: pair[0].post(path, json=pair[1]), zip(clients, bodies, strict=True)))
    for client in clients:
        client.close()
    return answers


def test_a_key_is_created_only_when_it_is_absent(node: ServedNode) -> None:
    """409 shows the version that is there, and the token covers it."""
    first = node.post("/put", key="a", value=1, if_absent=True)
    assert first.status_code == 200
    node.put("other", 1)
    refused = node.post("/put", key="a", value=2, if_absent=True)
    assert refused.status_code == 409
    assert refused.json() == {
        "error": refused.json()["error"],
        "key": "a",
        "value": 1,
        "vc": first.json()["vc"],
    }
    assert token_of(refused) == token_of(first)
    assert node.get("a").json()["value"] == 1
    node.delete("a")
    assert node.post("/put", key="a", value=3, if_absent=True).status_code == 200


def test_a_version_is_replaced_only_when_it_is_the_one_that_was_read(node: ServedNode) -> None:
    """As a read shows its clock."""
    node.put("v", 1)
    read = node.get("v").json()["vc"]
    assert node.post("/put", key="v", value=2, if_vc=read).status_code == 200
    refused = node.post("/put", key="v", value=3, if_vc=read)
    assert refused.status_code == 409
    assert (refused.json()["value"], refused.json()["vc"]) == (2, node.get("v").json()["vc"])
    assert node.post("/delete", key="v", if_vc=read).status_code == 409
    assert node.post("/delete", key="v", if_vc=refused.json()["vc"]).status_code == 200
    assert node.get("v").status_code == 404


def test_a_version_that_is_gone_is_said_to_be_missing(node: ServedNode) -> None:
    """That is a fact about everything that is applied, so the token is the node's clock."""
    node.put("g", 1)
    read = node.get("g").json()["vc"]
    node.delete("g")
    refused = node.post("/put", key="g", value=2, if_vc=read)
    assert refused.status_code == 409
    assert refused.json() == {"error": refused.json()["error"], "key": "g", "missing": True}
    assert token_of(refused) == str(node.node.service.clock)
    assert node.post("/delete", key="g", if_absent=True).status_code == 200


def test_zeros_at_the_end_of_a_clock_mean_nothing(node: ServedNode) -> None:
    """A member that joined since the read has one more number."""
    node.put("z", 1)
    read = node.get("z").json()["vc"]
    assert node.post("/put", key="z", value=2, if_vc=[*read, 0]).status_code == 200
    assert node.post("/put", key="z", value=3, if_vc=[read[0] + 1]).status_code == 200


def test_of_many_that_create_a_key_one_wins(node: ServedNode) -> None:
    """Whoever is told that it won has its value there; the others are shown that value, and wrote nothing."""
    before = sum(node.node.service.clock.as_dict().values())
    answers = race(node, "/put", [{"key": "race", "value": n, "if_absent": True} for n in range(RACERS)])
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200] + [409] * (RACERS - 1)
    winner = statuses.index(200)
    assert node.get("race").json()["value"] == winner
    assert {answer.json()["value"] for answer in answers if answer.status_code == 409} == {winner}
    assert sum(node.node.service.clock.as_dict().values()) == before + 1


def test_counting_by_read_and_replace_loses_nothing(node: ServedNode) -> None:
    """Clients that each try until they win add up."""
    node.put("sum", 0)

    def add(_: int) -> None:
        with httpx.Client(base_url=node.url, timeout=TIMEOUT_SECONDS, trust_env=False, verify=NO_TLS) as http:
            shown = http.get("/get", params={"key": "sum"}).json()
            while True:
                body = {"key": "sum", "value": shown["value"] + 1, "if_vc": shown["vc"]}
                answer = http.post("/put", json=body)
                if answer.status_code == 200:
                    return
                assert answer.status_code == 409
                shown = answer.json()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(16)))
    assert node.get("sum").json()["value"] == 16


def test_the_winner_of_concurrent_values_is_what_was_read(nodes: list[ServedNode]) -> None:
    """A write under its clock replaces all the siblings that its node has."""
    node1, node2, node3 = nodes
    node1.delay(node2=60)
    node2.delay(node1=60)
    both = token_of(node1.put("s", "one"), node2.put("s", "two"))
    node1.clear_faults()
    node2.clear_faults()
    shown = node3.get("s", both, siblings="true").json()
    loser = shown["siblings"][1]
    refused = node3.post("/put", key="s", value="x", if_vc=loser["vc"])
    assert (refused.status_code, refused.json()["value"]) == (409, shown["value"])
    assert node3.post("/put", key="s", value="x", if_absent=True).status_code == 409
    merged = node3.post("/put", key="s", value="both", if_vc=shown["vc"])
    assert merged.status_code == 200
    become_quiet(nodes)
    for node in nodes:
        assert [each["value"] for each in node.get("s", siblings="true").json()["siblings"]] == ["both"]


def test_two_nodes_judge_each_for_itself(nodes: list[ServedNode]) -> None:
    """While they cannot hear each other both create the key; then its values are siblings on every node."""
    node1, node2, _ = nodes
    node1.delay(node2=60)
    node2.delay(node1=60)
    for node in (node1, node2):
        assert node.post("/put", key="t", value=node.name, if_absent=True).status_code == 200
    become_quiet(nodes)
    for node in nodes:
        assert len(node.get("t", siblings="true").json()["siblings"]) == 2


@pytest.mark.parametrize(
    "condition",
    [
        {"if_vc": [1], "if_absent": True},
        {"if_vc": None},
        {"if_vc": 1},
        {"if_vc": [-1]},
        {"if_vc": [1.5]},
        {"if_vc": [True]},
        {"if_vc": ["1"]},
        {"if_vc": [0] * 4097},
        {"if_absent": 1},
        {"if_absent": "true"},
        {"if_match": "x"},
    ],
)
@pytest.mark.parametrize("path", ["/put", "/delete"])
def test_a_malformed_precondition_is_400(node: ServedNode, path: str, condition: dict[str, Any]) -> None:
    """And nothing is written, whether it would have held or not."""
    clock = node.node.service.clock
    body = {"key": "m", **({"value": 1} if path == "/put" else {}), **condition}
    answer = node.http.post(path, json=body)
    assert answer.status_code == 400
    assert any(name in answer.json()["error"] for name in condition)
    assert node.node.service.clock == clock


def test_a_clock_with_huge_numbers_is_just_another_version(node: ServedNode) -> None:
    """It matches nothing."""
    node.put("h", 1)
    assert node.post("/put", key="h", value=2, if_vc=[10**40, 0, 0]).status_code == 409
    assert node.post("/put", key="h", value=2, if_vc=[]).status_code == 409
