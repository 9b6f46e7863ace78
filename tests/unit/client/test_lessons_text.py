"""Lessons as text: clocks side by side, steps numbered, nothing that a terminal would obey."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from client.lessons.moments import (
    Clocks,
    Held,
    Moment,
    Note,
    Shown,
    Step,
    Stored,
    Title,
    Version,
    Versions,
    Why,
)
from client.lessons.text import WIDTH_CHARACTERS, Teller, clock_table

MOMENTS: list[Moment] = [
    Title(text="held: of causes", keys=["x-1", "y-1"]),
    Step(text="node1 writes"),
    Why(text="so it is"),
    Note(node="node1", text="is cut off"),
    Stored(node="node1", key="x-1", value={"a": 1}, vc=[1, 0]),
    Shown(node="node2", key="x-1"),
    Shown(node="node1", key="x-1", value="5", vc=[1, 0]),
    Versions(node="node1", key="x", versions=[Version("b", [0, 1], "node2"), Version("a", [1, 0], "node1")]),
    Held(node="node3", dot="node2~b:1", keys=["y-1"], waits_for="node1~a:1"),
    Clocks(clocks={"node1": {"node1": 1}, "node2": {}}),
]


def text_of(moments: list[Moment]) -> list[str]:
    """All lines."""
    teller = Teller()
    return [line for moment in moments for line in teller.lines(moment)]


def test_every_moment_has_its_lines() -> None:
    """What happened, and where."""
    assert text_of(MOMENTS[:-1]) == [
        "held: of causes",
        "The keys of this run: x-1, y-1",
        "",
        "Step 1: node1 writes",
        "  Why: so it is",
        "  node1: is cut off",
        '  node1 stores x-1 = {"a":1}   vc [1, 0]',
        "  node2 shows nothing for x-1",
        '  node1 shows x-1 = "5"   vc [1, 0]',
        "  node1 has 2 versions of x",
        '    shown  "b"   vc [0, 1]   written at node2',
        '           "a"   vc [1, 0]   written at node1',
        "  node3 holds node2~b:1 (writes y-1): waits for node1~a:1",
    ]


def test_clocks_stand_side_by_side_and_what_a_node_lacks_is_marked() -> None:
    """One row a node, one column for each node that ever wrote, in natural order."""
    clocks = {"node10": {"node1": 12}, "node1": {"node1": 12, "node2": 3, "gone": 7}, "node2": {"node2": 3, "gone": 7}}
    assert clock_table(clocks) == [
        "writes of:   gone   node1   node2   node10",
        "node1          7      12       3        0",
        "node2          7       0*      3        0",
        "node10         0*     12       0*       0",
        "(* not applied yet what another node has)",
    ]


def test_equal_clocks_are_said_to_be_equal() -> None:
    """Also those of nodes that have applied nothing."""
    assert clock_table({"a": {}, "b": {}}) == [
        "writes of:    a    b",
        "a            0    0",
        "b            0    0",
        "(all equal)",
    ]


def test_steps_are_numbered_and_one_empty_line_stands_between_blocks() -> None:
    """Also behind a table, which ends with one."""
    lines = text_of([Step(text="a"), Clocks(clocks={"node1": {}}), Step(text="b"), Clocks(clocks={"node1": {}})])
    assert [line for line in lines if line.startswith("Step")] == ["Step 1: a", "Step 2: b"]
    assert not any(before == after == "" for before, after in pairwise(lines))


def test_a_long_reason_is_wrapped() -> None:
    """No line is wider than a terminal usually is."""
    lines = text_of([Why(text="because " * 60)])
    assert len(lines) > 3
    assert max(map(len, lines)) <= WIDTH_CHARACTERS


def test_stored_text_is_shown_and_not_obeyed() -> None:
    """Values and names may come from anyone."""
    [line] = text_of([Shown(node="node1", key="k\x1b[2J", value="v\x1b[2J", vc=[1])])
    assert "\x1b" not in line


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: type(moment).__name__)
def test_a_moment_has_a_json_form_that_says_its_kind(moment: Moment) -> None:
    """So that a page in a browser can play the same lesson."""
    encoded = msgspec.json.encode(moment)
    assert msgspec.json.decode(encoded)["kind"] == type(moment).__name__.lower()
    assert msgspec.json.decode(encoded, type=type(moment)) == moment
