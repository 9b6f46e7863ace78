"""Members: who is asked, what is shown, and how one is taken out."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from client import Client, ClusterError, InvalidRequestError, NoNodeCouldError, OutcomeUnknownError, UnknownNodeError
from tests.unit.client.scripted_node import GARBAGE, LOST, STALLED, Scripted, ScriptedNode, answer, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.client.conftest import Outcome

    Run = Callable[..., Outcome]


def member(node: str, **more: Any) -> dict[str, Any]:
    """A member as nodes tell of it, alive and up to date but for ``more``."""
    return {
        "node": node, "replica": f"{node}~abcd", "alive": True, "away": False, "silent_seconds": 0.25,
        "lag_writes": 0, "holds_back_writes": 0, "clock_ahead_seconds": 0.012, "url": f"http://{node}:8000",
        "later": "keys may be added", **more,
    }  # fmt: skip


DEAD: dict[str, Any] = {"alive": False, "silent_seconds": 600.0, "lag_writes": 7, "holds_back_writes": 7}
NEVER_HEARD: dict[str, Any] = {**DEAD, "replica": None, "clock_ahead_seconds": None, "url": None}
MEMBERS = [member("node1"), member("node10", **DEAD), member("node2", **NEVER_HEARD)]
REMOVED = answer({"removed": "node2", "members": [member("node1"), member("node3")]})


def test_members_are_told_by_any_node_that_answers(nodes: list[ScriptedNode], dead_url: str) -> None:
    """Every node knows all of them, and the answer says which one was asked."""
    nodes[1].script("/members", answer({"members": MEMBERS}))
    with Client([dead_url, nodes[1].url]) as client:
        told = client.members()
        named = client.members("node2")
    assert told.reached_at == named.reached_at == nodes[1].url
    assert [(each.node, each.alive, each.lag_writes) for each in told.members] == [
        ("node1", True, 0), ("node10", False, 7), ("node2", False, 7),
    ]  # fmt: skip
    assert told.answer["members"][0]["later"] == "keys may be added"


def test_members_are_a_table_in_natural_order(nodes: list[ScriptedNode], run: Run) -> None:
    """What is not known is a question mark, and who holds back history is named with the way out."""
    nodes[0].script("/members", answer({"members": MEMBERS}))
    outcome = run([nodes[0].url], "members", "--node", "node1")
    rows = [[cell for cell in line.split("  ") if cell] for line in outcome.stdout.splitlines()]
    assert [[cell.strip() for cell in row] for row in rows if row and row[0].strip().startswith("node")][:4] == [
        ["node", "alive", "lag (writes)", "silent", "holds back history (writes)", "clock ahead", "url"],
        ["node1", "yes", "0", "0.2 s", "0", "+0.012 s", "http://node1:8000"],
        ["node2", "no", "7", "10 min", "7", "?", "?"],
        ["node10", "no", "7", "10 min", "7", "+0.012 s", "http://node10:8000"],
    ]
    assert f"as the node at {nodes[0].url} knows them" in outcome.stdout
    assert "python -m client remove node10" in outcome.stdout
    assert outcome.exit_code == 0


def test_members_as_json_are_the_nodes_own_answer_and_where_it_came_from(nodes: list[ScriptedNode], run: Run) -> None:
    """Programs get every key, also later ones."""
    nodes[0].script("/members", answer({"members": MEMBERS, "later": 1}))
    content = json.loads(run([nodes[0].url], "members", "--json").stdout)
    assert content == {"reached_at": nodes[0].url, "members": MEMBERS, "later": 1}


def test_a_member_is_taken_out_by_another_one(nodes: list[ScriptedNode], run: Run) -> None:
    """No node removes itself, so the one that goes is not asked, wherever it stands in the list of addresses."""
    for node in nodes:
        node.script("/members/remove", REMOVED)
    outcome = run([nodes[1].url, nodes[0].url], "remove", "node2")
    told = "node2 is out: its queue is deleted, its writes stay; the members now are node1, node3\n"
    assert outcome == (0, told, "")
    assert not nodes[1].requests("/members/remove")
    assert nodes[0].requests("/members/remove")[0].body == {"node": "node2", "force": False}


def test_a_forced_removal_reminds_of_the_process(nodes: list[ScriptedNode], run: Run) -> None:
    """Removing a node does not stop it."""
    nodes[0].script("/members/remove", REMOVED)
    outcome = run([nodes[0].url], "remove", "node2", "--force", "--yes", "--json")
    assert (outcome.exit_code, json.loads(outcome.stdout)["removed"]) == (0, "node2")
    assert "if the process of node2 still runs, stop it" in outcome.stderr
    assert nodes[0].requests("/members/remove")[0].body == {"node": "node2", "force": True}


def test_a_removal_that_a_node_refuses_exits_with_2_and_is_asked_of_no_other(
    nodes: list[ScriptedNode], run: Run
) -> None:
    """The node's own sentence says why and what helps."""
    refusal = answer({"error": "node9 is alive: stop it first, or force the removal"}, status_code=400)
    for node in nodes:
        node.script("/members/remove", refusal)
    outcome = run([node.url for node in nodes], "remove", "node9")
    assert outcome == (2, "", "causalkv: node9 is alive: stop it first, or force the removal\n")
    assert sum(len(node.requests("/members/remove")) for node in nodes) == 1


