"""The thread that streams events to clients: each gets what comes behind its position, some thousand a second at most.

Nothing is queued for a client: it reads from the ring when it has room. Who falls behind further than the ring reaches
is told how many events it missed, and goes on with the oldest that is kept.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from node.errors import UnavailableError
from node.event_log.telling import (
    KEEP_ALIVE,
    RETRY_MS,
    Beginning,
    format_position,
    server_sent,
    server_sent_gap,
    server_sent_hello,
)
from node.watch.stream import Block, Stream
from node.watch.stream_hub import KEEP_ALIVE_SECONDS, REST_MIN_SECONDS, StreamHub, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.event_log.metrics import EventMetrics
    from node.event_log.telling import Hello, Teller

EVENTS_PER_SECOND_MAX = 5_000
"""So many events at most are sent to a stream: more nobody can look at, and putting them into words costs time."""
PART_EVENTS = 250
PART_BYTES = 256 * 1024
# Who has so much unsent gets no further part.
ROOM_BYTES = 256 * 1024


class StreamPlace:
    """One stream's place; giving it back twice is no harm."""

    def __init__(self, places: StreamPlaces) -> None:
        self._places = places
        self._is_held = True

    def give_back(self) -> None:
        """Another client may come."""
        with self._places.lock:
            self._places.taken -= self._is_held
            self._is_held = False


class StreamPlaces:
    """Counts streams; safe from any thread."""

    def __init__(self, maximum: int) -> None:
        self.lock = threading.Lock()
        self.taken = 0
        self._maximum = maximum

    def take(self) -> StreamPlace | None:
        """A place, or None when there is none."""
        with self.lock:
            if self.taken >= self._maximum:
                return None
            self.taken += 1
        return StreamPlace(self)


class EventReader:
    """One client; for the hub's thread. ``number``: the last event that it was sent, or told to be left out."""

    def __init__(self, stream: Stream, number: int) -> None:
        self.stream = stream
        self.number = number

    @property
    def has_room(self) -> bool:
        """Whether it has taken enough to be sent more."""
        return self.stream.is_open and self.stream.unsent_bytes < ROOM_BYTES


class _Part(NamedTuple):
    """What comes behind a position, in words, once for all who stand there."""

    block: Block
    events: int
    dropped: int
    last: int


class EventHub(StreamHub[Beginning, StreamPlace, EventReader]):
    """All streams of events of a node; ``recorded``, ``admit`` and the tickets from any thread."""

    def __init__(
        self,
        teller: Teller,
        hello: Callable[[], Hello],
        metrics: EventMetrics,
        *,
        max_streams: int,
        limit_reached: Callable[[str], None],
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        """``hello`` says how the node is now."""
        super().__init__("events", keep_alive_seconds)
        self._teller = teller
        self._log = teller.log
        self._hello = hello
        self._metrics = metrics
        self._stream_places = StreamPlaces(max_streams)
        self._max_streams = max_streams
        self._limit_reached = limit_reached
        self._nodes = teller.nodes
        self._events_of_turn = 0
        metrics.streams.set_function(lambda: self._stream_places.taken)

    # ------------------------------------------------------------------------ from any thread

    def recorded(self, events: int) -> None:
        """So many events are new; called by the replica's thread, for which it must cost next to nothing."""
        self._metrics.recorded.inc(events)
        if self._stream_places.taken:
            self.wake()

    def admit(self, beginning: Beginning) -> Ticket[Beginning, StreamPlace]:
        """Let one more client be streamed to. Raises UnavailableError when there are too many."""
        place = self._stream_places.take()
        if place is None:
            self._limit_reached("events_max_streams")
            raise UnavailableError(
                f"{self._max_streams} clients are streamed the events of this node already: try later, or ask without "
                "Accept: text/event-stream"
            )
        return Ticket(self, beginning, place)

    # -------------------------------------------------------------------------- the own thread

    def _open(self, wish: Beginning, place: StreamPlace, stream: Stream) -> EventReader:
        del place
        if not self._clients:
            self._nodes = self._teller.nodes
        position = format_position(self._log.run, wish.number)
        text = b": causalkv\nretry: %d\n\n" % RETRY_MS + server_sent_hello(self._hello(), position)
        if not wish.is_known:
            text += server_sent_gap(None, position)
        stream.send(Block(text))
        return EventReader(stream, wish.number)

    def _advance(self) -> bool:
        self._greet_again()
        parts: dict[int, _Part] = {}
        self._events_of_turn = 0
        has_more = False
        for reader in self._clients.values():
            if not reader.has_room:
                continue  # it goes on when its socket takes something
            part = parts.get(reader.number)
            if part is None:
                part = parts[reader.number] = self._part_behind(reader.number)
            reader.stream.send(part.block)
            reader.number = part.last
            self._metrics.left_out.inc(part.dropped)
            self._events_of_turn = max(self._events_of_turn, part.events)
            has_more |= part.last < self._log.last
        return has_more

    def _greet_again(self) -> None:
        """Shown clocks have numbers for other nodes than before: say for which."""
        if self._nodes == self._teller.nodes:
            return
        self._nodes = self._teller.nodes
        hello = self._hello()
        for reader in self._clients.values():
            reader.stream.send(Block(server_sent_hello(hello, format_position(self._log.run, reader.number))))

    def _part_behind(self, number: int) -> _Part:
        part = self._log.after(number, PART_EVENTS)
        last = number + part.dropped
        texts = [server_sent_gap(part.dropped, format_position(self._log.run, last))] if part.dropped else []
        size_bytes = events = 0
        for recorded in part.events:
            texts.append(server_sent(self._teller.text(recorded), format_position(self._log.run, recorded.number)))
            last = recorded.number
            events += 1
            size_bytes += len(texts[-1])
            if size_bytes >= PART_BYTES:
                break
        return _Part(Block(b"".join(texts)), events, part.dropped, last)

    def _rest_seconds(self, turn_seconds: float) -> float:
        return max(turn_seconds, REST_MIN_SECONDS, self._events_of_turn / EVENTS_PER_SECOND_MAX)

    def _gone(self, client: EventReader) -> None:
        if client.stream.was_too_slow:
            self._metrics.cut_off.inc()

    def _keep_alive(self) -> None:
        block = Block(KEEP_ALIVE)
        for reader in self._clients.values():
            if not reader.stream.unsent_bytes:
                reader.stream.send(block)
