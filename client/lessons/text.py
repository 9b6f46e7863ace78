"""Lessons as lines of text; pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from client.causal_token import natural_order
from client.lessons.moments import Clocks, Held, Moment, Note, Shown, Step, Stored, Title, Versions, Why
from client.render import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH_CHARACTERS = 100
INDENT = "  "
BEHIND = "*"


class Teller:
    """Makes lines of one lesson's moments, in their order; it numbers the steps."""

    def __init__(self) -> None:
        self._steps = 0
        self._is_after_gap = False

    def lines(self, moment: Moment) -> list[str]:
        """Return what to print for a moment."""
        lines = self._lines(moment)
        if self._is_after_gap and not lines[0]:
            del lines[0]
        self._is_after_gap = not lines[-1]
        return lines

    def _lines(self, moment: Moment) -> list[str]:
        match moment:
            case Title(text=text, keys=keys):
                return [text, f"The keys of this run: {', '.join(map(printable, keys))}"]
            case Step(text=text):
                self._steps += 1
                return ["", f"Step {self._steps}: {text}"]
            case Why(text=text):
                return textwrap.wrap(f"Why: {text}", WIDTH_CHARACTERS, initial_indent=INDENT, subsequent_indent=INDENT)
            case Clocks(clocks=clocks):
                return ["", *(INDENT + line for line in clock_table(clocks)), ""]
            case _:
                return [INDENT + line for line in _at_a_node(moment)]


def _at_a_node(moment: Moment) -> list[str]:
    match moment:
        case Note(node=node, text=text):
            return [f"{node}: {printable(text)}"]
        case Stored(node=node, key=key, value=value, vc=vc):
            return [f"{node} stores {_pair(key, value)}   vc {vc}"]
        case Shown(node=node, key=key, vc=None):
            return [f"{node} shows nothing for {printable(key)}"]
        case Shown(node=node, key=key, value=value, vc=vc):
            return [f"{node} shows {_pair(key, value)}   vc {vc}"]
        case Held(node=node, dot=dot, keys=keys, waits_for=waits_for):
            written = ", ".join(map(printable, keys))
            return [f"{node} holds {printable(dot)} (writes {written}): waits for {printable(waits_for)}"]
        case Versions(node=node, key=key, versions=versions):
            heads = ["shown"] + [""] * len(versions)
            return [f"{node} has {len(versions)} version{'s'[: len(versions) != 1]} of {printable(key)}"] + [
                f"{INDENT}{head:5}  {json_text(version.value)}   vc {version.vc}   written at {version.node}"
                for head, version in zip(heads, versions, strict=False)
            ]
    raise AssertionError(f"nobody says how to show {moment!r}")


def _pair(key: str, value: Any) -> str:
    return f"{printable(key)} = {json_text(value)}"


def clock_table(clocks: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return vector clocks side by side: a row for each node, a column for each node whose writes are counted.

    A number that is lower than another node's is marked: what the row's node has not applied yet.
    """
    rows = sorted(clocks, key=natural_order)
    origins = sorted({origin for clock in clocks.values() for origin in clock}.union(rows), key=natural_order)
    greatest = {origin: max(clock.get(origin, 0) for clock in clocks.values()) for origin in origins}
    head = ["writes of:", *origins]
    body = [[row, *(_count(clocks[row].get(origin, 0), greatest[origin]) for origin in origins)] for row in rows]
    widths = [max(len(line[column]) for line in [head, *body]) for column in range(len(head))]
    lines = [
        "   ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in [head, *body]
    ]
    is_behind = any(BEHIND in cell for line in body for cell in line[1:])
    lines.append(f"({BEHIND} not applied yet what another node has)" if is_behind else "(all equal)")
    return [line.rstrip() for line in lines]


def _count(count: int, greatest: int) -> str:
    return f"{count}{BEHIND if count < greatest else ' '}"