def test_a_named_node_is_asked_even_about_itself(nodes: list[ScriptedNode]) -> None:
    """Who names a node wants that one, and its refusal."""
    nodes[1].script("/members/remove", answer({"error": "node2 cannot remove itself"}, status_code=400))
    with Client([node.url for node in nodes]) as client, pytest.raises(InvalidRequestError, match="itself"):
        client.remove_member("node2", ask="node2")
    with Client([node.url for node in nodes]) as client, pytest.raises(UnknownNodeError):
        client.remove_member("node2", ask="node7")


@pytest.mark.parametrize(
    "failure",
    [LOST, STALLED, GARBAGE, Scripted(500, b'{"error": "internal"}'),
     answer({"error": "did not commit in time"}, status_code=503)],
    ids=["lost", "stalled", "garbage", "500", "503 without retry"],
)  # fmt: skip
def test_a_removal_whose_outcome_is_unknown_is_not_repeated(nodes: list[ScriptedNode], failure: Scripted) -> None:
    """A second attempt would be told that there is no such member, which looks like a mistake of the caller."""
    for node in nodes:
        node.script("/members/remove", failure)
    with (
        Client([node.url for node in nodes], timeout_seconds=4.0) as client,
        pytest.raises(OutcomeUnknownError, match="the removal may or may not have been applied"),
    ):
        client.remove_member("node9")
    assert sum(len(node.requests("/members/remove")) for node in nodes) == 1


def test_a_removal_that_certainly_was_not_done_goes_to_the_next_node(nodes: list[ScriptedNode]) -> None:
    """A node that cannot now has changed nothing."""
    nodes[0].script("/members/remove", unavailable())
    nodes[2].script("/members/remove", REMOVED)
    with Client([node.url for node in nodes]) as client:
        assert client.remove_member("node2").removed == "node2"


def test_a_removal_that_nobody_else_can_do_is_the_clusters_failure(nodes: list[ScriptedNode], dead_url: str) -> None:
    """Only the one that goes answers, or nobody."""
    with Client([nodes[1].url, dead_url]) as client, pytest.raises(ClusterError, match=r"only node2 itself.*refused"):
        client.remove_member("node2")
    with Client([dead_url]) as client, pytest.raises(NoNodeCouldError, match="refused"):
        client.remove_member("node2")
    assert not nodes[1].requests("/members/remove")


@pytest.mark.parametrize(
    ("typed", "exit_code", "requests"), [("y\n", 0, 1), ("n\n", 130, 0), ("\n", 130, 0), ("\x04", 130, 0)]
)
def test_on_a_terminal_a_removal_is_done_only_after_a_yes(
    nodes: list[ScriptedNode], tmp_path: Path, typed: str, exit_code: int, requests: int
) -> None:
    """It is for good: an answer that is no yes, and the end of the input, change nothing."""
    nodes[0].script("/members/remove", REMOVED)
    terminal, of_the_process = pty.openpty()
    with closing(os.fdopen(terminal, "wb", buffering=0)) as keyboard:
        process = subprocess.Popen(
            [sys.executable, "-m", "client", "remove", "node2"],
            env={**os.environ, "CAUSALKV_URLS": nodes[0].url, "CAUSALKV_STATE_DIR": str(tmp_path)},
            stdin=of_the_process,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(of_the_process)
        keyboard.write(typed.encode())
        stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, len(nodes[0].requests("/members/remove"))) == (exit_code, requests)
    assert "Take node2 out of the cluster for good" in stderr
    assert ("nothing was changed" in stderr) == (requests == 0)
    assert bool(stdout) == (requests == 1)


