"""How events are printed: a table or lines for people, JSON lines for programs, ShiViz's log."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from client.render import line, printable, show_json, table
from client.trace import shiviz
from client.trace.trace_clocks import TraceClocks
from client.trace.words import details_of, keys_of, time_of_day

if TYPE_CHECKING:
    from client.node_events import NodeEvent
    from client.trace.collecting import Found

COLUMNS = ("time (UTC)", "node", "event", "write", "what", "vc", "")
KIND_CHARACTERS = len("delivered")


class EventFormat(enum.StrEnum):
    """How events are printed."""

    TABLE = "table"
    JSON = "json"
    SHIVIZ = "shiviz"


class Printer(ABC):
    """Prints events on stdout, as they come in causal order."""

    @abstractmethod
    def show(self, found: Found) -> None:
        """Print an event, or keep it for the end."""

    def pass_by(self, event: NodeEvent) -> None:  # noqa: B027  # to most it means nothing
        """Hear of an event that is not to be printed."""

    def end(self) -> None:  # noqa: B027  # as above
        """That was all."""


class TablePrinter(Printer):
    """A table, whose columns are known at the end."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, ...]] = []

    def show(self, found: Found) -> None:
        """As `Printer`."""
        self._rows.append(_cells(found.event))

    def end(self) -> None:
        """As `Printer`."""
        table(COLUMNS, self._rows)


class LinePrinter(Printer):
    """A line for each event, at once."""

    def show(self, found: Found) -> None:
        """As `Printer`."""
        time, node, kind, *rest = _cells(found.event)
        line(printable("  ".join(filter(None, (time, node, f"{kind:{KIND_CHARACTERS}}", *rest)))))


class JsonPrinter(Printer):
    """Each event as the node told it."""

    def show(self, found: Found) -> None:
        """As `Printer`."""
        show_json(found.text)


class ShivizPrinter(Printer):
    """The log that ShiViz reads."""

    def __init__(self) -> None:
        self._clocks = TraceClocks()
        self._has_begun = False

    def show(self, found: Found) -> None:
        """As `Printer`."""
        self._begin()
        line(shiviz.entry(found.event, self._clocks.clock(found.event)))

    def pass_by(self, event: NodeEvent) -> None:
        """As `Printer`."""
        self._clocks.pass_by(event)

    def end(self) -> None:
        """As `Printer`."""
        self._begin()

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            line(shiviz.HEADER)


def printer_for(form: EventFormat, *, is_following: bool) -> Printer:
    """Return what prints in a format."""
    match form:
        case EventFormat.JSON:
            return JsonPrinter()
        case EventFormat.SHIVIZ:
            return ShivizPrinter()
        case EventFormat.TABLE:
            return LinePrinter() if is_following else TablePrinter()


def _cells(event: NodeEvent) -> tuple[str, ...]:
    what = " ".join(filter(None, (",".join(event.operations), keys_of(event))))
    vc = str(event.vc) if event.vc else ""
    return (time_of_day(event), event.node, event.kind, event.dot, what, vc, details_of(event))
