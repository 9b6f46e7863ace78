"""Server-sent events: bytes in, events out (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

from dataclasses import dataclass

from client.errors import UnexpectedAnswerError

# Above the largest body that a node takes, so above what a change can hold.
EVENT_MAX_BYTES = 64 * 1024 * 1024
DEFAULT_KIND = "message"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    ``id``: where the stream is now, None when the event does not say. ``data`` is empty when only the position
    moved, which no browser would tell its page of.
    """

    kind: str
    data: bytes
    id: str | None


class EventStreamParser:
    """Takes a stream in pieces of any size, and gives the events that are complete."""

    def __init__(self) -> None:
        self._unparsed = bytearray()
        self._looked_through = 0
        self._begin_event()

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        r"""Take the next bytes. Raises UnexpectedAnswerError for an event that is larger than any node's.

        Lines may end with ``\\n`` or ``\\r\\n``; a lone ``\\r``, which the standard also knows, no node sends.
        """
        self._unparsed += piece
        events = []
        while (end := self._unparsed.find(b"\n", self._looked_through)) >= 0:
            line = bytes(self._unparsed[:end]).removesuffix(b"\r")
            del self._unparsed[: end + 1]
            self._looked_through = 0
            event = self._take_line(line)
            if event is not None:
                events.append(event)
        self._looked_through = len(self._unparsed)
        if len(self._unparsed) + self._data_bytes > EVENT_MAX_BYTES:
            raise UnexpectedAnswerError(f"an event of the stream has more than {EVENT_MAX_BYTES} bytes")
        return events

    def _begin_event(self) -> None:
        self._kind = ""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._id: str | None = None

    def _take_line(self, line: bytes) -> ServerSentEvent | None:
        if not line:
            return self._end_event()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
                self._data_bytes += len(value)
            case b"event":
                self._kind = value.decode(errors="replace")
            case b"id" if b"\0" not in value:
                self._id = value.decode(errors="replace")
        return None  # other fields, and comments, whose name is empty, mean nothing

    def _end_event(self) -> ServerSentEvent | None:
        kind, data, position = self._kind, self._data, self._id
        self._begin_event()
        if not data and position is None:
            return None
        return ServerSentEvent(kind or DEFAULT_KIND, b"\n".join(data), position)
