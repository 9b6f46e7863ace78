"""The rules by which ShiViz judges a log, so that a test can say that it takes an export.

They stand in its documentation, and are checked in js/model/parser.js, vectorTimestamp.js and modelGraph.js of
https://github.com/DistributedClocks/shiviz: a log is what a regular expression finds in a text; the own host stands in
every clock; a host's own entries begin at 1 and grow by exactly 1; every host and event that a clock names is there.
Beyond what ShiViz checks, clocks must be transitive: who knows an event knows all that it knew.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEEDED_GROUPS = {"event", "host", "clock"}


class Entry(NamedTuple):
    """One event as ShiViz understands it."""

    host: str
    event: str
    clock: dict[str, int]
    fields: dict[str, str]

    @property
    def name(self) -> tuple[str, str, str]:
        """Host, kind of event, and dot, as this project's logs have them."""
        return self.host, self.event.split()[0], re.findall(r"\((\S+?)(?: vc \[.*?\])?\)$", self.event)[0]

    @property
    def own(self) -> int:
        """Its number among the events of its host."""
        return self.clock[self.host]


def read_file(text: str) -> list[Entry]:
    """A log as ShiViz reads it from a chosen file: parser and delimiter stand in the first two lines.

    Nothing else than entries may be left: what the parser does not find, ShiViz passes by in silence.
    """
    parser, delimiter, log = text.split("\n", 2)
    assert delimiter.strip() == "", "one execution has no delimiter"
    pattern = _python_pattern(f"^{parser}$")
    assert set(pattern.groupindex) >= NEEDED_GROUPS
    left = pattern.sub("", log)
    assert left.strip("\n") == "", f"these are no entries: {left[:500]!r}"
    return _entries(pattern, log)


def read_pasted(text: str) -> list[Entry]:
    """A log as ShiViz reads it when all of it is pasted as the log, and its first line as the parser."""
    return _entries(_python_pattern(text.partition("\n")[0].strip()), text.strip())


def _python_pattern(javascript: str) -> re.Pattern[str]:
    """The same expression: a dot means anything but a line end, of which JavaScript knows four."""
    return re.compile(javascript.replace("(?<", "(?P<").replace(".", r"[^\n\r\u2028\u2029]"), re.MULTILINE)


def _entries(pattern: re.Pattern[str], log: str) -> list[Entry]:
    entries = []
    for match in pattern.finditer(log):
        fields = match.groupdict()
        host, event, clock = fields.pop("host"), fields.pop("event"), json.loads(fields.pop("clock"))
        entries.append(Entry(host, event, clock, fields))
    return entries


def check(entries: Iterable[Entry]) -> None:
    """Fail unless ShiViz takes these entries, in any order."""
    lines: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        assert entry.host in entry.clock, f"the own host is missing from the clock: {entry}"
        assert all(type(count) is int and count > 0 for count in entry.clock.values()), entry
        lines[entry.host].append(entry)
    for host, line in lines.items():
        line.sort(key=lambda entry: entry.own)
        assert [entry.own for entry in line] == list(range(1, len(line) + 1)), f"the clock of {host} must grow by 1"
    for line in lines.values():
        for entry in line:
            for host, number in entry.clock.items():
                assert host in lines, f"an entry for the unrecognized host {host}: {entry}"
                assert number <= len(lines[host]), f"{host} has no event {number}: {entry}"
                named = lines[host][number - 1]
                assert is_at_most(named.clock, entry.clock), f"{entry} names {named} and does not know what that knew"


def is_at_most(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether a clock knows nothing that the other one does not know."""
    return all(count <= other.get(host, 0) for host, count in one.items())


def happened_before(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether the event of one clock happened before that of the other."""
    return is_at_most(one, other) and one != other
