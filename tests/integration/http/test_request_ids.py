"""Requests with a name: however often one is sent, it is carried out once and answered as at first."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from infra.ports import NO_TLS
from tests.integration.http.conftest import TIMEOUT_SECONDS, become_quiet, serving, token_of
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.http.conftest import ServedNode

WRITES: list[tuple[str, dict[str, Any]]] = [
    ("/put", {"key": "a", "value": [1, {"b": 2}], "ttl": 1000}),
    ("/delete", {"key": "a"}),
    ("/batch", {"ops": [{"op": "put", "key": "b", "value": 1}, {"op": "incr", "key": "b"}]}),
    ("/counter/incr", {"key": "c", "by": 5}),
    ("/set/add", {"key": "d", "members": [1, "x"]}),
    ("/set/remove", {"key": "d", "members": ["x"]}),
]


@pytest.mark.parametrize(("path", "body"), WRITES)
def test_a_repeated_request_gets_the_first_answer_and_writes_nothing(
    node: ServedNode, path: str, body: dict[str, Any]
) -> None:
    """Whatever was written in between; the token is that of the first write."""
    name = secrets.token_hex(8)
    first = node.post(path, **body, request_id=name)
    node.put("between", 1)
    clock = node.node.service.clock
    for _ in range(2):
        again = node.post(path, **body, request_id=name)
        assert (again.status_code, again.text) == (200, first.text)
        assert token_of(again) == token_of(first)
    assert node.node.service.clock == clock


def test_requests_with_names_of_their_own_are_requests_of_their_own(node: ServedNode) -> None:
    """And so are those without a name."""
    for name in ("one", "two"):
        node.post("/counter/incr", key="own", request_id=name)
    for _ in range(2):
        node.post("/counter/incr", key="own")
    assert node.count("own") == 4


@pytest.mark.parametrize(("path", "body"), WRITES)
def test_a_name_that_stands_for_another_write_is_400(node: ServedNode, path: str, body: dict[str, Any]) -> None:
    """It is a mistake of the client, which must not be answered with success."""
    name = secrets.token_hex(8)
    node.post("/put", key="first", value=0, request_id=name).raise_for_status()
    clock = node.node.service.clock
    refused = node.post(path, **body, request_id=name)
    assert refused.status_code == 400
    assert "request_id" in refused.json()["error"]
    assert node.node.service.clock == clock


@pytest.mark.parametrize("condition", [{"if_absent": True}, {"if_vc": [1, 0, 0]}])
def test_a_repeated_request_with_a_precondition_gets_the_first_answer(
    nodes: list[ServedNode], condition: dict[str, Any]
) -> None:
    """Its own first success is no reason to refuse it."""
    node1 = nodes[0]
    if "if_vc" in condition:
        node1.put("x", "before")
    body: dict[str, Any] = {"key": "x", "value": "new", "request_id": "once", **condition}
    first = node1.post("/put", **body)
    again = node1.post("/put", **body)
    assert (first.status_code, again.status_code, again.text) == (200, 200, first.text)
    other = node1.post("/put", **{**body, "request_id": "other"})
    assert other.status_code == 409


def test_a_request_that_was_refused_may_be_sent_again_under_its_name(node: ServedNode) -> None:
    """Only what was written is remembered."""
    node.put("taken", 1)
    body: dict[str, Any] = {"key": "taken", "value": 2, "request_id": "patient", "if_absent": True}
    assert node.post("/put", **body).status_code == 409
    node.delete("taken")
    assert node.post("/put", **body).status_code == 200


def test_a_request_is_remembered_across_a_restart(tmp_path: Path) -> None:
    """It is kept with the write itself."""
    cluster = f"test-{secrets.token_hex(4)}"
    body: dict[str, Any] = {"key": "n", "by": 3, "request_id": "r"}
    with serving(tmp_path, cluster) as node:
        first = node.post("/counter/incr", **body).raise_for_status()
    with serving(tmp_path, cluster) as node:
        again = node.post("/counter/incr", **body)
        assert (again.status_code, again.text) == (200, first.text)
        assert node.count("n") == 3


def test_a_request_is_known_to_every_node_that_has_its_write(nodes: list[ServedNode]) -> None:
    """So a retry elsewhere does no harm once the write has come there."""
    body: dict[str, Any] = {"key": "n", "by": 3, "request_id": "r"}
    first = nodes[0].post("/counter/incr", **body)
    become_quiet(nodes)
    for node in nodes:
        again = node.post("/counter/incr", **body)
        assert (again.status_code, again.text, token_of(again)) == (200, first.text, token_of(first))
        assert node.post("/counter/incr", **{**body, "by": 4}).status_code == 400
    become_quiet(nodes)
    assert [node.count("n") for node in nodes] == [3] * 3


def test_a_retry_with_the_token_of_the_first_answer_is_safe_on_any_node(nodes: list[ServedNode]) -> None:
    """It waits there until the first write has come, and then knows of it."""
    node1, node2, _ = nodes
    node2.delay(node1=0.5)
    body: dict[str, Any] = {"key": "n", "request_id": "r"}
    first = node1.post("/counter/incr", **body)
    again = node2.post("/counter/incr", token_of(first), **body)
    assert again.text == first.text
    become_quiet(nodes)
    assert node1.count("n") == 1


def test_one_name_sent_many_times_at_once_is_one_write(node: ServedNode) -> None:
    """Also within one commit."""
    clients = [
        httpx.Client(base_url=node.url, timeout=TIMEOUT_SECONDS, trust_env=False, verify=NO_TLS) for _ in range(24)
    ]
    for client in clients:
        client.get("/healthz").raise_for_status()
    body: dict[str, Any] = {"key": "crowd", "request_id": "crowd"}
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(lambda client: client.post("/counter/incr", json=body), clients))
    for client in clients:
        client.close()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert node.count("crowd") == 1


def test_a_repeated_request_may_ask_for_an_acknowledgement(nodes: list[ServedNode]) -> None:
    """How far the first write has come by now."""
    body: dict[str, Any] = {"key": "x", "value": 1, "request_id": "r"}
    nodes[0].post("/put", **body).raise_for_status()
    again = nodes[0].post("/put", **body, ack="all", ack_timeout=TIMEOUT_SECONDS)
    assert again.json()["acked"] == "all"
    wait_until(lambda: nodes[1].get("x").status_code == 200, "it is there", TIMEOUT_SECONDS)


@pytest.mark.parametrize("name", ["", "x" * 129, 1, None, ["x"], True])
def test_a_wrong_name_is_400(node: ServedNode, name: Any) -> None:
    """A text of 1 to 128 characters, any characters."""
    answer = node.post("/put", key="named", value=1, request_id=name)
    assert answer.status_code == 400
    assert "$.request_id" in answer.json()["error"]
    for right in ("x" * 128, "😀" * 128, "a b\x00\n"):
        assert node.post("/put", key="named", value=1, request_id=right).status_code == 200
