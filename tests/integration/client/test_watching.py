"""Watching through both clients at real nodes: nothing missed, nothing twice, in causal order, wherever it goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from client import Change, Client, IncrOp, InitialStateEnd, PutOp, Reset, SAddOp, Watch, WatchEvent
from infra.ports import LOOPBACK
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.client.conftest import Outcome
    from tests.support.client_kinds import OpenClient
    from tests.support.cluster import ClusterUnderTest

    Run = Callable[..., Outcome]

pytestmark = pytest.mark.broker


@pytest.fixture
def client(cluster: ClusterUnderTest, open_client: OpenClient) -> Iterator[Client]:
    """A client of the kind that the test is run with."""
    with open_client(cluster.urls.split(",")) as opened:
        yield opened


def told(watch: Watch, count: int) -> list[WatchEvent]:
    """The next events."""
    return [next(watch) for _ in range(count)]


def values(events: list[WatchEvent]) -> list[object]:
    """The values of changes."""
    return [event.value if isinstance(event, Change) else type(event).__name__ for event in events]


def test_every_kind_of_change_is_told_as_it_was_written(client: Client) -> None:
    """Typed, in order, with the token behind it, which another session can wait for."""
    writer, watcher = client.session(), client.session()
    with watcher.watch("k/", node="node2") as watch:
        writer.put("other", 0)
        writer.put("k/x", {"a": [1.5]}, ttl_seconds=3600)
        writer.batch([IncrOp("k/n", 3), SAddOp("k/s", ["a", 1])])
        writer.srem("k/s", ["a"])
        written = writer.delete("k/x")
        put, count, added, removed, deleted = told(watch, 5)
    assert isinstance(put, Change)
    assert isinstance(count, Change)
    assert isinstance(added, Change)
    assert isinstance(removed, Change)
    assert isinstance(deleted, Change)
    assert [change.op for change in (put, count, added, removed, deleted)] == ["put", "incr", "sadd", "srem", "delete"]
    assert (put.key, put.value, put.ttl_seconds is not None) == ("k/x", {"a": [1.5]}, True)
    assert (count.by, sorted(map(str, added.members)), removed.members) == (3, ["1", "a"], ["a"])
    assert deleted.vc == written.vc
    assert count.dot == added.dot
    assert writer.token <= deleted.token == watcher.token


def test_a_watch_from_before_the_first_write_misses_nothing_elsewhere(
    cluster: ClusterUnderTest, client: Client
) -> None:
    """Its position is that of an empty cluster; the node that it watched is killed, and it goes on at another."""
    with client.session().watch() as watch:
        assert not watch.token
        at = next(node for node in cluster if node.url == watch.url)
        at.kill()
        other = next(node for node in cluster if node is not at)
        client.session().put("x", 1, node=other.name)
        assert values(told(watch, 1)) == [1]
    at.start()
    at.wait_ready()
    cluster.wait_connected()
    cluster.quiesce(["x"])


def test_a_watch_whose_connections_break_all_the_time_tells_everything_once(
    cluster: ClusterUnderTest, open_client: OpenClient
) -> None:
    """At any moment, also within a batch; each time it goes on at another node."""
    with ExitStack() as stack:
        roads = [stack.enter_context(TcpProxy(LOOPBACK, node.port)) for node in cluster]
        watcher = stack.enter_context(open_client([f"http://{LOOPBACK}:{road.port}" for road in roads]))
        writer = stack.enter_context(open_client(cluster.urls.split(",")))
        watch = stack.enter_context(watcher.session().watch("x"))
        stop = threading.Event()

        def write() -> None:
            session = writer.session()
            for number in range(0, 600, 3):
                session.batch([PutOp(f"x{part}", part) for part in range(number, number + 3)])

        def shake() -> None:
            while not stop.wait(0.15):
                for road in roads:
                    road.cut()
                    road.restore()

        threads = [threading.Thread(target=write), threading.Thread(target=shake)]
        for thread in threads:
            thread.start()
        try:
            assert values(told(watch, 600)) == list(range(600))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    cluster.quiesce()


def test_effects_come_behind_their_causes_whichever_node_tells(client: Client) -> None:
    """Each put is made at another node by a session that saw the one before."""
    with client.session().watch("x", node="node3") as watch:
        session = client.session()
        for number in range(60):
            session.put("x", number, node=f"node{number % 3 + 1}")
        assert values(told(watch, 60)) == list(range(60))


def test_the_state_and_the_changes_behind_it_make_the_state_that_a_read_shows(client: Client) -> None:
    """While somebody writes on."""
    session = client.session()
    session.batch([PutOp(f"x{number}", 0) for number in range(500)])
    session.incr("x", 4)
    session.sadd("x", ["a", "b"])
    writing = threading.Thread(target=lambda: [session.put(f"x{number}", number) for number in range(0, 500, 5)])
    with client.session(str(session.token)).watch("x", initial=True, node="node2") as watch:
        writing.start()
        state: dict[str, object] = {}
        has_ended = False
        while not has_ended or state.get("x495") != 495:
            event = next(watch)
            assert not isinstance(event, Reset)
            has_ended = has_ended or isinstance(event, InitialStateEnd)
            if isinstance(event, Change) and event.op == "put":
                state[event.key] = event.value
            elif isinstance(event, Change):
                state[f"{event.op} {event.key}"] = event.value if event.op == "counter" else sorted(event.members)
        writing.join()
    expected = {f"x{number}": number if number % 5 == 0 else 0 for number in range(500)}
    assert state == {**expected, "counter x": 4, "set x": ["a", "b"]}


def test_a_watch_goes_on_from_a_token_that_was_kept(client: Client) -> None:
    """In another process, at another node; as text."""
    session = client.session()
    with session.watch("x", node="node1") as watch:
        for number in range(10):
            session.put("x", number)
        kept = str(told(watch, 4)[-1].token)
    with client.session().watch("x", since=kept, node="node3") as watch:
        assert values(told(watch, 6)) == [4, 5, 6, 7, 8, 9]


def test_the_command_line_watches_until_it_is_interrupted(cluster: ClusterUnderTest, run: Run) -> None:
    """A line for each change as it comes, and exit code 0; the token it ends with is where the next one begins."""
    command = [sys.executable, "-m", "client", "watch", "x", "--json", "--no-session"]
    environment = {**cluster["node1"].environment, "CAUSALKV_URLS": cluster.urls}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        came = threading.Event()

        def write_until_it_watches() -> None:
            while not came.is_set():
                run("put", "x", "first")

        writing = threading.Thread(target=write_until_it_watches)
        writing.start()
        lines = [json.loads(watching.stdout.readline())]
        came.set()
        writing.join()
        run("put", "x", "last")
        while lines[-1]["value"] != "last":
            lines.append(json.loads(watching.stdout.readline()))
        watching.send_signal(signal.SIGINT)
        said = watching.stderr.read().decode()
        assert (watching.wait(20), watching.stdout.read()) == (0, b"")
    assert all(line["value"] == "first" for line in lines[:-1])
    token = said.split("--since ")[1].strip()
    assert token == lines[-1]["token"]
    run("put", "x", "missed")
    [missed] = run("watch", "x", "--since", token, "--count", "1", "--json").stdout.splitlines()
    assert json.loads(missed)["value"] == "missed"
