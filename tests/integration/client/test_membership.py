"""Members and acknowledgement levels, by command line and library, at real nodes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from client import Client, InvalidRequestError
from tests.support.cluster import NodeUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.client.conftest import Outcome
    from tests.support.broker import PrivateBroker
    from tests.support.cluster import ClusterUnderTest

    Run = Callable[..., Outcome]

pytestmark = pytest.mark.broker

FOUNDING = ["node1", "node2", "node3"]
TOLD_SECONDS = 20.0


@pytest.fixture
def client(cluster: ClusterUnderTest) -> Iterator[Client]:
    """A client that knows the three founding nodes."""
    with Client(cluster.urls.split(",")) as opened:
        yield opened


@pytest.fixture
def node4(
    cluster: ClusterUnderTest, tmp_path: Path, broker: PrivateBroker, cluster_name: str
) -> Iterator[NodeUnderTest]:
    """A node that is no founding member, and has joined the cluster."""
    environment = {
        "CAUSALKV_NODES": ",".join(cluster.nodes),
        "CAUSALKV_AMQP_URL": broker.url,
        "CAUSALKV_CLUSTER": cluster_name,
    }
    node = NodeUnderTest("node4", tmp_path / "nodes", environment)
    try:
        node.start()
        node.wait_ready()
        yield node
    finally:
        node.kill()
        node.http.close()


def wait_for_members(client: Client, at: str, alive: list[str]) -> None:
    """Wait until a node knows these members, all of them alive, and no others."""

    def is_so() -> bool:
        return [(each.node, each.alive) for each in client.members(at).members] == [(name, True) for name in alive]

    wait_until(is_so, f"{at} knows {', '.join(alive)}, all alive", TOLD_SECONDS, lambda: str(client.members(at).answer))


def test_three_members_are_shown_alive_by_each_of_them(cluster: ClusterUnderTest, client: Client, run: Run) -> None:
    """As a table, as JSON, and in the status; with where each of them is."""
    for name in FOUNDING:
        wait_for_members(client, name, FOUNDING)
    table = run("members")
    assert (table.exit_code, table.stderr) == (0, "")
    rows = [line.split() for line in table.stdout.splitlines() if line.strip().startswith("node") and "http" in line]
    assert [(row[0], row[1], row[-1]) for row in rows] == [(node.name, "yes", node.url) for node in cluster]
    assert all(member["alive"] for member in json.loads(run("members", "--json", "--node", "node2").stdout)["members"])
    seen = [line.split() for line in run("status").stdout.splitlines() if "itself" in line]
    assert seen == [
        ["node1", "itself", "alive", "alive"],
        ["node2", "alive", "itself", "alive"],
        ["node3", "alive", "alive", "itself"],
    ]


@pytest.mark.parametrize("is_forced", [False, True], ids=["after its end", "forced"])
def test_a_node_that_joined_is_listed_and_taken_out_and_its_writes_stay(
    cluster: ClusterUnderTest, node4: NodeUnderTest, client: Client, run: Run, *, is_forced: bool
) -> None:
    """While it is alive only by force; every member forgets it, none forgets what it wrote."""
    wait_for_members(client, "node1", [*FOUNDING, "node4"])
    token = node4.put("x", "of node4").raise_for_status().headers["X-Causal-Context"]
    for node in cluster:
        assert node.get("x", token).json()["value"] == "of node4"

    refused = run("remove", "node4")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "node4 is alive" in refused.stderr
    wait_for_members(client, "node1", [*FOUNDING, "node4"])

    if is_forced:
        removed = run("remove", "node4", "--force", "--yes")
    else:
        assert node4.terminate() == 0
        wait_until(lambda: not client.members("node1").members[-1].alive, "node4 counts as dead", TOLD_SECONDS)
        removed = run("remove", "node4", "--node", "node1")
    assert removed.exit_code == 0, removed
    assert "the members now are node1, node2, node3" in removed.stdout
    for name in FOUNDING:
        wait_for_members(client, name, FOUNDING)
    with pytest.raises(InvalidRequestError, match="node4 is no member"):
        client.remove_member("node4")

    node4.kill()
    cluster.quiesce(["x"])
    assert client.session().get("x").value == "of node4"
    assert client.session().put("y", 1, ack="all", ack_timeout=30.0).acked == "all"


def test_a_write_is_acknowledged_by_all_soon_after_all_have_it(client: Client, run: Run) -> None:
    """Nobody waits for the next time that clocks are told, let alone for the timeout."""
    for name in FOUNDING:
        wait_for_members(client, name, FOUNDING)
    session = client.session()
    took_seconds = []
    for number in range(5):
        began = time.monotonic()
        assert session.put("x", number, ack="all", ack_timeout=30.0).acked == "all"
        took_seconds.append(time.monotonic() - began)
    # Who waits until clocks are told anyway waits for about a second, each time; a stall is no reason to fail.
    assert min(took_seconds[1:]) < 0.7
    assert session.put("x", "again", ack="broker", ack_timeout=30.0).has_reached("broker")
    assert session.delete("x", ack="all", ack_timeout=30.0).acked == "all"
    told = run("put", "x", "5", "--ack", "all", "--ack-timeout", "30")
    assert (told.exit_code, told.stderr) == (0, "")
    assert told.stdout.endswith("acked all\n")


def test_with_a_node_stopped_the_broker_is_as_far_as_a_write_gets_in_time(
    cluster: ClusterUnderTest, client: Client, run: Run
) -> None:
    """After the timeout, which may be longer than the client's own; the write is done, and comes to the node later."""
    cluster["node3"].kill()
    with Client([cluster["node1"].url], timeout_seconds=5.0) as hasty:
        began = time.monotonic()
        written = hasty.session().put("x", "first", ack="all", ack_timeout=6.0)
    assert written.acked == "broker"
    assert time.monotonic() - began >= 6.0
    told = run("delete", "x", "--ack", "all", "--ack-timeout", "5")
    assert (told.exit_code, told.stdout.split()[-1]) == (0, "broker")
    assert "acknowledged as broker and not as all" in told.stderr

    cluster["node3"].start()
    cluster["node3"].wait_ready()
    cluster.quiesce(["x"])
    assert client.session().put("x", "second", ack="all", ack_timeout=30.0).acked == "all"
