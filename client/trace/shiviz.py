r"""A trace as ShiViz reads it (https://bestchai.bitbucket.io/shiviz/).

ShiViz takes a log and a regular expression with the groups event, host and clock, where the clock is a JSON object.
The first two lines of a file say them: the expression, and a delimiter of several executions, here none. Both lines
match nothing, so the whole text can also be pasted.

No text may break a line (``.`` ends at every line end that JavaScript knows), and no description may look like the
second line of an entry: its first word is followed by anything but a brace.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from client.render import printable
from client.trace.words import details_of, keys_of, time_of

if TYPE_CHECKING:
    from client.node_events import NodeEvent
    from client.trace.trace_clocks import TraceClock

_PARSER = r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*}) (?<at>\S*)"
_DELIMITER = ""
HEADER = f"{_PARSER}\n{_DELIMITER}"
"""The first two lines; ``at``, the node's wall clock, is shown beside the event."""


def entry(event: NodeEvent, clock: TraceClock) -> str:
    """The two lines of one event; what differs from event to event comes first, as ShiViz cuts long lines."""
    operations = ",".join(map(_word, event.operations))
    write = f"({event.dot} vc {event.vc})" if event.vc else f"({event.dot})"
    what = " ".join(filter(None, (_word(event.kind), operations, keys_of(event), details_of(event), write)))
    named = {_word(host): count for host, count in clock.items()}
    json = msgspec.json.encode(named).decode()
    return f"{printable(what)}\n{_word(event.node)} {json} {time_of(event)}"


def _word(text: str) -> str:
    """Node ids and kinds have no other characters, unless something else than a node made them."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text) or "_"
