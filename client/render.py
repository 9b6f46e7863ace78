"""How results look: a line or a table for people, JSON for machines. All of it goes to stdout."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from client.answers import CausalBuffer, NodeStatus, Value, Written
    from client.client import Reply

# Wide enough that no line of a table is broken in a pipe, where programs read it.
PIPE_WIDTH_CHARACTERS = 4096
KEYS_SHOWN_MAX = 3


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


def show_answer(answer: Written | Value) -> None:
    """Print a node's answer with every key that it has."""
    show_json(msgspec.Raw(answer.text))


def line(text: str) -> None:
    """Print one line."""
    sys.stdout.write(text + "\n")


def show_put(key: str, value: Any, written: Written) -> None:
    """Print what was stored, and its clock."""
    line(f"{printable(key)} = {json_text(value)}   vc {written.vc}   {printable(written.message)}")


def show_delete(key: str, written: Written) -> None:
    """Print what was deleted, and the clock of the deletion."""
    line(f"{printable(key)} deleted   vc {written.vc}   {printable(written.message)}")


def show_value(value: Value) -> None:
    """Print a value and its clock."""
    line(f"{printable(value.key)} = {json_text(value.stored.value)}   vc {value.vc}")


def show_siblings(value: Value) -> None:
    """Print all concurrent versions of a key, the one that a plain read shows first."""
    rows = [
        ("" if position else "shown", json_text(stored.value), str(sibling.vc), sibling.node)
        for position, (sibling, stored) in enumerate(zip(value.siblings, value.stored.siblings, strict=True))
    ]
    _table(("", printable(value.key), "vc", "written at"), rows)


def show_statuses(replies: Sequence[Reply[NodeStatus]]) -> None:
    """Print a table of nodes; one that did not answer is shown as such."""
    _table(("node", "ready", "vc", "held", "outbox", "broker", "url"), map(_status_row, replies))


def _status_row(reply: Reply[NodeStatus]) -> tuple[str, ...]:
    status = reply.answer
    if status is None:
        return ("?", "unreachable", "", "", "", "", reply.url)
    ready = "yes" if status.ready else "no"
    return (status.node, ready, str(status.vc), str(status.held), str(status.outbox), status.broker, reply.url)


def show_buffers(buffers: Iterable[tuple[str, CausalBuffer]]) -> None:
    """Print a table of held writes, node by node, or say that there are none."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for node, buffer in buffers:
        for write in buffer.held:
            keys = ", ".join(map(printable, write.keys[:KEYS_SHOWN_MAX]))
            more = ", …" if len(write.keys) > KEYS_SHOWN_MAX else ""
            waits_for = write.waits_for or ", ".join(write.missing)
            rows.append((node, write.dot, keys + more, str(write.vc), write.since, waits_for))
        if buffer.count > len(buffer.held):
            notes.append(f"{printable(node)} holds {buffer.count} writes; {len(buffer.held)} of them are shown")
        elif not buffer.held:
            notes.append(f"{printable(node)} holds no writes")
    if rows:
        _table(("node", "dot", "keys", "vc", "since", "waits for"), rows)
    for note in notes:
        line(note)


def node_json(reply: Reply[Any], *, node: str | None = None) -> dict[str, Any]:
    """Return what ``status --json`` and ``buffer --json`` list of one node: its own answer, and whose it is."""
    whose: dict[str, Any] = {"reached_at": reply.url} if node is None else {"node": node, "reached_at": reply.url}
    return whose | ({"error": str(reply.error)} if reply.answer is None else reply.answer.answer)


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # A Text, not a str: rich reads markup in a str, and a stored value may look like it.
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    on_terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if on_terminal else PIPE_WIDTH_CHARACTERS, highlight=False)
    console.print(table)