def test_status_shows_how_each_node_sees_the_others(nodes: list[ScriptedNode], run: Run) -> None:
    """A line for each node that answers; a member that only some know is no member for the rest."""
    nodes[0].script("/status", nodes[0].status({}, members=[member("node1"), member("node2", lag_writes=1)]))
    away = {**DEAD, "away": True, "silent_seconds": 90_000.0}
    nodes[1].script(
        "/status",
        nodes[1].status(
            {}, members=[member("node1"), member("node2"), member("node10", **DEAD), member("node11", **away)]
        ),
    )
    lines = run([nodes[0].url, nodes[1].url], "status").stdout.splitlines()
    start = next(index for index, line in enumerate(lines) if "members, seen by" in line)
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[start:] if "node" in line]
    assert rows == [
        ["members, seen by", "node1", "node2", "node10", "node11"],
        ["node1", "itself", "alive, lacks 1 write", "no member", "no member"],
        ["node2", "alive", "itself", "silent 10 min, lacks 7 writes", "away 25 h, lacks 7 writes"],
    ]


def test_status_says_what_is_being_healed(nodes: list[ScriptedNode], run: Run) -> None:
    """Missing writes and whose, a snapshot and how far it is, and the last repair with who served it."""
    healing = {
        "asking_for": {"node2~abcd": 2, "node3~abcd": 0},
        "catching_up_writes": 12,
        "name_is_safe": True,
        "repairs": [
            {"missing": "node2~abcd:1", "writes": 1, "from": "node2", "at": 1.0},
            {"missing": "node2~abcd:3-9", "writes": 5, "from": "node3", "at": 86_400.5},
        ],
        "snapshot": {"from": "node3", "parts": 4, "keys": 200, "state": "taking"},
    }
    nodes[0].script("/status", nodes[0].status({}, missing_writes=12, history_writes=3, healing=healing))
    refused = {"from": "node1", "state": "refused", "reason": "\x1b[2Ja checksum is wrong"}
    nodes[1].script("/status", nodes[1].status({}, ready=False, healing={"catching_up_writes": 1, "snapshot": refused}))
    adopted = {"from": "node1", "keys": 9, "state": "adopted"}
    nodes[2].script("/status", nodes[2].status({}, healing={"catching_up_writes": None, "snapshot": adopted}))
    lines = run([node.url for node in nodes], "status").stdout.splitlines()
    assert [line for line in lines if line.startswith("node") and "http" not in line] == [
        "node1 lacks 12 writes that others have; asked for those of (times): node2~abcd (2)",
        "node1 takes a snapshot from node3: 4 parts, 200 keys so far",
        "node1 last got missing writes at 1970-01-02T00:00:00Z: 5 writes, node2~abcd:3-9, from node3",
        "node2 is catching up: 1 write to go",
        "node2 refused a snapshot from node1: \\u001b[2Ja checksum is wrong",
    ]


def test_the_library_tells_what_a_node_repairs(nodes: list[ScriptedNode]) -> None:
    """Typed, and with defaults for a node that tells less."""
    repair = {"missing": "node2~abcd:1", "writes": 1, "from": "node3", "at": 1.5}
    nodes[0].script("/status", nodes[0].status({}, missing_writes=2, healing={"repairs": [repair]}))
    with Client([node.url for node in nodes]) as client:
        told, silent = client.status("node1"), client.status("node2")
    assert (told.missing_writes, told.healing.repairs[0].peer, told.healing.repairs[0].at) == (2, "node3", 1.5)
    assert (silent.members, silent.missing_writes, silent.healing.repairs) == ([], 0, [])
