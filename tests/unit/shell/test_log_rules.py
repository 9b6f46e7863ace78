"""Rules of the log that hold for every line in the source: whoever reads a warning learns what to do."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent.parent
LEVELS = frozenset({"warning", "warn", "error", "critical", "fatal", "exception"})
# Names of what is no log, although it has such a method.
NO_LOGS = frozenset({"parser"})
ADVICE_MIN_CHARACTERS = 10


class Line(NamedTuple):
    """A call that logs at warning or above."""

    where: str
    call: ast.Call

    @property
    def advice(self) -> ast.expr | None:
        """What it gives as ``what_to_do``."""
        return next((keyword.value for keyword in self.call.keywords if keyword.arg == "what_to_do"), None)


def lines_of(source: str, name: str) -> list[Line]:
    """The calls in one module."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    # Without an argument it logs nothing: ``future.exception()`` asks.
    return [Line(f"{name}:{call.lineno}", call) for call in calls if call.args and _logs(call.func)]


def _logs(called: ast.expr) -> bool:
    if not isinstance(called, ast.Attribute) or called.attr not in LEVELS:
        return False
    return not (isinstance(called.value, ast.Name) and called.value.id in NO_LOGS)


LINES = [
    line
    for package in ("node", "client", "infra")
    for file in sorted((ROOT / package).rglob("*.py"))
    for line in lines_of(file.read_text(encoding="utf-8"), str(file.relative_to(ROOT)))
]


def test_the_rules_are_held_against_every_line_that_there_is() -> None:
    """A search that finds nothing would hold every rule."""
    assert len(LINES) > 30
    assert {line.where.partition("/")[0] for line in LINES} == {"node"}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.where)
def test_every_warning_says_what_to_do(line: Line) -> None:
    """As text that stands in the source, or under a name that does."""
    advice = line.advice
    assert advice is not None, f"{line.where}: say in what_to_do= what whoever reads this can do"
    if isinstance(advice, ast.Constant):
        assert isinstance(advice.value, str)
        assert len(advice.value) >= ADVICE_MIN_CHARACTERS, f"{line.where}: {advice.value!r} helps nobody"
    else:
        assert isinstance(advice, ast.Name | ast.JoinedStr), f"{line.where}: what_to_do= is a text"


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.where)
def test_the_event_of_a_line_is_one_text_that_can_be_searched_for(line: Line) -> None:
    """What differs from case to case stands in fields of its own."""
    event = line.call.args[0]
    assert isinstance(event, ast.Constant), f"{line.where}: the event is made up of parts"
    assert isinstance(event.value, str)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("log.warning('x')", 1),
        ("self._log.error('x', reason=1)", 1),
        ("get_logger('a').critical('x')", 1),
        ("log.info('x')", 0),
        ("parser.error('x')", 0),
        ("future.exception()", 0),
    ],
)
def test_the_search_knows_a_log_by_its_methods(source: str, found: int) -> None:
    """However the logger is called."""
    assert len(lines_of(source, "here")) == found
