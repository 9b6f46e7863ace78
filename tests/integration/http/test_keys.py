from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from infra.ports import NO_TLS
from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, become_quiet, serving, token_of
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_answers_are_those_of_the_founding_transcript(nodes: list[ServedNode]) -> None:
    """Names, order of fields and vector clocks are as the contract prints them."""
    node1, node2, _ = nodes
    first = node1.put("x", "5")
    assert first.text == '{"message":"Value stored with causal consistency","vc":[1,0,0]}'
    second = node2.put("x", "10", first.headers["X-Causal-Context"])
    assert second.text == '{"message":"Value stored with causal consistency","vc":[1,1,0]}'
    for node in nodes:
        read = node.get("x", second.headers["X-Causal-Context"])
        assert read.text == '{"key":"x","value":"10","vc":[1,1,0]}'
    assert node1.delete("x").text == '{"message":"Key deleted with causal consistency","vc":[2,1,0]}'


def test_a_key_without_a_value_is_404(node: ServedNode) -> None:
    """It says so, and names the key."""
    answer = node.get("never")
    assert answer.status_code == 404
    assert answer.json() == {"error": "the key has no value here", "key": "never"}


def test_deleting_what_is_not_there_is_200(node: ServedNode) -> None:
    """A delete is a write whatever it finds."""
    answer = node.delete("nothing")
    assert answer.status_code == 200
    assert answer.json()["message"] == "Key deleted with causal consistency"


def test_a_deleted_key_is_404(node: ServedNode) -> None:
    """Nothing of it is left."""
    node.put("gone", 1)
    node.delete("gone")
    assert node.get("gone").status_code == 404


@pytest.mark.parametrize(
    "value", [None, True, 0, -1.5, 10**30, "", "é😀\x00\n", [], {}, {"a": [1, {"b": None}]}, "x" * 100_000]
)
def test_every_json_value_comes_back_as_it_went_in(node: ServedNode, value: Any) -> None:
    """Also null, and integers beyond 64 bits."""
    node.put("value", value).raise_for_status()
    assert node.get("value").json()["value"] == value


@pytest.mark.parametrize("key", ["x", " ", "a b", "é", "a&b=c", "a/../b", "%", "\x00", "x" * 1024, "key\n\r"])
def test_every_key_can_be_written_read_and_deleted(node: ServedNode, key: str) -> None:
    """A key is any text of up to 1024 bytes."""
    node.put(key, key).raise_for_status()
    assert node.get(key).json() == {"key": key, "value": key, "vc": node.get(key).json()["vc"]}
    node.delete(key).raise_for_status()
    assert node.get(key).status_code == 404


def test_siblings_are_listed_with_the_winner_first(nodes: list[ServedNode]) -> None:
    """Two writes that knew nothing of each other are both kept, and every node shows the same winner."""
    node1, node2, node3 = nodes
    node2.delay(node1=60)
    node1.delay(node2=60)
    one = node1.put("s", "one")
    two = node2.put("s", "two")
    node1.clear_faults()
    node2.clear_faults()
    both = f"{one.headers['X-Causal-Context']},{two.headers['X-Causal-Context']}"
    answers = [node.get("s", both, siblings="true").json() for node in nodes]
    assert answers[0] == answers[1] == answers[2]
    shown = answers[0]
    assert list(shown) == ["key", "value", "vc", "siblings"]
    assert [list(sibling) for sibling in shown["siblings"]] == [["value", "vc", "node"]] * 2
    assert {(s["value"], tuple(s["vc"]), s["node"]) for s in shown["siblings"]} == {
        ("one", (1, 0, 0), "node1"),
        ("two", (0, 1, 0), "node2"),
    }
    assert (shown["value"], shown["vc"]) == (shown["siblings"][0]["value"], shown["siblings"][0]["vc"])
    assert "siblings" not in node3.get("s", both, siblings="false").json()


def test_equal_concurrent_values_are_shown_once(nodes: list[ServedNode]) -> None:
    """That several nodes wrote the same is no conflict to anybody; blanks do not count. The winner stays first."""
    node1, node2, node3 = nodes
    node1.delay(node2=60, node3=60)
    node2.delay(node1=60, node3=60)
    node3.delay(node1=60, node2=60)
    for node, text in ((node1, b'{"a": 1, "b": []}'), (node2, b'"other"'), (node3, b'{"b":[],"a":1}')):
        body = b'{"key": "s", "value": ' + text + b"}"
        node.http.post("/put", content=body, headers={"Content-Type": "application/json"}).raise_for_status()
    become_quiet(nodes)
    for node in nodes:
        answer = node.get("s", siblings="true")
        shown = answer.json()
        assert [each["value"] for each in shown["siblings"]] == [{"b": [], "a": 1}, "other"]
        assert (shown["value"], shown["vc"]) == (shown["siblings"][0]["value"], shown["siblings"][0]["vc"])
        assert token_of(answer) == str(node.node.service.clock)


