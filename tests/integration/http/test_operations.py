"""What a node says of itself."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from node.transport import shared_fanout
from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, serving
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def buffer_of(node: ServedNode, **parameters: int) -> dict[str, Any]:
    """GET /buffer."""
    shown: dict[str, Any] = node.http.get("/buffer", params=parameters).raise_for_status().json()
    return shown


def held_back(nodes: list[ServedNode], writes: int = 1) -> str:
    """Writes of node2 that depend on one of node1, held at node3; the token that covers all."""
    node1, node2, node3 = nodes
    node3.delay(node1=60)
    token = node1.put("cause", "a").headers["X-Causal-Context"]
    for n in range(writes):
        token = node2.put(f"effect{n}", "b", token).raise_for_status().headers["X-Causal-Context"]
    wait_until(lambda: buffer_of(node3)["count"] == writes, "the effects are held", TIMEOUT_SECONDS)
    return token


def test_status_has_the_contracts_keys_in_order(nodes: list[ServedNode]) -> None:
    """Further details follow them."""
    node2 = nodes[1]
    node2.put("x", 1).raise_for_status()
    wait_until(lambda: node2.http.get("/status").json()["outbox"] == 0, "the write is confirmed", TIMEOUT_SECONDS)
    status = node2.http.get("/status").json()
    assert list(status)[:8] == ["node", "incarnation", "ready", "vc", "clock", "held", "outbox", "broker"]
    assert status["node"] == "node2"
    assert re.fullmatch(r"[a-z0-9]{4,16}", status["incarnation"])
    assert status["ready"] is True
    assert status["vc"] == [0, 1, 0]
    assert status["clock"] == {f"node2~{status['incarnation']}": 1}
    assert (status["held"], status["broker"]) == (0, "connected")


def test_status_says_when_the_broker_is_gone(nodes: list[ServedNode]) -> None:
    """Reads and writes go on, and what waits for the broker is counted."""
    node1 = nodes[0]
    fanout = shared_fanout(node1.node.settings.cluster)
    fanout.switch_off()
    wait_until(lambda: node1.http.get("/status").json()["broker"] == "disconnected", "it is noticed", TIMEOUT_SECONDS)
    assert node1.put("x", 1).status_code == 200
    assert node1.get("x").status_code == 200
    assert node1.http.get("/status").json()["outbox"] == 1
    assert metric(node1, "causalkv_broker_connected") == 0
    assert metric(node1, "causalkv_outbox_writes") == 1
    fanout.switch_on()
    wait_until(lambda: node1.http.get("/status").json()["outbox"] == 0, "it is caught up with", TIMEOUT_SECONDS)


def test_a_full_outbox_is_429(tmp_path: Path) -> None:
    """Reads go on; nothing is written."""
    with serving(tmp_path, outbox_max_writes=2) as node:
        fanout = shared_fanout(node.node.settings.cluster)
        fanout.switch_off()
        wait_until(lambda: node.http.get("/status").json()["broker"] == "disconnected", "noticed", TIMEOUT_SECONDS)
        assert [node.put("x", n).status_code for n in range(4)] == [200, 200, 429, 429]
        refused = node.put("x", 9)
        assert refused.headers["Retry-After"] == "1"
        assert node.get("x").json()["value"] == 1
        fanout.switch_on()
        wait_until(lambda: node.put("x", 5).status_code == 200, "writes are taken again", TIMEOUT_SECONDS)


def test_a_full_store_is_507_and_reads_go_on(tmp_path: Path) -> None:
    """Nothing half-written: the key keeps the value of the last 200."""
    with serving(tmp_path, store_max_bytes=16 * 1024 * 1024) as node:
        last, status = -1, 200
        for n in range(100):
            answer = node.put("x", f"{n:03d}" + "v" * 1_000_000)
            status = answer.status_code
            if status != 200:
                break
            last = n
        assert status == 507
        assert answer.json()["error"]
        assert node.get("x").json()["value"][:3] == f"{last:03d}"
        assert node.http.get("/status").status_code == 200


def test_the_buffer_names_what_each_held_write_waits_for(nodes: list[ServedNode]) -> None:
    """Dot, clocks, keys, since when, and exactly which dots are missing."""
    node1, node2, node3 = nodes
    token = held_back(nodes)
    shown = buffer_of(node3)
    assert list(shown) == ["held", "count"]
    (held,) = shown["held"]
    assert list(held) == ["dot", "vc", "clock", "keys", "since", "held_seconds", "waits_for", "missing"]
    cause, effect = f"{node1.node.service.replica}:1", f"{node2.node.service.replica}:1"
    assert (held["dot"], held["waits_for"], held["missing"]) == (effect, cause, [cause])
    assert (held["vc"], held["keys"]) == ([1, 1, 0], ["effect0"])
    assert held["clock"] == {node1.node.service.replica: 1, node2.node.service.replica: 1}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", held["since"])
    assert datetime.fromisoformat(held["since"]).tzinfo is not None
    assert held["held_seconds"] >= 0
    assert node3.http.get("/status").json()["held"] == 1
    assert metric(node3, "causalkv_held_writes") == 1
    node3.clear_faults()
    assert node3.get("effect0", token).json()["value"] == "b"
    assert buffer_of(node3) == {"held": [], "count": 0}


def test_a_held_write_is_not_shown_and_an_independent_one_passes_it(nodes: list[ServedNode]) -> None:
    """The founding property, through HTTP alone."""
    node2, node3 = nodes[1], nodes[2]
    held_back(nodes)
    assert node3.get("effect0").status_code == 404
    assert node3.put("independent", 1).status_code == 200
    token = node3.get("independent").headers["X-Causal-Context"]
    assert node2.get("independent", token).json()["value"] == 1


def test_the_buffer_is_shown_up_to_a_limit(nodes: list[ServedNode]) -> None:
    """The count is of all; the list is of the first."""
    held_back(nodes, writes=4)
    node3 = nodes[2]
    shown = buffer_of(node3, limit=2)
    assert shown["count"] == 4
    assert [held["keys"] for held in shown["held"]] == [["effect0"], ["effect1"]]
    assert len(buffer_of(node3, limit=1000)["held"]) == 4


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "offset=3"])
def test_a_malformed_query_of_the_buffer_is_400(node: ServedNode, query: str) -> None:
    """Nothing is clamped or ignored."""
    assert node.http.get(f"/buffer?{query}").status_code == 400


def test_faults_are_set_shown_and_cleared(nodes: list[ServedNode]) -> None:
    """Setting one delay leaves the others."""
    node = nodes[0]
    assert node.http.get("/faults").json()["delay"] == {}
    assert node.http.post("/faults", json={"delay": {"node2": 1}}).json()["delay"] == {"node2": 1.0}
    assert node.http.post("/faults", json={"delay": {"node3": 2.5}}).json()["delay"] == {"node2": 1.0, "node3": 2.5}
    assert node.http.get("/faults").json()["delay"] == {"node2": 1.0, "node3": 2.5}
    fresh = {"clear": True, "delay": {"node2": 4}}
    assert node.http.post("/faults", json=fresh).json()["delay"] == {"node2": 4.0}
    assert node.http.post("/faults", json={"clear": True}).json()["delay"] == {}


def test_the_wall_clock_is_set_wrong_and_right_again(nodes: list[ServedNode]) -> None:
    """For lessons about clocks; delays stay as they are, and clearing sets it right."""
    node = nodes[0]
    steps: list[tuple[dict[str, Any], dict[str, float], float]] = [
        ({"wall_offset": -3600}, {}, -3600.0),
        ({"delay": {"node2": 1}}, {"node2": 1.0}, -3600.0),
        ({"wall_offset": 0}, {"node2": 1.0}, 0.0),
        ({"wall_offset": 60}, {"node2": 1.0}, 60.0),
        ({"clear": True}, {}, 0.0),
    ]
    try:
        for body, delay, offset in steps:
            shown = node.http.post("/faults", json=body).json()
            assert (shown["delay"], shown["wall_offset"]) == (delay, offset)
    finally:
        node.clear_faults()


@pytest.mark.parametrize(
    "body", [{}, {"clear": False}, {"delay": {}}, {"delay": {"node1": -1}}, {"drop": {"node1": 1.5}}]
)
def test_faults_that_ask_for_nothing_or_for_nonsense_are_400(nodes: list[ServedNode], body: dict[str, Any]) -> None:
    """The error shows what would be right."""
    answer = nodes[0].http.post("/faults", json=body)
    assert answer.status_code == 400
    assert '{"clear": true}' in answer.json()["error"]


def test_metrics_tell_what_happened(nodes: list[ServedNode]) -> None:
    """Requests by route, method and status; writes here and from others."""
    node1, node2, _ = nodes
    token = node1.put("x", 1).headers["X-Causal-Context"]
    assert node2.get("x", token).status_code == 200
    node1.http.get("/nowhere")
    assert metric(node1, "causalkv_writes_accepted_total") == 1
    assert metric(node2, 'causalkv_writes_applied_total{origin="node1"}') == 1
    assert metric(node1, 'causalkv_http_request_seconds_count{method="POST",route="/put",status="200"}') == 1
    assert metric(node2, 'causalkv_http_request_seconds_count{method="GET",route="/get",status="200"}') == 1
    assert metric(node1, 'causalkv_http_request_seconds_count{method="GET",route="none",status="404"}') == 1
    assert metric(node1, "causalkv_ready") == 1
    assert metric(node1, "causalkv_store_used_bytes") > 0
    assert metric(node1, "causalkv_commit_seconds_count") >= 1


def test_open_connections_are_counted(node: ServedNode) -> None:
    """That of the scrape among them; none of those that only listen."""
    assert metric(node, "causalkv_http_connections") == 1
    with httpx.Client(base_url=node.http.base_url, trust_env=False) as another:
        assert another.get("/healthz").is_success
        assert metric(node, "causalkv_http_connections") == 2
    wait_until(lambda: metric(node, "causalkv_http_connections") == 1, "the other one is gone", 10)


@pytest.mark.parametrize("accept", ["", "text/plain; version=9.9", "application/openmetrics-text; version=x", "\xff"])
def test_metrics_are_served_in_one_format(node: ServedNode, accept: str) -> None:
    """Whatever the request accepts; what a scraper sends is never parsed."""
    answer = node.http.get("/metrics", headers=[(b"Accept", accept.encode("latin-1"))])
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def metric(node: ServedNode, sample: str) -> float:
    """One sample of /metrics, by its name and labels."""
    text = node.http.get("/metrics").text
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    assert found, f"{sample} is not in\n{text}"
    return float(found[1])
