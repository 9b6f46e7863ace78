"""How keys, counters, sets and changes look: lines and tables on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from client.changes import Change, InitialStateEnd
from client.render import done_text, json_text, line, printable, show_json, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from client.answers import Written
    from client.changes import WatchEvent
    from client.data_answers import CounterValue, Incremented, SetPage, WrittenRow


def show_rows(rows: Iterable[WrittenRow]) -> None:
    """Print a table of keys, their values and clocks."""
    table(("key", "value", "vc"), [_cells(row) for row in rows])


def _cells(row: WrittenRow) -> tuple[str, str, str]:
    return (row.key, "no value", "") if row.missing else (row.key, json_text(row.value), str(row.vc))


def show_rows_json(rows: Iterable[WrittenRow]) -> None:
    """Print one line of JSON for each key."""
    for row in rows:
        show_json({"key": row.key, "value": row.value, "vc": row.vc})


def show_batch(count: int, written: Written) -> None:
    """Print how many operations were carried out, and their clock."""
    line(f"{count} operation{'' if count == 1 else 's'}   {done_text(written)}")


def show_written(key: str, written: Written) -> None:
    """Print that a write to a key was done, and its clock."""
    line(f"{printable(key)}   {done_text(written)}")


def show_count(key: str, counted: CounterValue | Incremented, *, done: Incremented | None = None) -> None:
    """Print a counter and its clock, and after an increment what the node says of it."""
    tail = f"vc {counted.vc}" if done is None else done_text(done)
    line(f"{printable(key)} = {counted.value}   {tail}")


def show_members_of_set(page: SetPage) -> None:
    """Print the members, each as a line of JSON."""
    for member in page.stored:
        line(json_text(member))


NOTHING = msgspec.Raw(b"")


class _Written(msgspec.Struct):
    """What a change writes, word for word."""

    value: msgspec.Raw = NOTHING
    members: list[msgspec.Raw] = []


def show_event(event: WatchEvent) -> None:
    """Print what a watch tells, on one line."""
    if isinstance(event, Change):
        line(f"{printable(event.op)} {printable(event.key)}{_what(event)}   {_whence(event)}")
    elif isinstance(event, InitialStateEnd):
        line("end of the initial state" + ("" if event.keys is None else f"   keys {event.keys}"))
    else:
        line(printable(f"reset   {event.error}"))


def _what(change: Change) -> str:
    written = msgspec.json.decode(change.text, type=_Written)
    if change.by is not None:
        return f" {change.by:+d}"
    if written.members:
        return f" {', '.join(map(json_text, written.members))}"
    ttl = "" if change.ttl_seconds is None else f"   ttl {change.ttl_seconds:g} s"
    return f" = {json_text(written.value)}{ttl}" if bytes(written.value) else ttl


def _whence(change: Change) -> str:
    at = "" if change.node is None else f"   at {printable(change.node)}"
    return f"vc {change.vc}{at}"


def show_event_json(event: WatchEvent) -> None:
    """Print what a watch tells as one line of JSON: the node's data with its ``token``.

    What is no change has an ``event``.
    """
    told: dict[str, Any] = msgspec.json.decode(event.text, type=dict[str, msgspec.Raw])
    if isinstance(event, InitialStateEnd):
        told["event"] = "end-of-initial-state"
    elif not isinstance(event, Change):
        told |= {"event": "reset", "error": event.error}
    show_json({**told, "token": str(event.token)})