def test_concurrent_numbers_that_differ_in_a_late_digit_are_both_shown(nodes: list[ServedNode]) -> None:
    """Also where most programs would read the same number: values are kept as they were written."""
    node1, node2, _ = nodes
    node1.delay(node2=60)
    node2.delay(node1=60)
    for node, text in ((node1, b"1.0000000000000000001"), (node2, b"1.0000000000000000002")):
        body = b'{"key": "s", "value": ' + text + b"}"
        node.http.post("/put", content=body, headers={"Content-Type": "application/json"}).raise_for_status()
    become_quiet(nodes)
    for node in nodes:
        shown = node.get("s", siblings="true").text
        assert shown.count("1.0000000000000000001") + shown.count("1.0000000000000000002") == 3  # the winner twice
        assert node.http.get("/conflicts").json()["count"] == 1
        assert len(node.http.get("/conflicts").json()["conflicts"]) == 1


def test_a_node_has_at_most_one_of_the_siblings(nodes: list[ServedNode]) -> None:
    """Its later write has seen its earlier one, whatever its client knew."""
    node1, node2, _ = nodes
    node1.delay(node2=60)
    node2.delay(node1=60)
    for turn in range(3):
        node1.put("s", f"one{turn}").raise_for_status()
        node2.put("s", f"two{turn}").raise_for_status()
    become_quiet(nodes)
    for node in nodes:
        siblings = node.get("s", siblings="true").json()["siblings"]
        assert {(each["node"], each["value"]) for each in siblings} == {("node1", "one2"), ("node2", "two2")}
        assert len(siblings) == 2


def test_a_later_write_that_has_seen_them_resolves_siblings(nodes: list[ServedNode]) -> None:
    """On every node."""
    node1, node2, node3 = nodes
    node1.delay(node2=60)
    node2.delay(node1=60)
    both = token_of(node1.put("s", "one"), node2.put("s", "two"))
    node3.put("s", "resolved", both).raise_for_status()
    become_quiet(nodes)
    for node in nodes:
        assert [each["value"] for each in node.get("s", siblings="true").json()["siblings"]] == ["resolved"]


def test_a_value_beyond_the_limit_is_413(tmp_path: Path) -> None:
    """The limit is the setting's; a value of exactly that size is taken."""
    with serving(tmp_path, value_max_bytes=1000) as small:
        assert small.put("x", "v" * 998).status_code == 200
        answer = small.put("x", "v" * 999)
        assert answer.status_code == 413
        assert answer.json() == {"error": "the value has 1001 bytes: at most 1000 are taken"}


def test_the_largest_value_travels_to_all_nodes(nodes: list[ServedNode]) -> None:
    """1 MiB, encoded, as the contract says."""
    largest = "v" * (1024 * 1024 - 2)
    token = nodes[0].put("large", largest).raise_for_status().headers["X-Causal-Context"]
    assert all(node.get("large", token).json()["value"] == largest for node in nodes)


def test_head_answers_as_get_does_without_a_body(node: ServedNode) -> None:
    """For programs that look before they read."""
    node.put("head", 1)
    answer = node.http.head("/get", params={"key": "head"})
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["X-Causal-Context"]


def test_reads_are_counted_by_whether_they_found_something(node: ServedNode) -> None:
    """A hit and a miss."""

    def count(result: str) -> float:
        return node.node.metrics.registry.get_sample_value("causalkv_reads_total", {"result": result}) or 0.0

    hits, misses = count("hit"), count("miss")
    node.put("counted", 1)
    node.get("counted")
    node.get("uncounted")
    assert (count("hit"), count("miss")) == (hits + 1, misses + 1)


def test_many_clients_at_once_are_all_answered(node: ServedNode) -> None:
    """More connections than worker threads."""
    clients = [
        httpx.Client(base_url=node.url, timeout=TIMEOUT_SECONDS, trust_env=False, verify=NO_TLS) for _ in range(64)
    ]
    for client in clients:
        client.get("/healthz").raise_for_status()
    assert all(client.get("/healthz").status_code == 200 for client in reversed(clients))
    for client in clients:
        client.close()
    wait_until(lambda: node.http.get("/healthz").is_success, "the node serves", TIMEOUT_SECONDS)
