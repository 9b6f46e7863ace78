"""The lines of an export: a header, a line for each key, counter and part of a set, and an end that has the counts.

    {"causalkv_export":1,"export_id":"9f86d081884c7d65","prefix":"","exported_at":"2025-01-31T12:00:00+00:00"}
    {"key":"greeting","value":"hello","vc":[1,0,0]}
    {"key":"cart","value":[2],"vc":[0,1,1],"siblings":[{"value":[2],"vc":[0,1,1],"node":"node3"},…]}
    {"counter":"hits","value":3}
    {"set":"tags","members":["a","b"]}
    {"end":true,"keys":2,"counters":1,"sets":1,"members":2,"lines":6,"token":"node1~t5k2m1=3"}

A file without its end was cut off. Values stand word for word as they were written. ``ttl`` is what was left, in
seconds; the first of ``siblings`` is the winner, which ``value`` shows too; a set with many members has several lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from client.errors import TransferFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

FORMAT = 1
# The largest value that a node may be told to take is 8 MiB; a key has one sibling for each replica at most.
LINE_MAX_BYTES = 256 * 1024 * 1024


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line; ``export_id`` is random, and names this export for ever."""

    causalkv_export: int
    export_id: str
    prefix: str = ""
    exported_at: str = ""


class SiblingLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of several concurrent values of a key."""

    value: msgspec.Raw
    vc: list[int] = []
    node: str = ""
    ttl: float | None = None


class KeyLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key and its value."""

    key: str
    value: msgspec.Raw
    vc: list[int] = []
    ttl: float | None = None
    siblings: list[SiblingLine] = []


class CounterLine(msgspec.Struct, frozen=True, kw_only=True):
    """A counter and what it stands at."""

    counter: str
    value: int


class SetLine(msgspec.Struct, frozen=True, kw_only=True):
    """Some members of a set."""

    set: str
    members: list[msgspec.Raw]


class EndLine(msgspec.Struct, frozen=True, kw_only=True):
    """The last line; ``lines`` counts all, header and end included. ``token`` covers what was exported."""

    end: bool
    keys: int
    counters: int
    sets: int
    members: int
    lines: int
    token: str = ""


Line = KeyLine | CounterLine | SetLine | EndLine

# What a line is can be told by a field that only lines of that kind have.
_KINDS: dict[str, type[Any]] = {"key": KeyLine, "counter": CounterLine, "set": SetLine, "end": EndLine}
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in _KINDS.items()}
_header = msgspec.json.Decoder(Header)
_key = _decoders["key"]
KEY_START = b'{"key":'


@dataclass(slots=True)
class Counts:
    """How much there was; a set of several lines counts once, as its lines follow each other."""

    keys: int = 0
    counters: int = 0
    sets: int = 0
    members: int = 0
    last_set: str | None = None

    def add(self, line: Line) -> None:
        """Count a line."""
        match line:
            case KeyLine():
                self.keys += 1
            case CounterLine():
                self.counters += 1
            case SetLine():
                self.sets += line.set != self.last_set
                self.members += len(line.members)
                self.last_set = line.set
            case EndLine():
                pass

    def end(self, lines: int, token: str = "") -> EndLine:
        """The line that says so."""
        return EndLine(
            end=True,
            keys=self.keys,
            counters=self.counters,
            sets=self.sets,
            members=self.members,
            lines=lines,
            token=token,
        )


class LineReader:
    """Reads an export line by line, in bounded memory; ``number`` and ``read_bytes`` say how far it is."""

    def __init__(self, file: BinaryIO) -> None:
        self.number = 0
        self.read_bytes = 0
        self._file = file

    def header(self) -> Header:
        """The first line. Raises TransferFileError when the file is no export that this program knows."""
        text = self._next()
        try:
            header: Header = _header.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._wrong('this is no export: one begins with a line such as {"causalkv_export":1,…}') from None
        if header.causalkv_export != FORMAT:
            raise self._wrong(f"format {header.causalkv_export}: this program knows format {FORMAT}")
        return header

    def lines(self) -> Iterator[KeyLine | CounterLine | SetLine]:
        """All lines behind the header, the end excluded. Raises TransferFileError, naming the line."""
        counts = Counts()
        while True:
            line = self._decoded(self._next())
            if isinstance(line, EndLine):
                told = counts.end(self.number, line.token)
                if line != told:
                    raise self._wrong(f"the end counts {_shown(line)}, but there are {_shown(told)}")
                if self._file.read(1):
                    raise self._wrong("something follows behind the end")
                return
            counts.add(line)
            yield line

    def _next(self) -> bytes:
        text = self._file.readline(LINE_MAX_BYTES + 1)
        self.number += 1
        self.read_bytes += len(text)
        if len(text) > LINE_MAX_BYTES:
            raise self._wrong(f"longer than {LINE_MAX_BYTES} bytes")
        if not text.endswith(b"\n"):
            raise self._wrong("the file ends here, without its last line: it was cut off")
        return text

    def _decoded(self, text: bytes) -> Line:
        try:
            if text.startswith(KEY_START):  # nearly every line
                line: Line = _key.decode(text)
                return line
            fields = _fields.decode(text)
            name = next((name for name in _KINDS if name in fields), None)
            if name is None:
                raise self._wrong(f"none of the fields {', '.join(_KINDS)} is there")
            line = _decoders[name].decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._wrong(str(error)) from None
        return line

    def _wrong(self, what: str) -> TransferFileError:
        return TransferFileError(f"line {self.number}: {what}")


def _shown(end: EndLine) -> str:
    return f"{end.keys} keys, {end.counters} counters, {end.sets} sets, {end.members} members on {end.lines} lines"
