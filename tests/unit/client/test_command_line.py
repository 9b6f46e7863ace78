"""The command line: what is printed where, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.client.scripted_node import (
    LOST,
    Scripted,
    ScriptedNode,
    answer,
    not_reached,
    stored,
    unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.client.conftest import Outcome

    Run = Callable[..., Outcome]

VALUE = {"key": "x", "value": "10", "vc": [1, 1, 0]}
SIBLINGS = [{"value": "10", "vc": [1, 1, 0], "node": "node2"}, {"value": "[red]7", "vc": [1, 0, 1], "node": "node3"}]
HELD: dict[str, Any] = {
    "dot": "node2~abcd:3", "vc": [2, 3, 0], "clock": {}, "since": "2026-01-01T00:00:00Z", "held_seconds": 1.2,
    "keys": ["x"], "missing": ["node1~abcd:2"], "waits_for": "node1~abcd:2",
}  # fmt: skip


def test_put_tells_what_was_stored_and_its_clock(nodes: list[ScriptedNode], run: Run) -> None:
    """A person reads one line on stdout."""
    nodes[0].script("/put", stored([1, 0, 0], "node1~abcd=1"))
    outcome = run([nodes[0].url], "put", "x", "5")
    assert outcome == (0, 'x = "5"   vc [1, 0, 0]   Value stored with causal consistency\n', "")
    assert nodes[0].requests("/put")[0].content == {"key": "x", "value": "5"}


def test_json_is_the_nodes_own_answer(nodes: list[ScriptedNode], run: Run) -> None:
    """Programs get every key, also later ones, and nothing else on stdout."""
    nodes[0].script("/put", stored([1, 0, 0], "node1~abcd=1"))
    nodes[0].script("/get", answer({**VALUE, "later": 1}, context="node1~abcd=1"))
    put = run([nodes[0].url], "put", "x", "5", "--json")
    assert json.loads(put.stdout) == {"message": "Value stored with causal consistency", "vc": [1, 0, 0]}
    assert json.loads(run([nodes[0].url], "--json", "get", "x").stdout) == {**VALUE, "later": 1}


@pytest.mark.parametrize(
    ("arguments", "stdin", "value"),
    [
        (["5"], None, "5"),
        (["5", "--type", "json"], None, 5),
        (["--type", "json", '{"a": [1, null]}'], None, {"a": [1, None]}),
        (["--", "-5"], None, "-5"),
        (["-"], "zwölf\nzeilen\n".encode(), "zwölf\nzeilen"),
        (["-", "--type", "json"], b"[1.5]\n", [1.5]),
        ([""], None, ""),
    ],
)
def test_a_value_is_a_string_unless_json_is_asked_for(
    nodes: list[ScriptedNode], run: Run, arguments: list[str], stdin: bytes | None, value: object
) -> None:
    """A dash reads standard input, without the line end that echo adds."""
    nodes[0].script("/put", stored([1, 0, 0], "node1~abcd=1"))
    assert run([nodes[0].url], "put", "x", *arguments, stdin=stdin).exit_code == 0
    assert nodes[0].requests("/put")[0].content == {"key": "x", "value": value}


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["put", "x", "{", "--type", "json"], None),
        (["put", "x", "NaN", "--type", "json"], None),
        (["put", "x", "[" * 5000, "--type", "json"], None),
        (["put", "x", "1", "--type", "yaml"], None),
        (["put", "x", "-"], b"\xff"),
        (["put", "x", "\udcff"], None),
        (["get", "\udcff"], None),
        (["put", "x"], None),
        (["get"], None),
        (["get", "x", "--colour"], None),
        (["get", "x", "--timeout", "0"], None),
        (["get", "x", "--timeout", "nan"], None),
        (["get", "x", "--timeout", "soon"], None),
        (["get", "x", "--session", "a", "--no-session"], None),
        (["--no-session", "get", "x", "--session", "a"], None),
        (["get", "x", "--session", "../a"], None),
        (["demo", "--node", "node1"], None),
        (["sing"], None),
        (["get", "x", "--node", "node9"], None),
        (["get", "x", "--node", ""], None),
        (["get", "x", "--session", ""], None),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_sends_nothing(
    nodes: list[ScriptedNode], run: Run, arguments: list[str], stdin: bytes | None
) -> None:
    """The message is on stderr and says what is wrong."""
    outcome = run([nodes[0].url], *arguments, stdin=stdin)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.strip()
    assert "Traceback" not in outcome.stderr
    assert not [seen for seen in nodes[0].seen if seen.path != "/status"]


@pytest.mark.parametrize(
    "urls",
    ["", " ", "127.0.0.1:8001", "ftp://127.0.0.1", "http://", "http://h:99999", "http://h:x", "http://me:pw@h:1",
     "http://127.0.0.1:8001,", "http://[::1", "http://h:0", "http://h/?a=b", "http://h ost:1"],
)  # fmt: skip
def test_malformed_addresses_exit_with_2_and_name_the_variable(run: Run, urls: str) -> None:
    """The one line names CAUSALKV_URLS and shows what is right, but no password."""
    outcome = run([urls], "get", "x", "--no-session")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("causalkv: CAUSALKV_URLS: ")
    assert "http://127.0.0.1:8001" in outcome.stderr
    assert "pw" not in outcome.stderr


def test_get_shows_the_value_and_its_clock(nodes: list[ScriptedNode], run: Run) -> None:
    """The JSON form tells a string from a number."""
    nodes[0].script("/get", answer(VALUE, context="node1~abcd=1"))
    assert run([nodes[0].url], "get", "x") == (0, 'x = "10"   vc [1, 1, 0]\n', "")
    assert nodes[0].requests("/get")[0].parameters == {"key": "x"}


def test_numbers_are_kept_word_for_word(nodes: list[ScriptedNode], run: Run) -> None:
    """As nodes keep them: no digit is lost on the way in or out, as table, line or JSON."""
    exact = '{"price":1.10,"n":12345678901234567890123,"tiny":0.10000000000000000000000001}'
    body = (
        f'{{"key": "x", "value": {exact}, "vc": [1], "siblings": [{{"value": {exact}, "vc": [1], "node": "node1"}}]}}'
    )
    nodes[0].script("/put", stored([1], "node1~abcd=1"))
    nodes[0].script("/get", Scripted(body=body.encode()))
    assert exact in run([nodes[0].url], "put", "x", exact.replace(",", ", \n"), "--type", "json").stdout
    assert "0.10000000000000000000000001" in nodes[0].requests("/put")[0].text
    for options in ([], ["--json"], ["--siblings"]):
        assert exact in run([nodes[0].url], "get", "x", *options).stdout


def test_text_is_shown_as_text_however_it_was_escaped(nodes: list[ScriptedNode], run: Run) -> None:
    """Nodes keep what a writer sent, and some writers escape every letter."""
    nodes[0].script("/get", Scripted(body=b'{"key": "x", "value": ["\\u00e4", "\\/"], "vc": [1]}'))
    assert run([nodes[0].url], "get", "x").stdout == 'x = ["ä","/"]   vc [1]\n'


def test_get_siblings_shows_a_table_winner_first(nodes: list[ScriptedNode], run: Run) -> None:
    """Stored text that looks like markup is shown as it is."""
    nodes[0].script("/get", answer({**VALUE, "siblings": SIBLINGS}, context="node1~abcd=1"))
    outcome = run([nodes[0].url], "get", "x", "--siblings")
    rows = [line.split() for line in outcome.stdout.splitlines() if "node" in line]
    assert rows == [["shown", '"10"', "[1,", "1,", "0]", "node2"], ['"[red]7"', "[1,", "0,", "1]", "node3"]]
    assert nodes[0].requests("/get")[0].parameters == {"key": "x", "siblings": "true"}


def test_stored_text_cannot_command_the_terminal(nodes: list[ScriptedNode], run: Run) -> None:
    """Escape sequences in keys, values, and errors are shown, not obeyed; JSON stays the same JSON."""
    evil = "\x1b]0;owned\x07\x9b31m\u202e😀"
    nodes[0].script("/get", answer({**VALUE, "value": evil}, context="node1~abcd=1"))
    shown = run([nodes[0].url], "get", "x")
    assert "\x1b" not in shown.stdout
    assert "\x9b" not in shown.stdout
    assert "\u202e" not in shown.stdout
    as_json = run([nodes[0].url], "get", "x", "--json")
    assert json.loads(as_json.stdout)["value"] == evil
    nodes[0].script("/get", answer({"error": evil}, status_code=400))
    assert "\x1b" not in run([nodes[0].url], "get", "x").stderr


def test_a_missing_key_exits_with_1(nodes: list[ScriptedNode], run: Run) -> None:
    """Scripts can tell it from a failure."""
    nodes[0].script("/get", answer({"error": "there is no key 'x'"}, status_code=404, context="node1~abcd=1"))
    assert run([nodes[0].url], "get", "x") == (1, "", "causalkv: there is no key 'x'\n")


def test_delete_is_done_also_when_there_was_nothing(nodes: list[ScriptedNode], run: Run) -> None:
    """The node answers so."""
    nodes[0].script(
        "/delete", answer({"message": "Key deleted with causal consistency", "vc": [2]}, context="n~abcd=2")
    )
    assert run([nodes[0].url], "delete", "x") == (0, "x deleted   vc [2]   Key deleted with causal consistency\n", "")


@pytest.mark.parametrize("status_code", [400, 413, 415])
def test_a_request_that_a_node_refuses_exits_with_2(nodes: list[ScriptedNode], run: Run, status_code: int) -> None:
    """The node's own words are shown."""
    nodes[0].script("/put", answer({"error": "the value is too large"}, status_code=status_code))
    assert run([nodes[0].url], "put", "x", "5") == (2, "", "causalkv: the value is too large\n")


