"""The command line and the library against real node processes and a real RabbitMQ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from client import CausalToken, Client, ForeignContextError, NodeStatus
from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.founding_transcript import founding_transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.client.conftest import Outcome
    from tests.support.broker import PrivateBroker

    Run = Callable[..., Outcome]

pytestmark = pytest.mark.broker


@pytest.fixture
def cluster(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> Iterator[ClusterUnderTest]:
    """A fresh cluster of three nodes; what a test delays there stays away: no repair brings it."""
    nodes = ClusterUnderTest(
        tmp_path / "nodes",
        broker.url,
        cluster=cluster_name,
        CAUSALKV_FAULTS="1",
        CAUSALKV_REPAIR_AFTER_SECONDS="600",
    )
    with nodes as started:
        yield started


def delay(cluster: ClusterUnderTest, at: str, origin: str) -> None:
    """Keep writes of one node from another, until `let_through`."""
    cluster[at].http.post("/faults", json={"delay": {origin: 3600.0}}).raise_for_status()


def let_through(cluster: ClusterUnderTest, at: str) -> None:
    """End the delays at a node."""
    cluster[at].http.post("/faults", json={"clear": True}).raise_for_status()


def test_the_demo_prints_the_founding_transcript_and_goes_on_from_run_to_run(run: Run) -> None:
    """Character for character, and nothing on stderr."""
    for number in (1, 2, 3):
        assert run("demo") == (0, founding_transcript(number), "")


def test_a_session_reads_its_own_writes_at_whichever_node(run: Run) -> None:
    """Each invocation waits for what the one before did elsewhere."""
    for number in range(1, 4):
        writer, reader = f"node{number % 3 + 1}", f"node{(number + 1) % 3 + 1}"
        assert run("put", "x", str(number), "--node", writer).exit_code == 0
        assert run("get", "x", "--node", reader).stdout.startswith(f'x = "{number}"   vc ')
        assert run("delete", "x", "--node", writer).exit_code == 0
        assert run("get", "x", "--node", reader).exit_code == 1


def test_a_held_write_is_shown_and_a_session_that_needs_it_is_told_what_is_missing(
    cluster: ClusterUnderTest, run: Run
) -> None:
    """node3 gets the effect before its cause: it holds it, names the cause, and shows neither."""
    delay(cluster, at="node3", origin="node1")
    run("put", "cause", "1", "--node", "node1")
    run("put", "effect", "2", "--node", "node2")
    wait_until(lambda: cluster["node3"].status()["held"] == 1, "node3 holds the effect", 20)
    cause, effect = cluster["node1"].status()["replica"] + ":1", cluster["node2"].status()["replica"] + ":1"

    table = run("buffer")
    [row] = [line.split() for line in table.stdout.splitlines() if effect in line]
    assert (row[:3], row[-1]) == (["node3", effect, "effect"], cause)
    assert "node1 holds no writes" in table.stdout
    [held] = json.loads(run("buffer", "--node", "node3", "--json").stdout)["held"]
    assert (held["dot"], held["waits_for"], held["keys"]) == (effect, cause, ["effect"])
    assert run("get", "effect", "--node", "node3", "--no-session").exit_code == 1

    told = run("get", "effect", "--node", "node3", "--timeout", "5")
    assert (told.exit_code, told.stdout) == (3, "")
    assert cause in told.stderr

    let_through(cluster, at="node3")
    assert run("get", "effect", "--node", "node3").stdout.startswith('effect = "2"')
    assert run("get", "cause", "--node", "node3", "--no-session").stdout.startswith('cause = "1"')


def test_concurrent_versions_are_listed_and_the_next_put_replaces_them(cluster: ClusterUnderTest, run: Run) -> None:
    """Two writers who did not see each other, and one who saw both."""
    delay(cluster, at="node2", origin="node1")
    run("put", "x", "one", "--node", "node1", "--session", "alice")
    run("put", "x", "two", "--node", "node2", "--session", "bob")
    let_through(cluster, at="node2")
    cluster.quiesce(["x"])

    shown = json.loads(run("get", "x", "--siblings", "--json").stdout)
    assert sorted((sibling["value"], sibling["node"]) for sibling in shown["siblings"]) == [
        ("one", "node1"),
        ("two", "node2"),
    ]
    table = run("get", "x", "--siblings").stdout.splitlines()
    [first] = [line.split() for line in table if "shown" in line]
    assert first[1] == json.dumps(shown["value"])

    run("put", "x", "three")
    assert len(json.loads(run("get", "x", "--siblings", "--json").stdout)["siblings"]) == 1


def test_with_a_node_gone_everything_goes_on_at_the_others(cluster: ClusterUnderTest, run: Run) -> None:
    """Only who names the dead node is told so."""
    run("put", "x", "before")
    cluster.quiesce()
    cluster["node1"].kill()
    assert run("get", "x").stdout.startswith('x = "before"')
    assert run("put", "x", "after").exit_code == 0
    assert run("get", "x", "--node", "node3").stdout.startswith('x = "after"')

    named = run("put", "x", "nowhere", "--node", "node1", "--timeout", "1")
    assert (named.exit_code, named.stdout) == (3, "")
    assert "connection refused" in named.stderr

    status = run("status")
    assert status.exit_code == 0
    assert [line.split()[:2] for line in status.stdout.splitlines() if "http" in line] == [
        ["?", "unreachable"],
        ["node2", "yes"],
        ["node3", "yes"],
    ]


def test_what_a_node_refuses_is_shown_in_its_words(run: Run) -> None:
    """Too large a value, an empty key."""
    large = run("put", "x", "-", stdin=b"x" * (1024 * 1024 + 1))
    assert (large.exit_code, large.stdout) == (2, "")
    assert "1048576" in large.stderr
    empty = run("put", "", "1")
    assert (empty.exit_code, empty.stdout) == (2, "")


def test_values_keep_their_digits(run: Run) -> None:
    """On the way in, in the store, and on the way out."""
    exact = '{"price":1.10,"n":12345678901234567890123}'
    run("put", "x", exact, "--type", "json")
    assert exact in run("get", "x").stdout
    assert exact in run("get", "x", "--json").stdout


def test_a_session_of_a_cluster_that_is_no_more_is_recognised(cluster: ClusterUnderTest) -> None:
    """Real nodes know their replicas, and name the missing ones in the form that the client reads."""
    with Client(cluster.urls.split(","), timeout_seconds=8.0) as client:
        with pytest.raises(ForeignContextError, match="node1~gone1"):
            client.session(CausalToken({"node1~gone1": 3})).get("x")
        known = cluster["node2"].status()["replica"]
        ahead = CausalToken({known: cluster["node2"].status()["clock"].get(known, 0) + 1})
        with pytest.raises(Exception, match="has not applied") as told:
            client.session(ahead).get("x", node="node1")
        assert not isinstance(told.value, ForeignContextError)


def test_the_library_reads_every_answer_of_a_real_node(cluster: ClusterUnderTest) -> None:
    """The typed answers fit what nodes send."""
    with Client(cluster.urls.split(",")) as client:
        session = client.session()
        written = session.put("x", {"a": [1, None]}, node="node3")
        read = session.get("x", node="node1", siblings=True)
        assert (written.vc, read.value, read.vc) == ([0, 0, 1], {"a": [1, None]}, [0, 0, 1])
        assert [(sibling.value, sibling.node) for sibling in read.siblings] == [({"a": [1, None]}, "node3")]
        statuses = [reply.answer for reply in client.status_of_all()]
        assert all(isinstance(status, NodeStatus) for status in statuses)
        status = client.status("node3")
        assert (status.node, status.ready, status.vc, status.token) == ("node3", True, [0, 0, 1], session.token)
        assert client.buffer("node2").count == 0
        assert session.delete("x").vc == [1, 0, 1]
