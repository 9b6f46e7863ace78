"""From a cluster to lines: the initial state of a watch, which is one causal cut, read to its end."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from client.changes import Change, InitialStateEnd, Reset
from client.errors import ClusterError
from client.transfer.lines import FORMAT, CounterLine, Counts, EndLine, Header, KeyLine, SetLine, SiblingLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from client.changes import WatchEvent
    from client.session import Session
    from client.transfer.lines import Line

EXPORT_ID_BYTES = 8
SHOW_EVERY_LINES = 1_000

_LINE_ENDS = re.compile(rb"[\r\n]")
_encode = msgspec.json.Encoder().encode


class BrokenOffError(ClusterError):
    """The connection broke within the state: what was read so far is worth nothing, and it must begin anew."""


class _WrittenState(msgspec.Struct, frozen=True):
    """A part of the state with its values word for word."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    members: list[msgspec.Raw] = []


_written = msgspec.json.Decoder(_WrittenState)


class Exporter:
    """One export; ``counts`` says how much there was, ``with_siblings`` how many keys had concurrent values."""

    def __init__(self, session: Session, prefix: str, node: str | None) -> None:
        self.counts = Counts()
        self.with_siblings = 0
        self._session = session
        self._prefix = prefix
        self._node = node
        self._lines = 0

    def write(self, write: Callable[[bytes], Any], show: Callable[[str, float | None], None]) -> EndLine:
        """Give each line to ``write``; returns the last one.

        Raises BrokenOffError when it is to begin anew, with nothing of what was written, and other ClusterErrors.
        """
        header = Header(
            causalkv_export=FORMAT,
            export_id=secrets.token_hex(EXPORT_ID_BYTES),
            prefix=self._prefix,
            exported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._put(write, header)
        with self._session.watch(self._prefix, initial=True, node=self._node) as watch:
            siblings: list[Change] = []
            for event in watch:
                if isinstance(event, Reset):
                    raise BrokenOffError(f"the export broke off, begin it anew: {event.error}")
                is_put = isinstance(event, Change) and event.op == "put"
                if siblings and not (is_put and isinstance(event, Change) and event.key == siblings[0].key):
                    self._put(write, self._key_line(siblings))
                    siblings = []
                if isinstance(event, InitialStateEnd):
                    end = self.counts.end(self._lines + 1, str(event.token))
                    self._put(write, end)
                    return end
                if is_put:
                    siblings.append(event)
                else:
                    self._put(write, _other_line(event))
                if self._lines % SHOW_EVERY_LINES == 0:
                    show(f"{self._lines} lines", None)
        raise BrokenOffError("the export broke off before its end: begin it anew")

    def _put(self, write: Callable[[bytes], Any], line: Header | Line) -> None:
        write(_encode(line) + b"\n")
        self._lines += 1
        if not isinstance(line, Header):
            self.counts.add(line)

    def _key_line(self, versions: list[Change]) -> KeyLine:
        found = list(map(_sibling, versions))
        self.with_siblings += len(found) > 1
        winner = found[0]
        return KeyLine(
            key=versions[0].key,
            value=winner.value,
            vc=winner.vc,
            ttl=winner.ttl,
            siblings=found if len(found) > 1 else [],
        )


def _on_one_line(value: msgspec.Raw) -> msgspec.Raw:
    """The same JSON; a value may have been written with line ends between its parts, which would end the line."""
    return msgspec.Raw(msgspec.json.format(bytes(value), indent=-1)) if _LINE_ENDS.search(value) else value


def _sibling(change: Change) -> SiblingLine:
    value = _on_one_line(_written.decode(change.text).value)
    return SiblingLine(value=value, vc=change.vc, node=change.node or "", ttl=change.ttl_seconds)


def _other_line(event: WatchEvent) -> CounterLine | SetLine:
    """The line of what is no register; raises ClusterError for what this program does not know."""
    if isinstance(event, Change) and event.op == "counter":
        return CounterLine(counter=event.key, value=int(event.value))
    if isinstance(event, Change) and event.op == "set":
        return SetLine(set=event.key, members=list(map(_on_one_line, _written.decode(event.text).members)))
    raise ClusterError(f"the state has a part that this program does not know: {event}")