@pytest.mark.parametrize("status_code", [429, 503, 507])
def test_what_the_cluster_cannot_do_exits_with_3(nodes: list[ScriptedNode], run: Run, status_code: int) -> None:
    """The node's own words are shown, with which node it was."""
    nodes[0].script("/put", answer({"error": "cannot now"}, status_code=status_code, retry_after="0"))
    outcome = run([nodes[0].url], "put", "x", "5")
    assert outcome == (3, "", f"causalkv: {nodes[0].url}: cannot now\n")


def test_a_lost_answer_to_a_write_is_reported_honestly(nodes: list[ScriptedNode], run: Run) -> None:
    """Neither done nor not done."""
    nodes[0].script("/put", LOST)
    outcome = run([nodes[0].url], "put", "x", "5")
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert "may or may not have been applied" in outcome.stderr


def test_the_session_goes_on_in_the_next_invocation(nodes: list[ScriptedNode], run: Run) -> None:
    """What a put returned, the next get waits for; other sessions and --no-session do not."""
    nodes[0].script("/put", stored([1, 0, 0], "node1~abcd=1"))
    nodes[0].script("/get", answer(VALUE, context="node1~abcd=1"))
    run([nodes[0].url], "put", "x", "5", "--session", "alice")
    for options in (["--session", "alice"], ["--session", "bob"], ["--no-session"], []):
        run([nodes[0].url], *options, "get", "x")
    sent = [seen.headers.get("X-Causal-Context") for seen in nodes[0].requests("/get")]
    assert sent == ["node1~abcd=1", None, None, None]


