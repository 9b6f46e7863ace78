"""Events as people read them: the parts of a line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from client.render import json_text

if TYPE_CHECKING:
    from client.node_events import NodeEvent

KEY_CHARACTERS_MAX = 60


def time_of(event: NodeEvent) -> str:
    """The wall clock of the node, in UTC; one that is out of any calendar is shown as a number."""
    try:
        moment = datetime.fromtimestamp(event.at_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{event.at_ms:g}"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of_day(event: NodeEvent) -> str:
    """As `time_of`, without the date."""
    return time_of(event).partition("T")[2] or time_of(event)


def keys_of(event: NodeEvent) -> str:
    """The keys that the write touches, each as a JSON text, so that it can be told where it ends."""
    keys = [json_text(_shortened(key)) for key in event.keys]
    return " ".join([*keys, f"and {event.keys_left_out} more"] if event.keys_left_out else keys)


def details_of(event: NodeEvent) -> str:
    """What only some kinds of events have."""
    if event.waits_for is not None:
        return f"waits for {event.waits_for}"
    return "" if event.held_seconds is None else f"after {event.held_seconds:.3f} s"


def _shortened(key: str) -> str:
    return key if len(key) <= KEY_CHARACTERS_MAX else key[:KEY_CHARACTERS_MAX] + "…"
