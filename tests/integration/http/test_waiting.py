"""Requests that are ahead of the node."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.ports import NO_TLS
from node.inbox import AfterCommit
from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, serving
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from pathlib import Path

AHEAD = "other~abcd=3"
CLUSTER = "test-waiting"


def test_a_request_ahead_of_the_node_waits_for_what_it_has_seen(nodes: list[ServedNode]) -> None:
    """It is answered as soon as that is applied, with what that made."""
    node1, _, node3 = nodes
    node3.delay(node1=60)
    token = node1.put("x", "new").headers["X-Causal-Context"]
    assert node3.get("x").status_code == 404
    with ThreadPoolExecutor(2) as pool:
        read = pool.submit(node3.get, "x", token, wait="30")
        write = pool.submit(node3.put, "y", 1, token, **{"X-Causal-Wait": "30"})
        wait_until(lambda: node3.node.service.waiting_requests == 2, "both wait", TIMEOUT_SECONDS)
        node3.clear_faults()
        assert read.result(TIMEOUT_SECONDS).json()["value"] == "new"
        assert write.result(TIMEOUT_SECONDS).json()["vc"] == [1, 0, 1]


@pytest.mark.parametrize("wait", ["0", "0.05"])
def test_a_context_that_does_not_come_is_503_with_what_is_missing(node: ServedNode, wait: str) -> None:
    """After the wait that the request allows; nothing was read or written, and the token comes back as it went."""
    for answer in (node.get("x", AHEAD, wait=wait), node.put("x", 1, AHEAD, **{"X-Causal-Wait": wait})):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["X-Causal-Context"] == AHEAD
        body = answer.json()
        assert body["missing"] == {"other~abcd": {"first": 1, "last": 3}}
        assert "other~abcd" in body["error"]
    assert node.get("x").status_code == 404


def test_a_replica_of_which_nobody_has_heard_is_named_after_the_wait(nodes: list[ServedNode]) -> None:
    """In words and as data; one that is only behind is not said to be unknown, also where nothing of it is applied."""
    node1, _, node3 = nodes
    node3.delay(node1=60)
    late = node1.put("x", 1).headers["X-Causal-Context"]
    replica = node1.node.service.replica
    wait_until(lambda: node3.node.service.missing_writes == 1, "node3 has heard of it", TIMEOUT_SECONDS)
    started = time.monotonic()
    answer = node3.get("x", f"{late},{AHEAD}", wait="0.5")
    assert 0.5 <= time.monotonic() - started < TIMEOUT_SECONDS
    assert answer.status_code == 503
    body = answer.json()
    assert body["missing"] == {replica: {"first": 1, "last": 1}, "other~abcd": {"first": 1, "last": 3}}
    assert body["unknown"] == ["other~abcd"]
    assert f"{replica}:1, other~abcd:1 to other~abcd:3 yet" in body["error"]
    assert "never heard of other~abcd," in body["error"]
    behind = node3.get("x", late, wait="0").json()
    assert "unknown" not in behind
    assert "never heard" not in behind["error"]


def test_a_wait_of_zero_does_not_wait(node: ServedNode) -> None:
    """Also not for a moment."""
    answer = node.get("x", AHEAD, wait="0")
    assert answer.status_code == 503
    assert "the request may not wait" in answer.json()["error"]


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "inf", "soon", "1e3"])
def test_a_malformed_wait_is_400(node: ServedNode, wait: str) -> None:
    """With the bound that holds."""
    answer = node.get("x", wait=wait)
    assert answer.status_code == 400
    assert "0 to 60" in answer.json()["error"]


def test_requests_that_wait_do_not_starve_the_others(tmp_path: Path) -> None:
    """With many times as many waiting requests as threads, others are answered at once, and none is lost."""
    with ExitStack() as stack:
        node = stack.enter_context(
            serving(tmp_path, CLUSTER, "node1", faults=True, http_threads=2, waiting_max_requests=40)
        )
        other = stack.enter_context(serving(tmp_path, CLUSTER, "node2"))
        pool = stack.enter_context(ThreadPoolExecutor(30))
        node.delay(node2=60)
        token = other.put("x", "awaited").headers["X-Causal-Context"]
        waiting = [pool.submit(node.get, "x", token, wait="60") for _ in range(30)]
        wait_until(lambda: node.node.service.waiting_requests == 30, "all wait", TIMEOUT_SECONDS)
        assert node.put("y", "v").status_code == 200
        assert node.get("y").json()["value"] == "v"
        assert node.http.get("/status").json()["waiting_requests"] == 30
        assert not any(answer.done() for answer in waiting)
        node.clear_faults()
        assert {answer.result(TIMEOUT_SECONDS).json()["value"] for answer in waiting} == {"awaited"}


@pytest.mark.parametrize("method", ["get", "post"])
def test_requests_that_wait_for_the_replica_let_others_run(tmp_path: Path, method: str) -> None:
    """A look at the buffer and a removal keep no place while the replica is busy: the only one is free for others."""
    gate, held = Event(), Event()

    def hold(_: object) -> None:
        held.set()
        gate.wait(TIMEOUT_SECONDS)

    with serving(tmp_path, http_running_threads=1) as node, ThreadPoolExecutor(1) as pool:
        node.node.engine.thread.put(AfterCommit(hold))
        assert held.wait(TIMEOUT_SECONDS)
        try:
            if method == "get":
                waiting = pool.submit(node.http.get, "/buffer")
            else:
                waiting = pool.submit(node.http.post, "/members/remove", json={"node": "node2"})
            inbox = node.node.engine.thread._inbox
            wait_until(lambda: len(inbox) > 0, "the request is before the replica", TIMEOUT_SECONDS)
            assert httpx.get(f"{node.url}/status", timeout=5.0, trust_env=False, verify=NO_TLS).status_code == 200
            assert not waiting.done()
        finally:
            gate.set()
        assert waiting.result(TIMEOUT_SECONDS).status_code == 200


def test_requests_that_wait_when_the_node_stops_are_answered_at_once(tmp_path: Path) -> None:
    """503 and another node to ask: a stop takes seconds, a wait up to a minute."""
    with ThreadPoolExecutor(8) as pool:
        with serving(tmp_path, http_threads=2) as node:
            waiting = [pool.submit(node.get, "x", AHEAD, wait="60") for _ in range(8)]
            wait_until(lambda: node.node.service.waiting_requests == 8, "all wait", TIMEOUT_SECONDS)
            stopping_at = time.monotonic()
        assert time.monotonic() - stopping_at < 10
        answers = [answer.result(TIMEOUT_SECONDS) for answer in waiting]
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["error"] for answer in answers} == {"this node is stopping: use another node"}


def test_beyond_the_limit_of_waiting_requests_it_is_429_at_once(tmp_path: Path) -> None:
    """Those that wait go on waiting, and those that need not wait are served."""
    with ThreadPoolExecutor(3) as pool:
        # They wait until the node stops: however long the rest takes.
        with serving(tmp_path, http_threads=2, waiting_max_requests=3) as node:
            waiting = [pool.submit(node.get, "x", AHEAD, wait="60") for _ in range(3)]
            wait_until(lambda: node.node.service.waiting_requests == 3, "three wait", TIMEOUT_SECONDS)
            refused = node.get("x", AHEAD)
            assert refused.status_code == 429
            assert refused.headers["Retry-After"] == "1"
            assert refused.headers["X-Causal-Context"] == AHEAD
            assert "3 requests wait" in refused.json()["error"]
            assert node.get("x").status_code == 404
            assert not any(answer.done() for answer in waiting)
        assert {answer.result(TIMEOUT_SECONDS).status_code for answer in waiting} == {503}


def test_threads_go_back_to_their_number_after_the_wait(tmp_path: Path) -> None:
    """A crowd of waiters leaves no threads behind."""
    with serving(tmp_path, http_threads=2) as node, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: node.get("x", AHEAD, wait="0.3").status_code, range(20)))
        assert answers == [503] * 20
        workers = node.node._http._workers
        wait_until(lambda: workers.threads == 2, "two threads are left", TIMEOUT_SECONDS)