def test_a_session_learns_from_a_failing_invocation_too(nodes: list[ScriptedNode], run: Run) -> None:
    """That a key was not there was also seen."""
    nodes[0].script("/get", answer({"error": "not there"}, status_code=404, context="node1~abcd=3"))
    run([nodes[0].url], "get", "x")
    assert run([nodes[0].url], "session", "show").stdout == "node1~abcd=3\n"


def test_without_a_session_nothing_is_kept(nodes: list[ScriptedNode], run: Run, tmp_path: Path) -> None:
    """Not even a directory."""
    nodes[0].script("/put", stored([1, 0, 0], "node1~abcd=1"))
    assert run([nodes[0].url], "put", "x", "5", "--no-session").exit_code == 0
    assert not (tmp_path / "state").exists()


def test_a_corrupt_session_file_exits_with_2_and_can_be_reset(
    nodes: list[ScriptedNode], run: Run, tmp_path: Path
) -> None:
    """The message names the way out, nothing is sent, and the way out works."""
    nodes[0].script("/get", answer(VALUE, context="node1~abcd=1"))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "default.json").write_text("nonsense")
    outcome = run([nodes[0].url], "get", "x")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "python -m client session reset --session default" in outcome.stderr
    assert not nodes[0].seen
    assert run([nodes[0].url], "session", "reset") == (0, "session default is forgotten\n", "")
    assert run([nodes[0].url], "get", "x").exit_code == 0


