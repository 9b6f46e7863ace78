"""Acknowledgement levels: what is asked for, how long is waited, and what is told."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from client import Client, InvalidRequestError, OutcomeUnknownError
from client.failover import Budget
from client.requests import delete, put
from tests.unit.client.scripted_node import LOST, STALLED, Scripted, ScriptedNode, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from client import AckLevel, WriteOptions
    from tests.unit.client.conftest import Outcome

    Run = Callable[..., Outcome]

LEVELS: list[AckLevel] = ["local", "broker", "all"]


def acked(level: str) -> Scripted:
    """The answer to a write with a level."""
    return answer({"message": "done", "vc": [1, 0, 0], "acked": level}, context="node1~abcd=1")


def test_the_level_and_its_time_are_asked_of_the_node(nodes: list[ScriptedNode]) -> None:
    """The time always goes along, so that both sides agree on it."""
    for path in ("/put", "/delete"):
        nodes[0].script(path, acked("all"))
    with Client([nodes[0].url]) as client:
        session = client.session()
        assert session.put("x", 1, ack="all", ack_timeout=7.5).acked == "all"
        assert session.delete("x", ack="broker").has_reached("broker")
    assert nodes[0].requests("/put")[0].content == {"key": "x", "value": 1, "ack": "all", "ack_timeout": 7.5}
    assert nodes[0].requests("/delete")[0].content == {"key": "x", "ack": "broker", "ack_timeout": 5.0}


@pytest.mark.parametrize("reached", [None, *LEVELS])
def test_a_further_level_includes_the_nearer_ones(nodes: list[ScriptedNode], reached: AckLevel | None) -> None:
    """A write that is everywhere is also at the broker; of one without a level nothing is known."""
    content: dict[str, Any] = {"message": "done", "vc": [1]} | ({} if reached is None else {"acked": reached})
    nodes[0].script("/put", answer(content, context="node1~abcd=1"))
    with Client([nodes[0].url]) as client:
        written = client.session().put("x", 1)
    known = [] if reached is None else LEVELS[: LEVELS.index(reached) + 1]
    assert [level for level in LEVELS if written.has_reached(level)] == known


@pytest.mark.parametrize("make", [lambda how: put("x", 1, how=how), lambda how: delete("x", how=how)])
@pytest.mark.parametrize(("level", "more_seconds"), [("local", 0.0), ("broker", 30.0), ("all", 30.0)])
def test_an_answer_is_awaited_for_longer_than_the_node_may_take(
    make: Callable[[WriteOptions], Any], level: AckLevel, more_seconds: float
) -> None:
    """The wait for a level comes on top of the time of the call: nothing is given up while the node still waits."""
    budget = Budget(2.0)
    plain = budget.times(1, make({}))
    waiting = budget.times(1, make({"ack": level, "ack_timeout": 30.0}))
    assert waiting.timeout_seconds - plain.timeout_seconds == pytest.approx(more_seconds, abs=0.5)
    assert waiting.wait_seconds == pytest.approx(plain.wait_seconds, abs=0.5)


@pytest.mark.parametrize("failure", [LOST, STALLED], ids=["lost", "stalled"])
def test_a_write_with_a_level_that_is_not_answered_has_an_end(nodes: list[ScriptedNode], failure: Scripted) -> None:
    """It may be done: waiting for a level changes nothing of that, and all attempts are the same write."""
    for node in nodes:
        node.script("/put", failure)
    began = time.monotonic()
    with (
        Client([node.url for node in nodes], timeout_seconds=0.4) as client,
        pytest.raises(OutcomeUnknownError, match="the write may or may not have been applied"),
    ):
        client.session().put("x", 1, ack="all", ack_timeout=0.3)
    assert time.monotonic() - began < 5.0
    assert len({seen.body["request_id"] for node in nodes for seen in node.requests("/put")}) == 1


@pytest.mark.parametrize(
    ("level", "timeout_seconds", "why"),
    [
        (None, 5.0, "ack_timeout without ack"),
        ("all", -1.0, "use 0 to 60 seconds"),
        ("all", 60.5, "use 0 to 60 seconds"),
        ("all", float("nan"), "use 0 to 60 seconds"),
    ],
)
def test_a_time_that_no_node_waits_is_refused_before_anything_is_sent(
    nodes: list[ScriptedNode], level: AckLevel | None, timeout_seconds: float, why: str
) -> None:
    """The caller learns it at once, and nothing is written."""
    with Client([nodes[0].url]) as client, pytest.raises(InvalidRequestError, match=why):
        client.session().put("x", 1, ack=level, ack_timeout=timeout_seconds)
    assert not nodes[0].seen


def test_the_command_line_says_which_level_was_reached(nodes: list[ScriptedNode], run: Run) -> None:
    """On the line of the result, and in the JSON."""
    nodes[0].script("/put", acked("all"))
    nodes[0].script("/delete", acked("broker"))
    url = nodes[0].url
    assert run([url], "put", "x", "5", "--ack", "all", "--ack-timeout", "9") == (
        0,
        'x = "5"   vc [1, 0, 0]   done   acked all\n',
        "",
    )
    assert nodes[0].requests("/put")[0].content == {"key": "x", "value": "5", "ack": "all", "ack_timeout": 9.0}
    assert run([url], "delete", "x", "--ack", "broker").stdout == "x deleted   vc [1, 0, 0]   done   acked broker\n"
    assert json.loads(run([url], "put", "x", "5", "--ack", "local", "--json").stdout)["acked"] == "all"


@pytest.mark.parametrize("command", [["put", "x", "5"], ["delete", "x"]])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_level_that_is_not_reached_is_a_message_and_no_failure(
    nodes: list[ScriptedNode], run: Run, command: list[str], options: list[str]
) -> None:
    """The write is done: a script that took it for failed would write twice."""
    for path in ("/put", "/delete"):
        nodes[0].script(path, acked("broker"))
    outcome = run([nodes[0].url], *command, "--ack", "all", *options)
    assert outcome.exit_code == 0
    assert "broker" in outcome.stdout
    assert "the write is done, but was acknowledged as broker and not as all" in outcome.stderr


@pytest.mark.parametrize(
    "options",
    [["--ack", "everybody"], ["--ack-timeout", "5"], ["--ack", "all", "--ack-timeout", "61"],
     ["--ack", "all", "--ack-timeout", "-1"], ["--ack", "all", "--ack-timeout", "nan"]],
)  # fmt: skip
def test_a_level_that_does_not_exist_exits_with_2_and_sends_nothing(
    nodes: list[ScriptedNode], run: Run, options: list[str]
) -> None:
    """The message is on stderr."""
    outcome = run([nodes[0].url], "put", "x", "5", *options)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.strip()
    assert not nodes[0].seen
