"""``client check`` against real nodes: nothing wrong is found where nothing is, and what is switched off is noticed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from node.unsafe import DELIVERY_VARIABLE, TOKENS_VARIABLE
from tests.support.cluster import ClusterUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.client.conftest import Outcome
    from tests.support.broker import PrivateBroker

    Run = Callable[..., Outcome]

pytestmark = pytest.mark.broker

SECONDS = "5"
# What is found depends on which reads fall into the moment in which a cause is late.
ATTEMPTS = 12


@pytest.fixture
def unsafe() -> dict[str, str]:
    """What is switched off at node3; a test says it by parametrizing this."""
    return {}


@pytest.fixture
def cluster(
    tmp_path: Path, broker: PrivateBroker, cluster_name: str, unsafe: dict[str, str]
) -> Iterator[ClusterUnderTest]:
    """Three nodes, on which messages can be made late."""
    nodes = ClusterUnderTest(tmp_path / "nodes", broker.url, cluster=cluster_name, CAUSALKV_FAULTS="1")
    nodes["node3"].environment.update(unsafe)
    with nodes as started:
        yield started


def delays_at(cluster: ClusterUnderTest, node: str) -> dict[str, float]:
    """The delays in force at a node."""
    found: dict[str, float] = cluster[node].http.get("/faults").raise_for_status().json()["delay"]
    return found


def check_until_found(run: Run) -> dict[str, Any]:
    """The findings of the first check that finds something wrong."""
    for _ in range(ATTEMPTS):
        outcome = run("check", "--seconds", SECONDS, "--json")
        if outcome.exit_code == 4:
            break
    assert (outcome.exit_code, outcome.stderr) == (4, "")
    findings: dict[str, Any] = json.loads(outcome.stdout)
    assert findings["verdict"] == "violated"
    assert findings["violations"]
    return findings


def test_a_sound_cluster_passes_while_messages_come_late(cluster: ClusterUnderTest, run: Run) -> None:
    """It says in numbers what it saw, leaves other people's faults alone, and leaves nothing behind."""
    cluster["node3"].http.post("/faults", json={"delay": {"node1": 0.2}}).raise_for_status()
    cluster["node1"].put("mine", "kept").raise_for_status()
    outcome = run("check", "--seconds", SECONDS, "--sessions", "8", "--keys", "4", "--seed", "7", "--json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    findings = json.loads(outcome.stdout)
    assert (findings["verdict"], findings["violations"], findings["seed"]) == ("sound", [], 7)
    assert findings["nodes"] == ["node1", "node2", "node3"]
    assert findings["late_messages"]
    for counted in ("operations", "puts", "gets", "moves", "pairs_checked", "concurrent_writes"):
        assert findings[counted] > 0, counted
    assert findings["sessions"] >= 8
    assert findings["operations"] == findings["puts"] + findings["gets"] + findings["deletes"]
    assert findings["not_proved"]
    assert [delays_at(cluster, node) for node in ("node1", "node2")] == [{}, {}]
    assert delays_at(cluster, "node3") == {"node1": 0.2}
    keys = [f"{findings['prefix']}{n}" for n in range(4)]
    cluster.quiesce([*keys, "mine"])
    assert {cluster["node2"].get(key).status_code for key in keys} == {404}
    assert cluster["node2"].get("mine").json()["value"] == "kept"


@pytest.mark.parametrize("unsafe", [{DELIVERY_VARIABLE: "fifo"}])
def test_a_node_without_causal_delivery_is_found_out(cluster: ClusterUnderTest, run: Run) -> None:
    """With late messages, its readers see effects without causes; the operations that show it are named."""
    for other in ("node1", "node2"):
        assert "unsafe" not in cluster[other].status()
    assert cluster["node3"].status()["unsafe"] == ["causal delivery is off"]
    assert "UNSAFE" in cluster["node3"].log_tail()
    cluster["node3"].http.post("/faults", json={"delay": {"node1": 0.4}}).raise_for_status()
    findings = check_until_found(run)
    assert findings["unsafe"] == {"node3": "causal delivery is off"}
    named = [violation for violation in findings["violations"] if violation["operations"]]
    assert all(re.search(r"\[s\d+\.\d+#\d+ (put|get|delete) ", each["operations"][0]) for each in named)
    assert named


@pytest.mark.parametrize("unsafe", [{TOKENS_VARIABLE: "ignored"}])
def test_a_node_that_ignores_tokens_is_found_out(cluster: ClusterUnderTest, run: Run) -> None:
    """Sessions that come to it miss what they had seen elsewhere."""
    assert cluster["node3"].status()["unsafe"] == ["causal tokens are ignored"]
    kinds = {violation["kind"] for violation in check_until_found(run)["violations"]}
    assert kinds & {"read your writes", "monotonic reads"}


def test_a_person_reads_what_was_seen_and_what_was_not_proved(run: Run) -> None:
    """No JSON, no traceback; without late messages it says that nothing was put to the test by them."""
    outcome = run("check", "--seconds", "1", "--no-late")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("No violation: ")
    assert re.search(r"moves between nodes +\d+", outcome.stdout)
    assert "that effects wait for causes which come late: none came late" in outcome.stdout


def test_ctrl_c_ends_the_delays_and_deletes_the_keys(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """A check that is given up leaves the cluster as it was."""

    def keys() -> list[str]:
        found: list[str] = cluster["node1"].http.get("/scan?prefix=check-").json()["keys"]
        return found

    environment = {**os.environ, "CAUSALKV_URLS": cluster.urls, "CAUSALKV_STATE_DIR": str(tmp_path / "state")}
    command = [sys.executable, "-m", "client", "check", "--seconds", "600"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        wait_until(lambda: bool(keys() and delays_at(cluster, "node2")), "the check is at work", 60)
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stdout) == (130, b"")
    assert b"interrupted" in stderr
    assert b"Traceback" not in stderr
    cluster.quiesce()
    assert keys() == []
    assert [delays_at(cluster, node) for node in cluster.nodes] == [{}, {}, {}]
