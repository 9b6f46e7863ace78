"""``client check``: how it ends where it cannot begin, and how findings read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from client.check import report
from client.check.findings import Findings, message_of, story_of
from client.check.load import Load, LoadPlan
from client.client import Client
from client.consistency.checker import judge
from client.consistency.history import FinalRead, History, Kind, Operation
from client.consistency.violations import ViolationKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.client.conftest import Outcome
    from tests.unit.client.scripted_node import ScriptedNode

    Run = Callable[..., Outcome]

KEY = "check-12ab34cd/0"
WRITTEN = Operation("s1.0", 1, "node1", Kind.PUT, KEY, 0.1, 0.2, value="s1.0-1")
LATER = Operation("s1.0", 2, "node2", Kind.PUT, KEY, 0.3, 0.4, value="s1.0-2")
BESIDE = Operation("s2.0", 1, "node1", Kind.PUT, KEY, 0.3, 0.4, value="s2.0-1")
READ_BOTH = Operation("s3.0", 1, "node1", Kind.GET, KEY, 0.5, 0.6, values=("s2.0-1", "s1.0-2"), lists_siblings=True)
STALE = Operation("s1.0", 3, "node3", Kind.GET, KEY, 0.5, 0.6, values=("s1.0-1",))


def history_of(*operations: Operation) -> History:
    """A history without an end."""
    history = History()
    for operation in operations:
        history.record(operation)
    return history


def test_without_any_node_the_cluster_could_not(run: Run, dead_url: str) -> None:
    """Exit code 3, and the reason."""
    outcome = run([dead_url], "check", "--seconds", "1")
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert dead_url in outcome.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seconds", "0"],
        ["--sessions", "65"],
        ["--keys", "0"],
        ["--seed", "-1"],
        ["--node", "node1"],
        ["--session", "mine"],
        ["more"],
    ],
)
def test_a_wrong_command_line_exits_with_2_and_sends_nothing(
    nodes: list[ScriptedNode], run: Run, arguments: list[str]
) -> None:
    """Before any node is asked for anything."""
    outcome = run([nodes[0].url], "check", *arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.strip()
    assert not nodes[0].seen


def test_it_is_counted_what_was_compared() -> None:
    """Each read with each write of its key that happened before it; a write that was shown beside another, once."""
    history = history_of(WRITTEN, LATER, BESIDE, READ_BOTH)
    history.record_final(FinalRead("node1", KEY, ("s2.0-1", "s1.0-2")))
    verdict = judge(history)
    assert (verdict.violations, verdict.pairs_checked, verdict.concurrent_writes) == ([], 3, 2)


def test_a_violation_reads_as_a_story_of_numbered_operations() -> None:
    """In the order of their times, with keys as the check calls them."""
    (violation,) = judge(history_of(WRITTEN, LATER, STALE)).violations
    assert violation.kind is ViolationKind.READ_YOUR_WRITES
    assert message_of(violation) == "(1) showed (3), which (2) had overwritten"
    assert story_of(violation) == [
        ("(3)", "0.100 to 0.200 s", "s1.0", "node1", "put 0 = s1.0-1"),
        ("(2)", "0.300 to 0.400 s", "s1.0", "node2", "put 0 = s1.0-2"),
        ("(1)", "0.500 to 0.600 s", "s1.0", "node3", "get 0 -> s1.0-1"),
    ]


def test_every_kind_of_violation_has_a_meaning_for_people() -> None:
    """A kind that is added needs its sentence."""
    assert report.MEANINGS.keys() == set(ViolationKind)


def test_a_run_that_could_not_be_judged_to_its_end_is_undecided() -> None:
    """But what was found until then counts."""
    findings = Findings("check-12ab34cd/", 1, counts={"answered": 5}, unsettled="node2 did not come to rest")
    assert findings.as_json()["verdict"] == "undecided"
    assert "that the nodes agree in the end: node2 did not come to rest" in findings.not_proved
    findings.verdict = judge(history_of(WRITTEN, LATER, STALE))
    assert findings.as_json()["verdict"] == "violated"


def test_a_run_in_which_nothing_was_answered_is_undecided() -> None:
    """Nothing wrong in nothing is no proof of anything."""
    assert Findings("check-12ab34cd/", 1, counts={"answered": 0}).is_undecided


def test_a_load_keeps_no_more_operations_than_its_limit(dead_url: str) -> None:
    """Each session may be in the middle of one; then it ends by itself."""
    load = Load(Client([dead_url]), ["node1"], LoadPlan([KEY], sessions=3, seed=1, operations_max=5))
    for operation in (WRITTEN, LATER, BESIDE, READ_BOTH):
        load.history.record(operation)
    assert not load.is_full
    load.history.record(STALE)
    assert load.is_full
    load.start()
    load.stop()
    assert len(load.history.operations) == 5
    assert load.failure is None
