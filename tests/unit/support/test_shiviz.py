"""The judge of logs for ShiViz can say no."""

from __future__ import annotations

import json

import pytest

from client.trace.shiviz import HEADER
from tests.support.shiviz import Entry, check, happened_before, read_file, read_pasted


def entry(host: str, **clock: int) -> Entry:
    """One event."""
    return Entry(host, "something", clock, {})


GOOD = [entry("a", a=1), entry("b", b=1), entry("b", b=2, a=1), entry("a", a=2), entry("c", c=1, b=2, a=1)]


def test_a_log_that_keeps_the_rules_is_taken_in_any_order() -> None:
    """As ShiViz does."""
    check(GOOD)
    check(GOOD[::-1])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (GOOD[1:], "the clock of a must grow by 1"),
        ([*GOOD, entry("a", a=4)], "the clock of a must grow by 1"),
        ([*GOOD, entry("a", a=2)], "the clock of a must grow by 1"),
        ([*GOOD, entry("a", b=1)], "the own host is missing"),
        ([*GOOD, entry("a", a=3, d=1)], "the unrecognized host d"),
        ([*GOOD, entry("a", a=3, b=3)], "b has no event 3"),
        ([*GOOD, entry("a", a=3, b=0)], "b=0|'b': 0"),
        ([*GOOD, entry("d", d=1, b=2)], "does not know what that knew"),
        ([*GOOD[:-1], entry("c", c=1, b=2)], "does not know what that knew"),
    ],
)
def test_a_log_that_breaks_a_rule_is_refused(wrong: list[Entry], words: str) -> None:
    """By the rule that it breaks."""
    with pytest.raises(AssertionError, match=words):
        check(wrong)


def log(*lines: str) -> str:
    """A file."""
    return "\n".join([HEADER, *lines, ""])


def test_an_entry_is_two_lines() -> None:
    """What happened; then who, the clock, and when."""
    text = log("it began", 'a {"a":1} now', "it ended", 'b {"b":1,"a":1} later')
    for read in (read_file, read_pasted):
        assert [(each.host, each.event, each.clock) for each in read(text)] == [
            ("a", "it began", {"a": 1}),
            ("b", "it ended", {"b": 1, "a": 1}),
        ]
    assert [each.fields for each in read_file(text)] == [{"at": "now"}, {"at": "later"}]


@pytest.mark.parametrize("line", ["stray", 'a {"a":1}', "a\u2028b"])
def test_what_the_parser_would_pass_by_is_found(line: str) -> None:
    """ShiViz says nothing of it."""
    with pytest.raises(AssertionError, match="these are no entries"):
        read_file(log("it began", 'a {"a":1} now', line))


def test_a_text_with_line_ends_is_another_log() -> None:
    """Nothing but escaping saves it."""
    honest = json.dumps('x\na {"a":7} now')
    assert [each.clock for each in read_file(log(f"put {honest}", 'a {"a":1} now'))] == [{"a": 1}]
    assert [each.clock for each in read_file(log('put "x', 'a {"a":7} now', '"', 'a {"a":1} now'))] == [
        {"a": 7},
        {"a": 1},
    ]


def test_happened_before_is_strict() -> None:
    """Nothing happened before itself, and neither of two that know nothing of each other."""
    assert happened_before({"a": 1}, {"a": 1, "b": 1})
    assert not happened_before({"a": 1}, {"a": 1})
    assert not happened_before({"a": 1}, {"b": 1})
