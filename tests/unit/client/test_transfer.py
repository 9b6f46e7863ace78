"""Exports and imports: what a file looks like, and what is wrong with one."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from client.errors import TransferFileError
from client.transfer.lines import CounterLine, KeyLine, LineReader, SetLine
from tests.unit.client.scripted_node import Scripted, answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.client.conftest import Outcome
    from tests.unit.client.scripted_node import ScriptedNode

    Run = Callable[..., Outcome]

HEADER = '{"causalkv_export":1,"export_id":"1f2e","prefix":""}'
KEY = '{"key":"x","value":1.10,"vc":[1,0,0]}'
COUNTER = '{"counter":"hits","value":3}'
TAGS = ['{"set":"tags","members":["a"]}', '{"set":"tags","members":[2.0]}']
END = '{"end":true,"keys":1,"counters":1,"sets":1,"members":2,"lines":6,"token":"node1~abcd=3"}'
WHOLE = [HEADER, KEY, COUNTER, *TAGS, END]
DONE = answer({"message": "Batch stored with causal consistency", "vc": [1, 0, 0]}, context="node1~abcd=4")
COUNTED = answer({"message": "Counter incremented", "value": 3, "vc": [1, 0, 0]}, context="node1~abcd=5")


def file_of(lines: list[str]) -> io.BytesIO:
    """A file with these lines."""
    return io.BytesIO("".join(f"{line}\n" for line in lines).encode())


def read(lines: list[str]) -> list[Any]:
    """All that is in such a file."""
    reader = LineReader(file_of(lines))
    reader.header()
    return list(reader.lines())


def test_every_kind_of_line_is_read_word_for_word() -> None:
    """A number keeps its digits."""
    key, counter, first, second = read(WHOLE)
    assert isinstance(key, KeyLine)
    assert (key.key, bytes(key.value), key.vc, key.ttl, key.siblings) == ("x", b"1.10", [1, 0, 0], None, [])
    assert counter == CounterLine(counter="hits", value=3)
    assert isinstance(first, SetLine)
    assert [bytes(member) for member in (*first.members, *second.members)] == [b'"a"', b"2.0"]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "line 1: the file ends here, without its last line: it was cut off"),
        (["x"], "line 1: this is no export"),
        (['{"key":"x","value":1}'], "line 1: this is no export"),
        (['{"causalkv_export":2,"export_id":"1"}'], "line 1: format 2: this program knows format 1"),
        (WHOLE[:-1], "line 6: the file ends here, without its last line: it was cut off"),
        ([*WHOLE[:2], *WHOLE[3:]], "line 5: the end counts 1 keys, 1 counters.*, but there are 1 keys, 0 counters"),
        ([*WHOLE, KEY], "line 6: something follows behind the end"),
        ([HEADER, "{"], "line 2: "),
        ([HEADER, '{"key":"x"}'], "line 2: .*`value`"),
        ([HEADER, '{"key":1,"value":1}'], "line 2: Expected `str`, got `int`"),
        ([HEADER, KEY, '{"counter":"hits","value":1.5}'], "line 3: Expected `int`"),
        ([HEADER, '{"other":1}'], "line 2: none of the fields key, counter, set, end is there"),
        ([HEADER, "[]"], "line 2: Expected `object`"),
        ([HEADER, "[" * 100_000], "line 2: "),
    ],
)
def test_what_is_wrong_is_named_by_its_line(lines: list[str], complaint: str) -> None:
    """Whoever has a million lines has to find the one."""
    with pytest.raises(TransferFileError, match=complaint):
        read(lines)


def test_a_file_that_is_no_text_is_named_too() -> None:
    """And is no traceback."""
    reader = LineReader(io.BytesIO(HEADER.encode() + b'\n{"key":"\xff","value":1}\n'))
    reader.header()
    with pytest.raises(TransferFileError, match="line 2: "):
        list(reader.lines())


def test_a_file_that_is_cut_off_changes_nothing(nodes: list[ScriptedNode], run: Run, tmp_path: Path) -> None:
    """It is read to its end before the first write."""
    path = tmp_path / "store.jsonl"
    path.write_bytes(file_of(WHOLE[:-1]).getvalue())
    outcome = run([nodes[0].url], "import", str(path))
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr == "causalkv: line 6: the file ends here, without its last line: it was cut off\n"
    assert not nodes[0].seen


def test_an_import_puts_adds_and_counts_under_ids_that_it_would_use_again(
    nodes: list[ScriptedNode], run: Run, tmp_path: Path
) -> None:
    """A second import finds its increments remembered by the node."""
    path = tmp_path / "store.jsonl"
    path.write_bytes(file_of(WHOLE).getvalue())
    for _ in range(2):
        nodes[0].script("/batch", DONE)
        nodes[0].script("/counter/incr", COUNTED)
        outcome = run([nodes[0].url], "import", str(path), "--json")
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        assert json.loads(outcome.stdout) == {"keys": 1, "counters": 1, "members": 2, "siblings": 0, "outside": 0}
    increments = [seen.body for seen in nodes[0].requests("/counter/incr")]
    assert [(each["key"], each["by"], each["request_id"]) for each in increments] == [
        ("hits", 3, "import-1f2e-3-0")
    ] * 2
    batch = nodes[0].requests("/batch")[0]
    assert '{"op":"put","key":"x","value":1.10}' in batch.text
    assert [each["op"] for each in batch.body["ops"]] == ["put", "sadd", "sadd"]


def test_an_import_of_a_part_leaves_out_the_rest_and_says_so(nodes: list[ScriptedNode], run: Run) -> None:
    """Also from standard input."""
    nodes[0].script("/batch", DONE)
    outcome = run([nodes[0].url], "import", "-", "--prefix", "x", stdin=file_of(WHOLE).getvalue())
    assert outcome == (0, "imported 1 keys, 0 counters, 0 members of sets; 3 lines are outside of 'x'\n", "")
    assert not nodes[0].requests("/counter/incr")


def test_a_counter_beyond_one_step_is_counted_in_several(nodes: list[ScriptedNode], run: Run) -> None:
    """Each under an id of its own, together what the line says."""
    large = -(2**54)
    lines = [HEADER, f'{{"counter":"hits","value":{large}}}', END.replace('"keys":1', '"keys":0')]
    lines[2] = '{"end":true,"keys":0,"counters":1,"sets":0,"members":0,"lines":3}'
    nodes[0].script("/counter/incr", COUNTED, COUNTED, COUNTED)
    assert run([nodes[0].url], "import", "-", stdin=file_of(lines).getvalue()).exit_code == 0
    bodies = [seen.body for seen in nodes[0].requests("/counter/incr")]
    assert sum(body["by"] for body in bodies) == large
    assert len({body["request_id"] for body in bodies}) == len(bodies) == 3


def test_a_line_that_a_node_refuses_is_named(nodes: list[ScriptedNode], run: Run) -> None:
    """A batch is refused as a whole."""
    nodes[0].script("/batch", answer({"error": "a key has at most 1024 bytes"}, status_code=400))
    lines = [HEADER, KEY, '{"end":true,"keys":1,"counters":0,"sets":0,"members":0,"lines":3}']
    outcome = run([nodes[0].url], "import", "-", stdin=file_of(lines).getvalue())
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "lines 2 to 2: a node refuses: a key has at most 1024 bytes" in outcome.stderr


STATE = (
    b'data: {"op":"put","key":"x","value":{"a":\ndata: 1.10},"vc":[1,0,1],"node":"node3","initial":true}\n\n'
    b'data: {"op":"put","key":"x","value":2,"vc":[1,0,0],"node":"node1","initial":true,"ttl":9.5}\n\n'
    b'data: {"op":"put","key":"y","value":"z","vc":[2,0,1],"node":"node1","initial":true}\n\n'
)
STATE_END = b'event: end-of-initial-state\nid: node1~abcd=2\ndata: {"keys":2}\n\n'


def test_an_export_has_siblings_on_one_line_the_winner_first(nodes: list[ScriptedNode], run: Run) -> None:
    """A value of several lines is written on one; the end says how much there was, and what it covers."""
    nodes[0].script("/watch", Scripted(body=STATE + STATE_END, is_stream=True))
    outcome = run([nodes[0].url], "export", "-")
    assert outcome.exit_code == 0
    header, x, y, end = outcome.stdout.splitlines()
    assert json.loads(header)["causalkv_export"] == 1
    first = '{"value":{"a":1.10},"vc":[1,0,1],"node":"node3"}'
    second = '{"value":2,"vc":[1,0,0],"node":"node1","ttl":9.5}'
    assert x == f'{{"key":"x","value":{{"a":1.10}},"vc":[1,0,1],"siblings":[{first},{second}]}}'
    assert y == '{"key":"y","value":"z","vc":[2,0,1]}'
    assert end == '{"end":true,"keys":2,"counters":0,"sets":0,"members":0,"lines":4,"token":"node1~abcd=2"}'


def test_an_export_that_breaks_off_begins_anew_and_leaves_no_half_file(
    nodes: list[ScriptedNode], run: Run, tmp_path: Path
) -> None:
    """The file is there when it is complete."""
    path = tmp_path / "store.jsonl"
    nodes[0].script("/watch", Scripted(body=STATE, is_stream=True), Scripted(body=STATE + STATE_END, is_stream=True))
    assert run([nodes[0].url], "export", str(path)).exit_code == 0
    assert len(path.read_text().splitlines()) == 4
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("store")] == ["store.jsonl"]


def test_an_export_to_standard_output_that_breaks_off_says_so(nodes: list[ScriptedNode], run: Run) -> None:
    """What was printed cannot be taken back: it lacks its end, which an import notices."""
    nodes[0].script("/watch", Scripted(body=STATE, is_stream=True))
    outcome = run([nodes[0].url], "export", "-", "--timeout", "1")
    assert outcome.exit_code == 3
    assert "broke off" in outcome.stderr
    assert '"end":true' not in outcome.stdout
