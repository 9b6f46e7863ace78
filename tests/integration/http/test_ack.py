"""Acknowledgement levels through HTTP: how far a write had come when it was answered."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from node.transport import shared_fanout
from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, serving
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import httpx


def write(node: ServedNode, path: str = "/put", key: str = "x", **more: Any) -> httpx.Response:
    """POST /put or /delete."""
    value = {"value": 1} if path == "/put" else {}
    return node.http.post(path, json={"key": key, **value, **more}, timeout=2 * TIMEOUT_SECONDS)


def cut_off(node: ServedNode) -> None:
    """Take the broker away."""
    shared_fanout(node.node.settings.cluster).switch_off()
    wait_until(lambda: node.http.get("/status").json()["broker"] == "disconnected", "cut off", TIMEOUT_SECONDS)


@pytest.mark.parametrize("path", ["/put", "/delete"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"ack": "majority"},
        {"ack": "ALL"},
        {"ack": ""},
        {"ack": None},
        {"ack": 1},
        {"ack": "all", "ack_timeout": -1},
        {"ack": "all", "ack_timeout": 60.1},
        {"ack": "all", "ack_timeout": "5"},
        {"ack_timeout": None},
    ],
)
def test_a_wrong_ack_is_400_and_nothing_is_written(node: ServedNode, path: str, wrong: dict[str, Any]) -> None:
    """The error names the field."""
    before = node.http.get("/status").json()["vc"]
    answer = write(node, path, **wrong)
    assert answer.status_code == 400
    assert "`$.ack" in answer.json()["error"]
    assert node.http.get("/status").json()["vc"] == before


@pytest.mark.parametrize("path", ["/put", "/delete"])
def test_acked_is_answered_only_when_ack_was_given(node: ServedNode, path: str) -> None:
    """Whoever does not ask gets the answer that clients have always had."""
    assert list(write(node, path).json()) == ["message", "vc"]
    assert list(write(node, path, ack_timeout=1).json()) == ["message", "vc"]
    answer = write(node, path, ack="local").json()
    assert list(answer) == ["message", "vc", "acked"]
    assert answer["acked"] == "local"


@pytest.mark.parametrize("path", ["/put", "/delete"])
def test_ack_broker_is_reached_although_members_are_silent(node: ServedNode, path: str) -> None:
    """The broker holds the write for them."""
    assert write(node, path, ack="broker", ack_timeout=TIMEOUT_SECONDS).json()["acked"] == "broker"


@pytest.mark.parametrize("path", ["/put", "/delete"])
def test_ack_all_means_that_every_member_shows_the_write(nodes: list[ServedNode], path: str) -> None:
    """Without a token, at once, on all of them; it asks, and does not wait for the next tick of a second."""
    for other in nodes:
        write(other, key="warm", ack="all", ack_timeout=TIMEOUT_SECONDS)
    write(nodes[0], "/put", ack="all", ack_timeout=TIMEOUT_SECONDS)
    took_seconds = []
    for number in range(10):
        began = time.monotonic()
        answer = write(nodes[number % 3], path, ack="all", ack_timeout=TIMEOUT_SECONDS)
        took_seconds.append(time.monotonic() - began)
        assert answer.json()["acked"] == "all"
        expected = 200 if path == "/put" else 404
        assert [other.get("x").status_code for other in nodes] == [expected] * 3
        assert {tuple(other.get("x").json().get("vc", ())) for other in nodes} == {
            tuple(answer.json()["vc"]) if path == "/put" else ()
        }
    # The next tick of a second is half a second away on average, and a moment's stall is no reason to fail.
    assert statistics.median(took_seconds) < 0.4


def test_a_level_that_is_not_reached_is_a_plain_answer_with_what_was(tmp_path: Path) -> None:
    """The write is made, whatever the others say: first the broker is away, then a member is."""
    with serving(tmp_path) as node:
        # Long enough for the broker's answer on a busy machine.
        assert write(node, ack="all", ack_timeout=3).json()["acked"] == "broker"
        cut_off(node)
        began = time.monotonic()
        for wanted in ("broker", "all"):
            answer = write(node, ack=wanted, ack_timeout=0.3)
            assert (answer.status_code, answer.json()["acked"]) == (200, "local")
        assert time.monotonic() - began < TIMEOUT_SECONDS
        assert node.http.get("/status").json()["vc"] == [3, 0, 0]
        shared_fanout(node.node.settings.cluster).switch_on()
        answer = write(node, ack="broker", ack_timeout=TIMEOUT_SECONDS)
        assert answer.json() == {"message": answer.json()["message"], "vc": [4, 0, 0], "acked": "broker"}
        assert node.http.get("/status").json()["outbox"] == 0


def test_beyond_the_limit_of_waiting_writes_it_is_429_and_nothing_is_written(tmp_path: Path) -> None:
    """Writes that do not wait go on, and those that wait are not disturbed, nor do they keep the threads."""
    with ThreadPoolExecutor(3) as pool:
        # They wait until the node stops: however long the rest takes.
        with serving(tmp_path, http_threads=2, ack_waiting_max_requests=3) as node:
            waiting = [pool.submit(write, node, ack="all", ack_timeout=60) for _ in range(3)]
            wait_until(lambda: node.node.service.ack_waiting_requests == 3, "three wait", TIMEOUT_SECONDS)
            for level in ("broker", "all"):
                refused = write(node, ack=level)
                assert refused.status_code == 429
                assert refused.headers["Retry-After"] == "1"
                assert "3 requests wait for an acknowledgement level" in refused.json()["error"]
            wait_until(
                lambda: node.http.get("/status").json()["vc"] == [3, 0, 0], "the three writes are made", TIMEOUT_SECONDS
            )
            assert write(node).json()["vc"] == [4, 0, 0]
            assert write(node, ack="local").json()["vc"] == [5, 0, 0]
            metrics = node.http.get("/metrics").text
            assert 'causalkv_limits_reached_total{limit="ack_waiting_max_requests"} 2.0' in metrics
            assert "causalkv_ack_waiting_requests 3.0" in metrics
            wait_until(lambda: node.http.get("/status").json()["outbox"] == 0, "confirmed", TIMEOUT_SECONDS)
        answers = [answer.result(TIMEOUT_SECONDS) for answer in waiting]
        assert {(answer.status_code, answer.json()["acked"]) for answer in answers} == {(200, "broker")}
        assert node.node.service.ack_waiting_requests == 0


def test_writes_that_wait_when_the_node_stops_are_answered_with_what_was_reached(tmp_path: Path) -> None:
    """They are durable; a stop takes seconds, and the wait up to a minute."""
    with ThreadPoolExecutor(2) as pool:
        with serving(tmp_path) as node:
            waiting = [pool.submit(write, node, ack="all", ack_timeout=60) for _ in range(2)]
            wait_until(lambda: node.node.service.ack_waiting_requests == 2, "both wait", TIMEOUT_SECONDS)
            wait_until(lambda: node.http.get("/status").json()["outbox"] == 0, "confirmed", TIMEOUT_SECONDS)
            stopping_at = time.monotonic()
        assert time.monotonic() - stopping_at < 10
        answers = [answer.result(TIMEOUT_SECONDS) for answer in waiting]
    assert {(answer.status_code, answer.json()["acked"]) for answer in answers} == {(200, "broker")}
