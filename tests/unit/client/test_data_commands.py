"""The commands about data: what is sent, what is printed where, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.client.scripted_node import Scripted, ScriptedNode, answer, stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.client.conftest import Outcome

    Run = Callable[..., Outcome]

CONTEXT = "node1~abcd=1"
STORED = stored([1, 0, 0], CONTEXT)
OPS: list[dict[str, Any]] = [
    {"op": "put", "key": "x", "value": {"a": 1}}, {"op": "put", "key": "t", "value": None, "ttl": 1.5},
    {"op": "delete", "key": "y"}, {"op": "incr", "key": "n", "by": -2}, {"op": "sadd", "key": "s", "members": [1, "b"]},
    {"op": "srem", "key": "s", "members": []},
]  # fmt: skip


def exact(text: str) -> Scripted:
    """An answer word for word."""
    return Scripted(body=text.encode(), headers={"X-Causal-Context": CONTEXT})


def test_conditions_and_times_of_a_put_are_sent(nodes: list[ScriptedNode], run: Run) -> None:
    """A clock may be given as get shows it, or bare."""
    nodes[0].script("/put", STORED)
    nodes[0].script("/delete", STORED)
    url = nodes[0].url
    assert run([url], "put", "x", "5", "--ttl", "1.5", "--if-absent").exit_code == 0
    assert run([url], "put", "x", "5", "--if-vc", "[1, 0, 0]").exit_code == 0
    assert run([url], "delete", "x", "--if-vc", "1,0,0").exit_code == 0
    assert [seen.content for seen in nodes[0].requests("/put")] == [
        {"key": "x", "value": "5", "ttl": 1.5, "if_absent": True},
        {"key": "x", "value": "5", "if_vc": [1, 0, 0]},
    ]
    assert nodes[0].requests("/delete")[0].content == {"key": "x", "if_vc": [1, 0, 0]}


def test_another_version_than_the_one_asked_for_exits_with_1(nodes: list[ScriptedNode], run: Run) -> None:
    """The answer is no, and nobody needs to try again: 3 is for a cluster that could not."""
    current = {"error": "x has another version: read it again", "key": "x", "value": "7", "vc": [2, 0, 0]}
    nodes[0].script("/put", answer(current, status_code=409, context=CONTEXT))
    outcome = run([nodes[0].url], "put", "x", "5", "--if-vc", "[1, 0, 0]")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.splitlines() == [
        "causalkv: x has another version: read it again",
        'causalkv: there is: x = "7"   vc [2, 0, 0]',
    ]


def test_mget_shows_a_table_and_the_nodes_own_answer(nodes: list[ScriptedNode], run: Run) -> None:
    """A key without a value stands in it as such, and numbers keep their digits."""
    text = '{"values":[{"key":"x","value":1.10,"vc":[1,0]},{"key":"y","missing":true}],"vc":[1,2]}'
    nodes[0].script("/mget", exact(text))
    shown = run([nodes[0].url], "mget", "x", "y")
    assert shown.exit_code == 0
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["x", "1.10", "[1,", "0]"] in rows
    assert ["y", "no", "value"] in rows
    assert run([nodes[0].url], "mget", "x", "y", "--json").stdout == text + "\n"
    assert nodes[0].requests("/mget")[0].body == {"keys": ["x", "y"]}


def test_mget_exits_with_1_when_nothing_is_there(nodes: list[ScriptedNode], run: Run) -> None:
    """As get does."""
    nodes[0].script("/mget", answer({"values": [{"key": "y", "missing": True}], "vc": [0]}, context=CONTEXT))
    outcome = run([nodes[0].url], "mget", "y")
    assert (outcome.exit_code, outcome.stderr) == (1, "causalkv: none of the keys has a value\n")


def page(keys: list[str], following: str | None) -> Scripted:
    """One page of a scan."""
    values = [{"key": key, "value": key.upper(), "vc": [1]} for key in keys]
    return answer({"keys": keys, "values": values, "next": following, "vc": [1]}, context=CONTEXT)


def test_scan_reads_page_after_page(nodes: list[ScriptedNode], run: Run) -> None:
    """One line of JSON for each key; each page is asked for behind the last."""
    nodes[0].script("/scan", page(["ua", "ub"], "ub"), page(["uc"], None))
    outcome = run([nodes[0].url], "scan", "u", "--json", "--after", "u")
    assert [json.loads(line)["key"] for line in outcome.stdout.splitlines()] == ["ua", "ub", "uc"]
    assert [seen.parameters for seen in nodes[0].requests("/scan")] == [
        {"prefix": "u", "after": "u", "limit": "1000"},
        {"prefix": "u", "after": "ub", "limit": "1000"},
    ]


def test_scan_stops_at_its_limit(nodes: list[ScriptedNode], run: Run) -> None:
    """No more is asked for than is shown."""
    nodes[0].script("/scan", page(["a", "b"], "b"), page(["c"], "c"))
    outcome = run([nodes[0].url], "scan", "--limit", "3")
    assert [line.split()[:2] for line in outcome.stdout.splitlines() if '"' in line] == [
        ["a", '"A"'],
        ["b", '"B"'],
        ["c", '"C"'],
    ]
    assert [seen.parameters["limit"] for seen in nodes[0].requests("/scan")] == ["3", "1"]


@pytest.mark.parametrize(
    "text",
    [json.dumps(OPS), json.dumps(OPS, indent=2), json.dumps({"ops": OPS}), "\n".join(map(json.dumps, OPS)) + "\n\n"],
    ids=["array", "indented", "as the request", "lines"],
)
@pytest.mark.parametrize("is_file", [True, False], ids=["file", "stdin"])
def test_a_batch_is_read_as_an_array_or_a_line_each(
    nodes: list[ScriptedNode], run: Run, tmp_path: Path, text: str, *, is_file: bool
) -> None:
    """From a file or from standard input."""
    nodes[0].script("/batch", answer({"message": "Batch stored", "vc": [1, 0, 0]}, context=CONTEXT))
    file = tmp_path / "ops.json"
    file.write_text(text)
    arguments = ["batch", str(file)] if is_file else ["batch"]
    outcome = run([nodes[0].url], *arguments, stdin=None if is_file else text.encode())
    assert outcome == (0, "6 operations   vc [1, 0, 0]   Batch stored\n", "")
    assert nodes[0].requests("/batch")[0].content == {"ops": OPS}


def test_a_batch_keeps_the_digits_of_its_values(nodes: list[ScriptedNode], run: Run) -> None:
    """They are passed on as they are spelt."""
    nodes[0].script("/batch", answer({"message": "Batch stored", "vc": [1]}, context=CONTEXT))
    run([nodes[0].url], "batch", stdin=b'[{"op": "put", "key": "x", "value": 1.10}]')
    assert '"value":1.10' in nodes[0].requests("/batch")[0].text


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"", "no operation"),
        (b"[]", "no operation"),
        (b'{"op": "put", "key": "x", "value": 1}\n{"op": "put"}', "line 2"),
        (b'[{"op": "delete", "key": "x"}, {"op": "sing"}]', "operation 2"),
        (b'[{"op": "delete", "key": "x", "value": 1}]', "operation 1"),
        (b'[{"op": "incr", "key": "x", "by": "2"}]', "operation 1"),
        (b'{"op": "put", "key": "x", "value": 1', "line 1"),
        (b"[1]", "operation 1"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_batch_that_is_not_right_names_the_place_and_sends_nothing(
    nodes: list[ScriptedNode], run: Run, text: bytes, place: str
) -> None:
    """All or nothing begins at reading."""
    outcome = run([nodes[0].url], "batch", stdin=text)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert place in outcome.stderr
    assert not nodes[0].seen


def test_a_file_that_is_not_there_exits_with_2(nodes: list[ScriptedNode], run: Run, tmp_path: Path) -> None:
    """The message says which."""
    outcome = run([nodes[0].url], "batch", str(tmp_path / "none.json"))
    assert outcome.exit_code == 2
    assert "none.json cannot be read" in outcome.stderr


def test_counters(nodes: list[ScriptedNode], run: Run) -> None:
    """By one, by a negative number, and read."""
    nodes[0].script("/counter/incr", answer({"message": "counted", "value": 3, "vc": [1]}, context=CONTEXT))
    nodes[0].script("/counter/get", answer({"key": "n", "value": 3, "vc": [1]}, context=CONTEXT))
    url = nodes[0].url
    assert run([url], "incr", "n") == (0, "n = 3   vc [1]   counted\n", "")
    assert run([url], "incr", "--", "n", "-5").exit_code == 0
    assert run([url], "counter", "n") == (0, "n = 3   vc [1]\n", "")
    assert json.loads(run([url], "counter", "n", "--json").stdout) == {"key": "n", "value": 3, "vc": [1]}
    assert [seen.content for seen in nodes[0].requests("/counter/incr")] == [
        {"key": "n", "by": 1},
        {"key": "n", "by": -5},
    ]
    assert run([url], "incr", "n", "much").exit_code == 2


def test_sets(nodes: list[ScriptedNode], run: Run) -> None:
    """Members are strings, or with --type json any values; all of a large set is shown."""
    nodes[0].script("/set/add", answer({"message": "added", "vc": [1]}, context=CONTEXT))
    nodes[0].script("/set/remove", answer({"message": "removed", "vc": [1]}, context=CONTEXT))
    url = nodes[0].url
    assert run([url], "sadd", "s", "red", "1") == (0, "s   vc [1]   added\n", "")
    assert run([url], "srem", "s", "1", "[2]", "--type", "json") == (0, "s   vc [1]   removed\n", "")
    assert nodes[0].requests("/set/add")[0].content == {"key": "s", "members": ["red", "1"]}
    assert nodes[0].requests("/set/remove")[0].content == {"key": "s", "members": [1, [2]]}

    pages = ['{"key":"s","members":["red"],"next":"c","vc":[1]}', '{"key":"s","members":[1.10],"next":null,"vc":[1]}']
    nodes[0].script("/set/get", *map(exact, pages * 2))
    assert run([url], "smembers", "s").stdout == '"red"\n1.10\n'
    whole = run([url], "smembers", "s", "--json").stdout
    assert whole == '{"key":"s","members":["red",1.10],"next":null,"vc":[1]}\n'
    assert [seen.parameters.get("after") for seen in nodes[0].requests("/set/get")] == [None, "c", None, "c"]


def test_watch_prints_a_line_for_each_change(nodes: list[ScriptedNode], run: Run) -> None:
    """Values as they are spelt, nothing that a terminal would obey, and the token to go on from at the end."""
    events = [
        b'data: {"op":"put","key":"x","value":1.10,"ttl":2.5,"node":"node1","vc":[1]}\nid: node1~abcd=1\n\n',
        b'data: {"op":"incr","key":"n","by":2,"node":"node2","vc":[1]}\nid: node1~abcd=2\n\n',
        b'data: {"op":"sadd","key":"s","members":["a",1],"node":"node2","vc":[1]}\nid: node1~abcd=3\n\n',
        b'data: {"op":"delete","key":"\\u001b[2J","node":"node2","vc":[1]}\nid: node1~abcd=4\n\n',
        b'event: reset\ndata: {"error":"history is shorter"}\nid: node1~abcd=9\n\n',
        b'data: {"op":"expire","key":"x","node":"node2","vc":[1]}\nid: node1~abcd=10\n\n',
    ]
    nodes[0].script("/watch", Scripted(body=b"id:\n\n" + b"".join(events), is_stream=True, stall=True))
    outcome = run([nodes[0].url], "watch", "--count", "5")
    assert outcome.stdout.splitlines() == [
        "put x = 1.10   ttl 2.5 s   vc [1]   at node1",
        "incr n +2   vc [1]   at node2",
        'sadd s "a", 1   vc [1]   at node2',
        "delete \\u001b[2J   vc [1]   at node2",
        "reset   history is shorter",
        "expire x   vc [1]   at node2",
    ]
    assert (outcome.exit_code, outcome.stderr) == (0, "causalkv: to go on from here: --since node1~abcd=10\n")

    again = run([nodes[0].url], "watch", "--count", "5", "--json").stdout.splitlines()
    assert again[0] == ('{"op":"put","key":"x","value":1.10,"ttl":2.5,"node":"node1","vc":[1],"token":"node1~abcd=1"}')
    assert json.loads(again[4]) == {"event": "reset", "error": "history is shorter", "token": "node1~abcd=9"}


def test_watch_goes_on_behind_a_token_and_begins_with_the_state(nodes: list[ScriptedNode], run: Run) -> None:
    """What is asked of the node."""
    events = (
        b'data: {"op":"put","key":"x","value":1,"vc":[1],"initial":true}\n\n'
        b'event: end-of-initial-state\ndata: {"keys":1}\nid: node1~abcd=7\n\n'
        b'data: {"op":"put","key":"x","value":2,"vc":[2]}\nid: node1~abcd=8\n\n'
    )
    nodes[0].script("/watch", Scripted(body=events, is_stream=True, stall=True))
    outcome = run([nodes[0].url], "watch", "u/", "--initial", "--since", "node1~abcd=5", "--count", "2")
    assert outcome.stdout.splitlines() == [
        "put x = 1   vc [1]",
        "end of the initial state   keys 1",
        "put x = 2   vc [2]",
    ]
    [seen] = nodes[0].requests("/watch")
    assert (seen.parameters, seen.headers["Last-Event-ID"]) == ({"prefix": "u/", "initial": "true"}, "node1~abcd=5")


@pytest.mark.parametrize(
    "arguments",
    [["put", "x", "5", "--if-vc", "new"], ["put", "x", "5", "--if-vc", "[1]", "--if-absent"],
     ["put", "x", "5", "--ttl", "0"],
     ["mget"], ["sadd", "s"], ["scan", "--limit", "0"], ["watch", "--since", "yesterday"], ["watch", "--count", "0"],
     ["delete", "x", "--if-vc", ""], ["sadd", "s", "{", "--type", "json"]],
)  # fmt: skip
def test_a_wrong_command_line_exits_with_2_and_sends_nothing(
    nodes: list[ScriptedNode], run: Run, arguments: list[str]
) -> None:
    """The message is on stderr."""
    outcome = run([nodes[0].url], *arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.strip()
    assert not nodes[0].seen
