"""What operators see of a real node: status, health, metrics, and the story of each write in the log."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.integration.node.node_runs import environment
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

LOG_TIMEOUT_SECONDS = 10.0


def log_lines(node: NodeUnderTest) -> list[dict[str, Any]]:
    """The node's log so far; every line must be JSON."""
    return [json.loads(line) for line in node.log_file.read_text().splitlines(keepends=True) if line.endswith("\n")]


def story(node: NodeUnderTest, dot: str) -> list[dict[str, Any]]:
    """What a node's log says about one write, in order."""
    return [line for line in log_lines(node) if line.get("dot") == dot]


@pytest.mark.broker
def test_the_log_tells_the_story_of_a_write_on_every_node(cluster: ClusterUnderTest) -> None:
    """Accepted and published where it was made; delivered and applied elsewhere: one JSON line for each step."""
    cluster.quiesce()
    vc = cluster["node1"].put("told", {"n": 1}).json()["vc"]
    dot = f"node1~{cluster['node1'].status()['incarnation']}:{vc[0]}"
    expected = {
        "node1": ["accepted", "published"],
        "node2": ["delivered", "applied"],
        "node3": ["delivered", "applied"],
    }
    for name, steps in expected.items():
        wait_until(lambda name=name, steps=steps: len(story(cluster[name], dot)) >= len(steps), f"{steps}", 10)  # type: ignore[misc]  # bound at once
        lines = story(cluster[name], dot)
        assert [line["event"] for line in lines] == steps
        for line in lines:
            assert list(line)[:4] == ["timestamp", "level", "node", "event"]
            assert (line["level"], line["node"]) == ("info", name)
            if line["event"] != "published":
                assert (line["keys"], line["vc"]) == (["told"], vc)
            assert "value" not in line


@pytest.mark.broker
def test_logs_and_status_hold_no_password(cluster: ClusterUnderTest) -> None:
    """The broker's address is shown without it."""
    node = cluster["node1"]
    password = httpx.URL(node.environment["CAUSALKV_AMQP_URL"].replace("amqp", "http", 1)).password
    assert len(password) > 4
    assert password not in node.log_file.read_text()
    assert password not in node.http.get("/status").text


@pytest.mark.broker
def test_status_has_what_programs_rely_on(cluster: ClusterUnderTest) -> None:
    """The keys of the contract, with their types."""
    cluster.quiesce()
    for node in cluster:
        status = node.status()
        assert status["node"] == node.name
        assert isinstance(status["incarnation"], str)
        assert status["ready"] is True
        assert len(status["vc"]) == 3
        assert sum(status["vc"]) == sum(status["clock"].values())
        assert (status["held"], status["outbox"], status["broker"]) == (0, 0, "connected")


@pytest.mark.broker
def test_a_running_node_is_healthy_ready_and_measured(cluster: ClusterUnderTest) -> None:
    """The probes say so in JSON, and the metrics in Prometheus's text."""
    for node in cluster:
        assert node.http.get("/healthz").json() == {"alive": True}
        assert node.http.get("/readyz").json() == {"ready": True}
        metrics = node.http.get("/metrics")
        assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        for name in ("ready 1.0", "broker_connected 1.0", "held_writes 0.0", "outbox_writes 0.0"):
            assert f"causalkv_{name}\n" in metrics.text
        for name in ("writes_accepted_total", "commit_seconds_count", "store_used_bytes", "messages_rejected_total"):
            assert f"causalkv_{name} " in metrics.text


def test_a_node_logs_json_to_stderr_and_nothing_to_stdout(tmp_path: Path) -> None:
    """From the first line to the last."""
    variables = environment(tmp_path / "data")
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        node = subprocess.Popen([sys.executable, "-m", "node"], env=variables, stdout=out, stderr=err)
    try:
        wait_until(lambda: "started" in (tmp_path / "err").read_text(), "started", 30)
    finally:
        node.terminate()
        assert node.wait(15) == 0
    assert (tmp_path / "out").read_text() == ""
    events = [json.loads(line)["event"] for line in (tmp_path / "err").read_text().splitlines()]
    assert "started" in events
    assert events[-1] == "stopped"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a device that is always full")
def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    """The disk under the log may be the one that is full."""
    variables = environment(tmp_path / "data", LOG_LEVEL="debug")
    url = f"http://127.0.0.1:{variables['CAUSALKV_HTTP_PORT']}"
    with Path("/dev/full").open("w") as full:
        node = subprocess.Popen([sys.executable, "-m", "node"], env=variables, stdout=full, stderr=full)
    try:
        with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as http:

            def is_ready() -> bool:
                try:
                    return http.get("/readyz").is_success
                except httpx.HTTPError:
                    assert node.poll() is None, "the node ended"
                    return False

            wait_until(is_ready, "ready", 30)
            assert http.post("/put", json={"key": "x", "value": 1}).json()["vc"] == [1, 0, 0]
    finally:
        node.terminate()
        node.wait(15)