def test_a_session_that_cannot_be_kept_is_a_warning_after_the_result(
    nodes: list[ScriptedNode], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write is done: a script that took it for failed would write twice."""
    nodes[0].script("/put", stored([1, 0, 0], "node1~abcd=1"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("client.session_file.os.fsync", full)
    outcome = run([nodes[0].url], "put", "x", "5")
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith('x = "5"')
    assert "warning" in outcome.stderr
    assert str(tmp_path) in outcome.stderr


@pytest.mark.parametrize("all_answer", [True, False])
def test_a_session_of_a_wiped_cluster_is_told_how_to_go_on(
    nodes: list[ScriptedNode], run: Run, dead_url: str, *, all_answer: bool
) -> None:
    """Both ways out are named: to forget it, or to go without."""
    nodes[0].script("/put", stored([1, 0, 0], "node1~gone=1"))
    urls = [nodes[0].url] if all_answer else [nodes[0].url, dead_url]
    run(urls, "put", "x", "5")
    nodes[0].script("/get", not_reached("node1~gone", 1, 1))
    outcome = run(urls, "get", "x")
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert "session reset" in outcome.stderr
    assert "--no-session" in outcome.stderr


def test_status_shows_all_nodes_and_who_does_not_answer(nodes: list[ScriptedNode], run: Run, dead_url: str) -> None:
    """One dead node does not hide the others."""
    outcome = run([nodes[0].url, dead_url, nodes[2].url], "status")
    lines = outcome.stdout.splitlines()
    rows = [line.split() for line in lines if "http" in line]
    assert outcome.exit_code == 0
    assert rows[0] == ["node1", "yes", "[1,", "0,", "0]", "0", "0", "connected", nodes[0].url]
    assert rows[1] == ["?", "unreachable", dead_url]
    assert rows[2][0] == "node3"
    assert f"{dead_url} cannot be reached: connection refused" in outcome.stderr


def test_status_of_one_node_is_of_that_node_only(nodes: list[ScriptedNode], run: Run) -> None:
    """As a table, or as its own JSON object with its address."""
    urls = [node.url for node in nodes]
    table = run(urls, "status", "--node", "node2").stdout
    assert "node2" in table
    assert "node1" not in table
    content = json.loads(run(urls, "status", "--node", "node2", "--json").stdout)
    assert (content["node"], content["reached_at"], content["later"]) == ("node2", nodes[1].url, "keys may be added")


def test_status_as_json_lists_all_nodes(nodes: list[ScriptedNode], run: Run, dead_url: str) -> None:
    """A node that does not answer has an error in the place of its status."""
    content = json.loads(run([nodes[0].url, dead_url], "status", "--json").stdout)
    assert content[0]["node"] == "node1"
    assert content[1]["reached_at"] == dead_url
    assert "refused" in content[1]["error"]


@pytest.mark.parametrize("arguments", [["status"], ["buffer"], ["demo"], ["get", "x"], ["status", "--node", "node1"]])
def test_when_nobody_answers_the_exit_code_is_3(run: Run, dead_url: str, arguments: list[str]) -> None:
    """The message names the address and why."""
    outcome = run([dead_url], *arguments)
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert f"{dead_url} cannot be reached: connection refused" in outcome.stderr


def test_buffer_shows_held_writes_and_what_they_wait_for(nodes: list[ScriptedNode], run: Run) -> None:
    """Node by node; one that holds nothing says so."""
    nodes[0].script("/buffer", answer({"held": [], "count": 0}))
    nodes[1].script("/buffer", answer({"held": [HELD], "count": 7, "later": 1}))
    outcome = run([nodes[0].url, nodes[1].url], "buffer")
    [row] = [line.split() for line in outcome.stdout.splitlines() if "node2~abcd:3" in line]
    assert row == ["node2", "node2~abcd:3", "x", "[2,", "3,", "0]", "2026-01-01T00:00:00Z", "node1~abcd:2"]
    assert "node1 holds no writes" in outcome.stdout
    assert "node2 holds 7 writes; 1 of them are shown" in outcome.stdout


def test_buffer_as_json_names_the_node(nodes: list[ScriptedNode], run: Run) -> None:
    """A list for all nodes, an object for one."""
    nodes[0].script("/buffer", answer({"held": [HELD], "count": 1}))
    for arguments, pick in ((["buffer", "--json"], lambda c: c[0]), (["buffer", "--json", "--node", "node1"], dict)):
        content = pick(json.loads(run([nodes[0].url], *arguments).stdout))
        assert content == {"node": "node1", "reached_at": nodes[0].url, "held": [HELD], "count": 1}


def test_the_demo_says_which_nodes_it_does_not_find(nodes: list[ScriptedNode], run: Run) -> None:
    """It cannot be played at fewer than its three nodes."""
    outcome = run([nodes[0].url], "demo")
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert "node2, node3" in outcome.stderr


def test_options_may_stand_before_or_after_the_command(nodes: list[ScriptedNode], run: Run) -> None:
    """Both orders pick the node; the later one wins."""
    for node in nodes:
        node.script("/get", answer(VALUE, context="node1~abcd=1"))
    urls = [node.url for node in nodes]
    run(urls, "--node", "node2", "get", "x")
    run(urls, "get", "x", "--node", "node2")
    run(urls, "--node", "node1", "get", "x", "--node", "node2")
    assert [len(node.requests("/get")) for node in nodes] == [0, 3, 0]


def test_a_node_that_starts_is_waited_for(nodes: list[ScriptedNode], run: Run) -> None:
    """A 503 that asks to come again is not the end."""
    nodes[0].script("/put", unavailable(), unavailable(), stored([1, 0, 0], "node1~abcd=1"))
    assert run([nodes[0].url], "put", "x", "5").exit_code == 0
