"""How results look: a line or a table for people, JSON for machines. All of it goes to stdout.

What is seen of the nodes themselves: `client.render_nodes`.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from client.answers import Value, Written
    from client.data_answers import Incremented

# Wide enough that no line of a table is broken in a pipe, where programs read it.
PIPE_WIDTH_CHARACTERS = 4096


def printable(text: str) -> str:
    """Escape what a terminal would obey instead of show: stored text comes from anyone."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    """Write a character as JSON strings do, so that escaped JSON is still the same JSON."""
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[start : start + 2].hex()}" for start in range(0, len(units), 2))


def json_text(value: Any) -> str:
    """Return a value, or the one that a `msgspec.Raw` spells, as one line of JSON, safe to print.

    Numbers keep the digits that they were written with; text is shown as text, however it was escaped.
    """
    readable = json.loads(msgspec.json.encode(value), parse_float=msgspec.Raw, parse_int=msgspec.Raw)
    return printable(msgspec.json.encode(readable).decode())


def show_json(value: Any) -> None:
    """Print one line of JSON."""
    line(json_text(value))


class _Answer(Protocol):
    @property
    def text(self) -> bytes: ...


def show_answer(answer: _Answer) -> None:
    """Print a node's answer with every key that it has."""
    show_json(msgspec.Raw(answer.text))


def line(text: str) -> None:
    """Print one line."""
    sys.stdout.write(text + "\n")


def show_put(key: str, value: Any, written: Written) -> None:
    """Print what was stored, and its clock."""
    line(f"{printable(key)} = {json_text(value)}   {done_text(written)}")


def show_delete(key: str, written: Written) -> None:
    """Print what was deleted, and the clock of the deletion."""
    line(f"{printable(key)} deleted   {done_text(written)}")


def done_text(written: Written | Incremented) -> str:
    """The clock of a write, what the node says of it, and the level that was reached."""
    acked = "" if written.acked is None else f"   acked {written.acked}"
    return f"vc {written.vc}   {printable(written.message)}{acked}"


def show_value(value: Value) -> None:
    """Print a value and its clock."""
    line(f"{printable(value.key)} = {json_text(value.stored.value)}   vc {value.vc}")


def show_siblings(value: Value) -> None:
    """Print all concurrent versions of a key, the one that a plain read shows first."""
    rows = [
        ("" if position else "shown", json_text(stored.value), str(sibling.vc), sibling.node)
        for position, (sibling, stored) in enumerate(zip(value.siblings, value.stored.siblings, strict=True))
    ]
    table(("", printable(value.key), "vc", "written at"), rows)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table; cells may hold text from anyone."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # A Text, not a str: rich reads markup in a str, and a stored value may look like it.
        grid.add_column(Text(column), overflow="fold")
    for row in rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    on_terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if on_terminal else PIPE_WIDTH_CHARACTERS, highlight=False)
    console.print(grid)
