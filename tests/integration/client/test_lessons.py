"""The scenarios of ``client demo`` at real nodes over a real RabbitMQ, told by what they print."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from client import Client
from client.lessons.catalogue import LESSONS, SUMMARIES
from client.lessons.moments import Clocks, Stored
from client.lessons.stage import Stage
from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.founding_transcript import founding_transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.client.conftest import Outcome
    from tests.support.broker import PrivateBroker

    Run = Callable[..., Outcome]

pytestmark = pytest.mark.broker

QUIET_FAULTS = {"delay": {}, "drop": {}, "duplicate": {}, "cut": False, "wall_offset": 0.0, "delayed": 0}
EQUAL = "(all equal)"


@pytest.fixture
def cluster(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> Iterator[ClusterUnderTest]:
    """A fresh cluster of three nodes that allow faults."""
    with ClusterUnderTest(tmp_path / "nodes", broker.url, cluster=cluster_name, CAUSALKV_FAULTS="1") as started:
        yield started


def play(run: Run, name: str) -> str:
    """What a scenario prints; with the suffix of its keys replaced by N and replica ids without incarnation."""
    outcome = run("demo", "--scenario", name)
    assert (outcome.exit_code, outcome.stderr) == (0, ""), outcome
    suffixes = set(re.findall(r"[a-z]+-([0-9a-f]{6})\b", outcome.stdout))
    assert len(suffixes) == 1, suffixes
    return re.sub(r"~[a-z0-9]+", "~i", outcome.stdout.replace(suffixes.pop(), "N"))


def in_order(text: str, *parts: str) -> None:
    """These stand in the text, one after the other."""
    position = 0
    for part in parts:
        found = text.find(part, position)
        assert found >= 0, f"not there, or not in this order: {part!r}\n{text}"
        position = found + len(part)


def ends_quiet(cluster: ClusterUnderTest) -> None:
    """No fault is left, and all nodes have the same."""
    for node in cluster:
        shown = node.http.get("/faults").json()
        assert {name: shown[name] for name in QUIET_FAULTS} == QUIET_FAULTS
    cluster.quiesce()


def test_held_shows_what_the_causal_buffer_waits_for_and_then_both_in_order(
    run: Run, cluster: ClusterUnderTest
) -> None:
    """On a fresh cluster and on a used one."""
    for number in (1, 2):
        before = number - 1
        in_order(
            play(run, "held"),
            f'node1 stores question-N = "shall we meet?"   vc [{number}, {before}, 0]',
            f'node2 shows question-N = "shall we meet?"   vc [{number}, {before}, 0]',
            f'node2 stores answer-N = "yes, at noon"   vc [{number}, {number}, 0]',
            f"node3 holds node2~i:{number} (writes answer-N): waits for node1~i:{number}\n",
            "node3 shows nothing for question-N\n  node3 shows nothing for answer-N\n",
            f"node1           {number}       {number}       0\n",
            f"node3           {before}*      {before}*      0\n",
            "is missing: the question.",
            "its causal buffer holds nothing of this lesson any more",
            f'node3 shows question-N = "shall we meet?"   vc [{number}, {before}, 0]',
            f'node3 shows answer-N = "yes, at noon"   vc [{number}, {number}, 0]',
            EQUAL,
        )
        ends_quiet(cluster)


def test_the_clocks_of_held_show_one_node_behind_though_another_hears_late(cluster: ClusterUnderTest) -> None:
    """Node1 gets the answer late, too, and nobody has told why: the lesson waits for it."""
    with (
        Client(cluster.urls.split(",")) as client,
        Stage(client, least_nodes=3, warn=lambda _text: None) as stage,
        closing(LESSONS["held"].moments(stage)) as moments,
    ):
        next(moment for moment in moments if isinstance(moment, Stored))
        cluster["node1"].http.post("/faults", json={"delay": {"node2": 1.0}}).raise_for_status()
        clocks = next(moment for moment in moments if isinstance(moment, Clocks)).clocks
    assert clocks["node1"] == clocks["node2"] != clocks["node3"]
    cluster["node1"].http.post("/faults", json={"clear": True}).raise_for_status()
    ends_quiet(cluster)


def test_conflict_shows_the_same_winner_on_all_nodes_and_a_write_that_settles_it(
    run: Run, cluster: ClusterUnderTest
) -> None:
    """Siblings, their clocks, and one version in the end."""
    cluster["node3"].put("used", "before").raise_for_status()
    for red, blue, last in [([1, 0, 1], [0, 1, 1], [2, 1, 1]), ([3, 1, 1], [2, 2, 1], [4, 2, 1])]:
        text = play(run, "conflict")
        both = re.findall(r"  (node\d) has 2 versions of color-N\n    shown  (.*)\n           (.*)\n", text)
        assert [node for node, *_ in both] == ["node1", "node2", "node3", "node1"]
        assert len({(shown, other) for _, shown, other in both}) == 1
        assert {f'"red"   vc {red}   written at node1', f'"blue"   vc {blue}   written at node2'} == set(both[0][1:])
        in_order(
            text,
            f'node1 stores color-N = "red"   vc {red}',
            f'node2 stores color-N = "blue"   vc {blue}',
            f'node1 shows color-N = "red"   vc {red}',
            f'node2 shows color-N = "blue"   vc {blue}',
            f"Why: {red} and {blue}:",
            EQUAL,
            f'node1 stores color-N = "purple"   vc {last}',
            *(f'{node.name} has 1 version of color-N\n    shown  "purple"   vc {last}' for node in cluster),
            EQUAL,
        )
        ends_quiet(cluster)


def test_partition_shows_both_sides_at_work_and_equal_in_the_end(run: Run, cluster: ClusterUnderTest) -> None:
    """On a fresh cluster and on a used one."""
    for number in (1, 2):
        before = number - 1
        in_order(
            play(run, "partition"),
            "node3: broker: disconnected",
            f'node3 stores inside-N = "written while cut off"   vc [{before}, 0, {number}]',
            "node3 shows inside-N",
            "node3: outbox 1",
            f'node1 stores outside-N = "written meanwhile"   vc [{number}, 0, {before}]',
            "node2 shows outside-N",
            "node1 shows nothing for inside-N\n  node3 shows nothing for outside-N\n",
            f"node2           {number}       0       {before}*\n  node3           {before}*      0       {number}\n",
            "node3: broker: connected",
            *(f"{node.name} shows {key}-N" for node in cluster for key in ("inside", "outside")),
            EQUAL,
        )
        ends_quiet(cluster)


def test_session_shows_the_older_state_without_the_token_and_a_wait_with_it(
    run: Run, cluster: ClusterUnderTest
) -> None:
    """On a fresh cluster and on a used one."""
    for first, second in (([1, 0, 0], [2, 0, 0]), ([3, 0, 0], [4, 0, 0])):
        in_order(
            play(run, "session"),
            f"node1 stores balance-N = 100   vc {first}",
            f"node1 stores balance-N = 250   vc {second}",
            f"node2 shows balance-N = 250   vc {second}",
            f"X-Causal-Context: node1~i={second[0]}",
            f"node3 shows balance-N = 100   vc {first}",
            f"node3: lets the read wait (1 waiting): it lacks node1~i:{second[0]}\n",
            "node3: the fault is over",
            f"node3 shows balance-N = 250   vc {second}",
            EQUAL,
        )
        ends_quiet(cluster)


def test_the_founding_scenario_is_the_default_and_has_a_name(run: Run) -> None:
    """Character for character."""
    assert run("demo") == (0, founding_transcript(1), "")
    assert run("demo", "--scenario", "founding") == (0, founding_transcript(2), "")


def test_the_scenarios_are_listed_and_an_unknown_one_is_refused(run: Run) -> None:
    """With what each shows; nothing is played."""
    listed = run("demo", "--list")
    assert listed.exit_code == 0
    for name, summary in SUMMARIES.items():
        assert re.search(rf"^ *{name} +{re.escape(summary)} *$", listed.stdout, re.MULTILINE)
    refused = run("demo", "--scenario", "nonsense")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "founding, held, conflict, partition, session" in refused.stderr


def test_faults_of_an_earlier_run_are_ended_before_a_lesson_begins(run: Run, cluster: ClusterUnderTest) -> None:
    """As a run leaves them that was killed."""
    inject(cluster, "node2", delay={"node1": 600.0}, cut=True)
    outcome = run("demo", "--scenario", "held")
    assert outcome.exit_code == 0
    assert "node2 still had faults in force" in outcome.stderr
    ends_quiet(cluster)


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "held"), (signal.SIGTERM, "session")])
def test_a_lesson_that_is_interrupted_ends_its_faults(
    cluster: ClusterUnderTest, number: signal.Signals, name: str
) -> None:
    """Here while it waits for somebody to read what it prints, with a fault in force."""
    reading, writing = os.pipe()
    size = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"-" * (size - 400))
    with os.fdopen(reading, "rb") as printed:
        lesson = subprocess.Popen(
            [sys.executable, "-m", "client", "demo", "--scenario", name],
            env={**os.environ, "CAUSALKV_URLS": cluster.urls},
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(writing)
        wait_until(lambda: bool(delays(cluster)), "the lesson has begun", 30)
        lesson.send_signal(number)
        wait_until(lambda: not delays(cluster), "the fault is over", 30)
        printed.read()
        _, said = lesson.communicate(timeout=30)
    assert lesson.returncode == 130
    assert "interrupted" in said
    ends_quiet(cluster)


def delays(cluster: ClusterUnderTest) -> dict[str, float]:
    """What is delayed at node3."""
    found: dict[str, float] = cluster["node3"].http.get("/faults").json()["delay"]
    return found


def test_a_lesson_says_what_to_set_when_faults_are_off(
    tmp_path: Path, broker: PrivateBroker, cluster_name: str
) -> None:
    """It writes nothing, and fails as what the cluster cannot do; the founding scenario needs none."""
    with ClusterUnderTest(tmp_path, broker.url, cluster=cluster_name) as cluster:
        environment = {**os.environ, "CAUSALKV_URLS": cluster.urls}
        for name in SUMMARIES:
            command = [sys.executable, "-m", "client", "demo", "--scenario", name]
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
            if name == "founding":
                assert (ended.returncode, ended.stdout) == (0, founding_transcript(1))
            else:
                assert (ended.returncode, ended.stdout) == (3, "")
                assert "set CAUSALKV_FAULTS=1 for every node" in ended.stderr
        cluster.quiesce()
        assert cluster["node1"].status()["vc"] == [1, 1, 1]


@pytest.mark.parametrize(("name", "nodes"), [("conflict", 2), ("partition", 2), ("held", 3), ("session", 3)])
def test_a_lesson_plays_with_as_few_nodes_as_it_needs(
    tmp_path: Path, broker: PrivateBroker, cluster_name: str, name: str, nodes: int
) -> None:
    """Two nodes are enough for some; others say how many they need."""
    environment = {"CAUSALKV_FAULTS": "1"}
    with ClusterUnderTest(tmp_path, broker.url, cluster=cluster_name, size=2, **environment) as cluster:
        command = [sys.executable, "-m", "client", "demo", "--scenario", name]
        ended = subprocess.run(
            command,
            env={**os.environ, "CAUSALKV_URLS": cluster.urls},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if nodes == 2:
            assert (ended.returncode, ended.stderr) == (0, "")
            assert EQUAL in ended.stdout
        else:
            assert (ended.returncode, ended.stdout) == (3, "")
            assert "needs 3 nodes, and finds node1, node2" in ended.stderr
        ends_quiet(cluster)


def inject(cluster: ClusterUnderTest, node: str, **faults: Any) -> None:
    """Put faults in force."""
    cluster[node].http.post("/faults", content=json.dumps(faults), headers={"Content-Type": "application/json"})
