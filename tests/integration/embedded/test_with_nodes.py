"""An embedded replica beside nodes that serve HTTP, over a real RabbitMQ; and a process that is killed with one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from client import Client
from node import Replica
from node.embedded.changes import Change
from tests.integration.embedded.conftest import TIMEOUT_SECONDS
from tests.support.cluster import ClusterUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker
NODES = ("node1", "node2", "node3")


@pytest.fixture
def settings(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> dict[str, Any]:
    """How node3 is embedded."""
    return {"nodes": NODES, "amqp_url": broker.url, "cluster": cluster_name, "data_dir": tmp_path / "embedded"}


@pytest.fixture
def served(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> Iterator[ClusterUnderTest]:
    """node1 and node2 as processes that serve HTTP."""
    cluster = ClusterUnderTest(tmp_path, broker.url, cluster=cluster_name)
    cluster.take_out("node3")
    with cluster:
        yield cluster


def test_it_converges_with_nodes_and_sessions_move_between_them(
    served: ClusterUnderTest, settings: dict[str, Any]
) -> None:
    """A token goes from the replica to a client of a node and back; in the end all read the same."""
    with Replica("node3", **settings) as replica, Client(served.urls.split(",")) as client:
        replica.wait_ready(TIMEOUT_SECONDS)
        mine = replica.session(wait_seconds=TIMEOUT_SECONDS)
        with replica.watch("k") as watch:
            for turn in range(5):
                mine.put("k", f"embedded {turn}")
                theirs = client.session()
                theirs.observe(type(theirs.token).parse(mine.token))
                assert theirs.get("k", node=f"node{turn % 2 + 1}").value == f"embedded {turn}"
                theirs.put("k", f"served {turn}", node=f"node{turn % 2 + 1}")
                mine.observe(str(theirs.token))
                assert mine.get("k") == f"served {turn}"
            told = [watch.poll(TIMEOUT_SECONDS) for _ in range(10)]
        expected = [f"{side} {turn}" for turn in range(5) for side in ("embedded", "served")]
        assert [change.value for change in told if isinstance(change, Change)] == expected
        served.quiesce(["k"])
        wait_until(lambda: replica.status()["outbox"] == replica.status()["held"] == 0, "quiet", TIMEOUT_SECONDS)
        assert replica.status()["clock"] == served.statuses()[0]["clock"]
        assert [each.value for each in replica.siblings("k")] == ["served 4"]
        members = {member["node"]: member for member in served["node1"].http.get("/members").json()["members"]}
        assert members["node3"]["alive"]
        assert members["node3"]["url"] is None


KILLED = """
import json, sys
from node import Replica
from node.embedded.changes import Change

settings = json.loads(sys.argv[1])
with Replica("node3", **settings) as replica:
    for number in range(10**9):
        replica.put(f"k{number % 100}", number)
        print(number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9_of_the_program(
    served: ClusterUnderTest, settings: dict[str, Any]
) -> None:
    """On its disk, and at the other nodes once it runs again."""
    arguments = [sys.executable, "-c", KILLED, _as_json(settings)]
    program = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    for line in program.stdout:
        if int(line) >= 500:
            program.kill()
            break
    acknowledged = [500, *map(int, program.stdout.read().split())]
    program.wait()
    program.stdout.close()
    with Replica("node3", **settings) as replica:
        replica.wait_ready(TIMEOUT_SECONDS)
        last = {number % 100: number for number in range(max(acknowledged) + 1)}
        for place, number in last.items():
            # One more may have been on its way.
            assert replica.get(f"k{place}") in (number, max(acknowledged) + 1), place
        wait_until(lambda: replica.status()["outbox"] == 0, "all is published", TIMEOUT_SECONDS)
        clock = replica.status()["clock"]
        wait_until(lambda: all(status["clock"] == clock for status in served.statuses()), "equal", TIMEOUT_SECONDS)
        served.quiesce(["k0", "k99"])
        assert served["node1"].get("k50").json()["value"] == replica.get("k50")


def _as_json(settings: dict[str, Any]) -> str:
    return json.dumps({**settings, "data_dir": str(settings["data_dir"])})
