"""Events of real nodes over a real broker as one trace: with held writes, a restart, and a node that is away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from client.trace.trace_clocks import TraceClocks
from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.shiviz import check, happened_before, read_file, read_pasted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from client.node_events import NodeEvent
    from tests.integration.client.conftest import Outcome
    from tests.support.broker import PrivateBroker
    from tests.support.client_kinds import OpenClient
    from tests.support.cluster import NodeUnderTest
    from tests.support.shiviz import Entry

    Run = Callable[..., Outcome]

pytestmark = pytest.mark.broker

TIMEOUT_SECONDS = 30.0
TOOK_EFFECT = ("accepted", "applied")
HOSTILE_KEY = 'a\n\r\x1b[2J\u2028"\'}{ {"node1": 7}\nnode1 {"node1": 99} now\n<script>'


@pytest.fixture
def cluster(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> Iterator[ClusterUnderTest]:
    """Three nodes with faults on."""
    with ClusterUnderTest(
        tmp_path / "nodes", broker.url, cluster=cluster_name, CAUSALKV_FAULTS="1", CAUSALKV_LOG_LEVEL="warning"
    ) as started:
        yield started


def token(*answers: Any) -> str:
    """The token of the last of these answers."""
    text: str = answers[-1].raise_for_status().headers["X-Causal-Context"]
    return text


def hold_writes(cluster: ClusterUnderTest) -> str:
    """Chains of writes from node to node, of which node3 gets the causes last; the token of all."""
    cluster["node3"].http.post("/faults", json={"delay": {"node1": 60.0}}).raise_for_status()
    seen = token(cluster["node1"].put("cause", 1))
    for number in range(5):
        seen = token(cluster["node2"].put(f"effect{number}", number, seen))
        seen = token(cluster["node1"].put(f"cause{number}", number, seen))
    token(cluster["node3"].put(HOSTILE_KEY, "concurrent with all of it"))
    wait_until(
        lambda: cluster["node3"].status()["held"] > 0, "something is held", TIMEOUT_SECONDS, cluster["node3"].log_tail
    )
    cluster["node3"].http.post("/faults", json={"clear": True}).raise_for_status()
    return token(cluster["node3"].put("after", 1, seen))


def json_events(run: Run, *options: str) -> list[dict[str, Any]]:
    """The events as the nodes tell them."""
    outcome = run("events", "--format", "json", *options)
    assert outcome.exit_code == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def agrees_with_the_writes(entries: list[Entry], events: list[dict[str, Any]]) -> tuple[int, int]:
    """Fail unless the clocks of a log say of writes what their vector clocks say.

    A write happened before another one exactly when the node of that one had *applied* it before. Returns how many
    pairs are ordered, and of how many of these the log does not show that, because events are missing.
    """
    write_clocks = {event["dot"]: event["clock"] for event in events if "clock" in event}
    trace_clocks: dict[tuple[str, str, str], dict[str, int]] = {}
    for entry in entries:
        trace_clocks.setdefault(entry.name, entry.clock)
    ordered = not_shown = 0
    accepted = [(host, dot, clock) for (host, kind, dot), clock in trace_clocks.items() if kind == "accepted"]
    for origin, dot, clock in accepted:
        for node, other_dot, other_clock in accepted:
            if dot == other_dot:
                continue
            replica, _, seq = dot.partition(":")
            is_before = write_clocks[other_dot].get(replica, 0) >= int(seq)
            took_effect = trace_clocks.get((node, "accepted" if node == origin else "applied", dot))
            ordered += is_before
            if took_effect is None:
                not_shown += is_before
                continue
            assert is_before == happened_before(took_effect, other_clock), (dot, other_dot)
            assert happened_before(clock, other_clock) or not is_before, (dot, other_dot)
    return ordered, not_shown


def log_of(text: str) -> list[Entry]:
    """A log that ShiViz takes, from a file and pasted."""
    entries = read_file(text)
    check(entries)
    assert [entry[:3] for entry in read_pasted(text)] == [entry[:3] for entry in entries]
    return entries


def test_an_export_of_a_run_with_held_writes_is_a_log_for_shiviz_that_agrees_with_the_writes(
    cluster: ClusterUnderTest, run: Run
) -> None:
    """All that happened is in it; the story of each write is complete at each node."""
    seen = hold_writes(cluster)
    cluster.quiesce(["after", HOSTILE_KEY])
    assert seen
    events = json_events(run)
    entries = log_of(run("events", "--format", "shiviz").stdout)
    assert {entry.name for entry in entries} == {(event["node"], event["kind"], event["dot"]) for event in events}
    ordered, not_shown = agrees_with_the_writes(entries, events)
    assert ordered > 50
    assert not_shown == 0
    stories: dict[tuple[str, str], list[str]] = {}
    for event in events:
        stories.setdefault((event["node"], event["dot"]), []).append(event["kind"])
    assert len(stories) == 3 * 13
    for (node, dot), story in stories.items():
        if dot.startswith(f"{node}~"):
            assert story == ["accepted", "confirmed"]
        else:
            assert story in (["delivered", "applied"], ["delivered", "held", "released", "applied"])
    held = [event for event in events if event["kind"] == "held"]
    assert {event["node"] for event in held} == {"node3"}
    assert all(event["waits_for"] in {each["dot"] for each in events} for event in held)
    released = [event for event in events if event["kind"] == "released"]
    assert len(released) == len(held)
    assert all(0 < event["held_seconds"] < TIMEOUT_SECONDS for event in released)


def test_a_key_chooses_a_part_that_keeps_its_order(cluster: ClusterUnderTest, run: Run) -> None:
    """What is left is a log, too, and still says what happened before what."""
    hold_writes(cluster)
    cluster.quiesce()
    part = ("--key", "effect1", "--key", "cause3", "--key", HOSTILE_KEY)
    events = json_events(run, *part)
    entries = log_of(run("events", "--format", "shiviz", *part).stdout)
    assert {key for event in events for key in event["keys"]} == {"effect1", "cause3", HOSTILE_KEY}
    assert len(events) >= 3 * 6
    accepted = {event["keys"][0]: entry for entry, event in zip(entries, events, strict=True)
                if event["kind"] == "accepted"}  # fmt: skip
    assert happened_before(accepted["effect1"].clock, accepted["cause3"].clock)
    assert not happened_before(accepted[HOSTILE_KEY].clock, accepted["cause3"].clock)
    agrees_with_the_writes(entries, events)


def messages_of(output: Path) -> Path:
    """Where an export that is followed says what it has to say; each one has a file of its own."""
    return output.with_name(f"{output.name}.messages")


@contextmanager
def following(cluster: ClusterUnderTest, form: str, output: Path) -> Iterator[None]:
    """``events --follow`` into a file, ended by Ctrl-C."""
    with output.open("wb") as stdout, messages_of(output).open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "client", "events", "--follow", "--format", form],
            env={**os.environ, "CAUSALKV_URLS": cluster.urls},
            stdout=stdout,
            stderr=stderr,
        )
        try:
            yield
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT_SECONDS) == 0
        finally:
            process.kill()
            process.wait()


def all_tell_of(key: str, output: Path, nodes: Sequence[NodeUnderTest]) -> None:
    """Wait until what is followed shows that a write of this key took effect at all of these nodes."""

    def is_there() -> bool:
        told = [json.loads(line) for line in output.read_text().splitlines(keepends=True) if line.endswith("\n")]
        there = {each["node"] for each in told if key in each.get("keys", ()) and each["kind"] in TOOK_EFFECT}
        return there >= {node.name for node in nodes}

    wait_until(is_there, f"all tell of {key}", TIMEOUT_SECONDS, output.read_text)


def is_missed(url: str, output: Path) -> bool:
    """Whether an export says that it goes on without a node.

    On a busy machine it may be late with an answer before it is killed: that is told, too, and that it is over.
    """
    messages = messages_of(output).read_text()
    silent, over = f"without a node that does not answer: {url}", f"{url} answers again"
    return messages.count(silent) - messages.count(over) == 1


def test_an_export_goes_on_through_a_restart_and_without_a_node_that_does_not_answer(
    cluster: ClusterUnderTest, run: Run, tmp_path: Path
) -> None:
    """Followed all the time it has both runs of the node that was started anew; afterwards, what is left of it."""
    node1, node2, node3 = cluster
    as_json, as_log = tmp_path / "events.jsonl", tmp_path / "events.log"
    with following(cluster, "json", as_json), following(cluster, "shiviz", as_log):
        seen = hold_writes(cluster)
        all_tell_of("after", as_json, [node1, node2, node3])
        wait_until(lambda: as_log.read_text().count('"after"') >= 6, "so does the log", TIMEOUT_SECONDS)
        node2.kill()
        node2.start()
        node2.wait_ready()
        cluster.wait_connected()
        seen = token(node2.put("second life", 1, seen))
        all_tell_of("second life", as_json, [node1, node2, node3])
        node3.kill()
        seen = token(node1.put("without node3", 1, seen))
        all_tell_of("without node3", as_json, [node1, node2])
        wait_until(lambda: as_log.read_text().count('"without node3"') >= 4, "so does the log", TIMEOUT_SECONDS)
        wait_until(
            lambda: is_missed(node3.url, as_log),
            "it says that node3 is away",
            TIMEOUT_SECONDS,
            messages_of(as_log).read_text,
        )

    followed = log_of(as_log.read_text())
    messages = messages_of(as_log).read_text()
    assert "node2 was started anew" in messages
    assert is_missed(node3.url, as_log)
    assert "to go on from here: --since node1=" in messages
    events = [json.loads(line) for line in as_json.read_text().splitlines()]
    ordered, not_shown = agrees_with_the_writes(followed, events)
    assert ordered > 50
    assert not_shown == 0

    outcome = run("events", "--format", "shiviz")
    left = log_of(outcome.stdout)
    assert {entry.host for entry in left} == {"node1", "node2"}
    assert outcome.stderr.count("without a node that does not answer") == 1
    assert not any('"effect0"' in entry.event for entry in left if entry.host == "node2")
    assert any('"effect0"' in entry.event for entry in left if entry.host == "node1")
    ordered, not_shown = agrees_with_the_writes(left, events)
    assert ordered > not_shown > 0


def test_positions_lead_from_one_export_to_the_next(cluster: ClusterUnderTest, run: Run) -> None:
    """Nothing twice, nothing missed; a node that was started anew says that something may be."""
    node1, node2, _ = cluster
    token(node1.put("first", 1))
    cluster.quiesce()
    first = run("events", "--json")
    since = first.stderr.strip().rpartition(" ")[2]
    token(node2.put("second", 1))
    cluster.quiesce()
    second = json_events(run, "--since", since)
    assert {key for event in second for key in event["keys"]} == {"second"}
    assert len(second) == 6
    node2.kill()
    node2.start()
    node2.wait_ready()
    third = run("events", "--json", "--since", since)
    assert "node2 was started anew" in third.stderr
    assert json_events(run, "--node", "node1", "--since", since.split(",")[0].partition("=")[2])


def test_pages_of_a_real_node_are_typed(cluster: ClusterUnderTest, open_client: OpenClient) -> None:
    """In both clients; every page leads to the next."""
    for number in range(10):
        token(cluster["node1"].put(f"k{number}", number))
    cluster.quiesce()
    events: list[NodeEvent] = []
    with open_client(cluster.urls.split(",")) as client:
        since = None
        while True:
            page = client.events("node2", since=since, limit=7)
            events += page.events
            since = page.next
            if not page.more:
                break
        assert [reply.answer and reply.answer.node for reply in client.events_of_all()] == ["node1", "node2", "node3"]
    assert [event.number for event in events] == list(range(1, 21))
    assert [event.kind for event in events[:2]] == ["delivered", "applied"]
    assert [event.keys for event in events[::2]] == [[f"k{number}"] for number in range(10)]
    clocks = TraceClocks()
    assert [clocks.clock(event)["node2"] for event in events] == list(range(1, 21))
