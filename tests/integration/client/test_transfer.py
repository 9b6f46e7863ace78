"""``client export`` and ``import`` between two real clusters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from client import Client
from client.operations import PutOp
from tests.support.cluster import ClusterUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker

KEYS = 2_500
MEMBERS = 1_500


@pytest.fixture
def source(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> Iterator[ClusterUnderTest]:
    """The cluster that is exported."""
    nodes = ClusterUnderTest(
        tmp_path / "source",
        broker.url,
        cluster=f"{cluster_name}-a",
        CAUSALKV_FAULTS="1",
        CAUSALKV_REPAIR_AFTER_SECONDS="600",
    )
    with nodes as started:
        yield started


@pytest.fixture
def target(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> Iterator[ClusterUnderTest]:
    """The empty cluster that it is imported into."""
    with ClusterUnderTest(tmp_path / "target", broker.url, cluster=f"{cluster_name}-b") as started:
        yield started


def client(cluster: ClusterUnderTest, *arguments: str) -> dict[str, Any]:
    """What the command line answers as JSON."""
    ended = subprocess.run(
        [sys.executable, "-m", "client", *arguments, "--json", "--no-session"],
        env={**os.environ, "CAUSALKV_URLS": cluster.urls},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def fill(cluster: ClusterUnderTest) -> None:
    """Keys, long ones and those with odd values, two concurrent values, counters, and a set of several lines."""
    with Client(cluster.urls.split(",")) as through:
        session = through.session()
        session.put("conflict", "from node1", node="node1")
        for start in range(0, KEYS, 500):
            session.batch([PutOp(f"key{n:05}", {"n": n, "of": 1.5}) for n in range(start, start + 500)])
        session.put('odd "ä\n\u2028', ["\u0000", None, 12345678901234567890])
        session.put("for a while", 1, ttl_seconds=3600)
        session.incr("hits", 7)
        session.incr("debts", -(2**53 - 1))
        session.incr("debts", -5)
        session.sadd("tags", [f"tag{n:04}" for n in range(1000)])
        session.sadd("tags", [f"tag{n:04}" for n in range(1000, MEMBERS)])
    # Neither node hears of the other's put, which is concurrent therefore.
    wait_until(cluster.is_quiet, "all nodes have it", 30)
    for node in ("node1", "node2"):
        cluster[node].http.post("/faults", json={"delay": {"node1": 60.0, "node2": 60.0}}).raise_for_status()
    for node in ("node1", "node2"):
        cluster[node].put("conflict", f"from {node}").raise_for_status()
    for node in ("node1", "node2"):
        cluster[node].http.post("/faults", json={"clear": True}).raise_for_status()
    wait_until(cluster.is_quiet, "all nodes have all", 30)


def everything_at(cluster: ClusterUnderTest, node: str) -> dict[str, Any]:
    """What a node shows, without the clocks."""
    with Client(cluster.urls.split(",")) as through:
        session = through.session()
        pages = session.scan_pages(node=node, limit=10_000)
        return {
            "keys": {row.key: bytes(row.value) for page in pages for row in page.stored},
            "hits": session.counter("hits", node=node).value,
            "debts": session.counter("debts", node=node).value,
            "tags": session.smembers("tags", node=node).members,
        }


def test_a_store_comes_to_another_cluster_as_it_was(
    source: ClusterUnderTest, target: ClusterUnderTest, tmp_path: Path
) -> None:
    """Every key, counter and set, on all nodes alike; a second import changes nothing more."""
    fill(source)
    path = str(tmp_path / "store.jsonl")
    exported = client(source, "export", path, "--node", "node2")
    lines = [json.loads(line) for line in (tmp_path / "store.jsonl").read_text().split("\n")[:-1]]
    assert (exported["keys"], exported["counters"], exported["members"]) == (KEYS + 3, 2, MEMBERS)
    assert (exported["with_siblings"], exported["lines"]) == (1, len(lines))
    (conflict,) = [line for line in lines if line.get("key") == "conflict"]
    assert {sibling["value"] for sibling in conflict["siblings"]} == {"from node1", "from node2"}
    expected = everything_at(source, "node1")
    assert len(expected["tags"]) == MEMBERS
    for _ in range(2):
        imported = client(target, "import", path)
        assert imported == {"keys": KEYS + 3, "counters": 2, "members": MEMBERS, "siblings": 1, "outside": 0}
        target.quiesce(["conflict", "key00000"])  # not the one whose time runs
        assert all(everything_at(target, node) == expected for node in target.nodes)
    assert 0 < target["node3"].get("for a while").json()["ttl"] < 3600


def test_a_part_of_a_store_is_exported_by_its_prefix(source: ClusterUnderTest, tmp_path: Path) -> None:
    """Keys, counters and sets alike."""
    with Client(source.urls.split(",")) as through:
        session = through.session()
        for name in ("a/1", "a/2", "b/1"):
            session.put(name, 1)
            session.incr(name)
            session.sadd(name, [1])
        found = client(source, "export", str(tmp_path / "a.jsonl"), "--prefix", "a/", "--node", "node1")
    assert (found["keys"], found["counters"], found["sets"], found["members"]) == (2, 2, 2, 2)
    source.quiesce(["a/1"])
