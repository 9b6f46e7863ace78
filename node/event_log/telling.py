"""Recorded events in words: as JSON, page by page, and as server-sent events; and the positions that resume them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from node.core.dot import node_id_of
from node.errors import InvalidRequestError
from node.event_log.recording import EventKind  # noqa: TC001  # msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.shown_clock import ShownClocks
    from node.core.vector_clock import VectorClock
    from node.event_log.recording import EventLog, RecordedEvent

POSITION_PATTERN = r"^([a-z0-9]{1,16}-)?[0-9]{1,15}$"
"""A number of this run, or a number with the run that it belongs to."""
_SHOWN_CHARACTERS_MAX = 80
# An event of a cluster in which thousand replicas have written is large.
PAGE_MAX_BYTES = 4 * 1024 * 1024
RETRY_MS = 1_000
HELLO, GAP = "hello", "gap"
KEEP_ALIVE = b": keep-alive\n\n"

ShownClock = Annotated[
    list[int], Meta(description="one number of writes for each node, in natural order of the node ids")
]
ClockByReplica = Annotated[dict[str, int], Meta(description="number of writes by replica id")]
DotText = Annotated[str, Meta(description="a write's name: replica id, colon, number", examples=["node1~t5k2m1:3"])]
PositionText = Annotated[str, Meta(pattern=POSITION_PATTERN, examples=["k3f9x2-118"])]


class Event(Struct, kw_only=True):
    """A step of a write at this node.

    ``confirmed`` has no clocks, keys and operations when only the write's name is known any more.
    """

    number: Annotated[int, Meta(ge=1, description="grows by 1 with each event of this run")]
    kind: EventKind
    at_ms: Annotated[float, Meta(description="this node's wall clock, ms since 1970")]
    node: Annotated[str, Meta(description="where it happened")]
    dot: DotText
    replica: Annotated[str, Meta(description="who made the write")]
    origin: Annotated[str, Meta(description="the node of that replica")]
    seq: Annotated[int, Meta(ge=1)]
    clock: ClockByReplica | UnsetType = UNSET
    vc: ShownClock | UnsetType = UNSET
    keys: Annotated[list[str], Meta(description="the first keys that the write touches")] | UnsetType = UNSET
    keys_left_out: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    operations: Annotated[list[str], Meta(description="what it does, each name once, as in /watch")] | UnsetType = UNSET
    waits_for: Annotated[DotText, Meta(description="held only")] | UnsetType = UNSET
    held_seconds: Annotated[float, Meta(ge=0, description="released only")] | UnsetType = UNSET


class Events(Struct, kw_only=True):
    """A page of events, the oldest first."""

    node: str
    replica: Annotated[str, Meta(description="the replica id under which the node writes now")]
    run: Annotated[str, Meta(description="this run of the process; events are kept in its memory")]
    events: list[Event]
    next: Annotated[PositionText, Meta(description="since, for what comes behind this page")]
    dropped: Annotated[
        int | None,
        Meta(description="events between since and the first one here that are no longer kept; null: of another run"),
    ]
    more: Annotated[bool, Meta(description="whether there are further events already")]


class Position(NamedTuple):
    """Behind which event somebody stands; ``run`` None: of the present one."""

    run: str | None
    number: int


class Beginning(NamedTuple):
    """The number behind which to begin; ``is_known`` False: nobody knows how many events lie in between."""

    number: int
    is_known: bool


class Hello(Struct, kw_only=True):
    """What a stream begins with: whose it is, where the node stands, and the nodes that ``vc`` has numbers for."""

    node: str
    replica: str
    run: str
    vc: list[int]
    clock: dict[str, int]
    nodes: tuple[str, ...]
    wall_ms: float


_encode = msgspec.json.Encoder().encode


def parse_position(text: str, name: str) -> Position:
    """The position that ``name`` gives. Raises InvalidRequestError."""
    if not re.fullmatch(POSITION_PATTERN, text):
        shown = text[:_SHOWN_CHARACTERS_MAX]
        raise InvalidRequestError(
            f"{name} is {shown!r}: use what an earlier answer called next, such as k3f9x2-118, or a number"
        )
    run, dash, number = text.rpartition("-")
    return Position(run if dash else None, int(number))


def format_position(run: str, number: int) -> str:
    """A position as clients keep it."""
    return f"{run}-{number}"


def beginning_at(log: EventLog, position: Position | None) -> Beginning:
    """Where to begin for somebody who stands there, or (None) who wants all that is kept.

    To somebody from another run, or from where this one has not come yet, everything that is kept is new.
    """
    if position is None:
        return Beginning(log.forgotten, is_known=True)
    is_known = position.run in (None, log.run) and position.number <= log.last
    return Beginning(position.number if is_known else log.forgotten, is_known)


class Teller:
    """Puts the events of one node into words; safe from any thread."""

    def __init__(self, log: EventLog, node: str, replica: Callable[[], str], shown_clocks: ShownClocks) -> None:
        """``replica`` tells under which id the node writes now."""
        self.log = log
        self._node = node
        self._replica = replica
        self._shown_clocks = shown_clocks

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that shown clocks have numbers for."""
        return self._shown_clocks.nodes

    def text(self, recorded: RecordedEvent) -> bytes:
        """One event as JSON."""
        dot, about = recorded.dot, recorded.about
        event = Event(
            number=recorded.number,
            kind=recorded.kind,
            at_ms=recorded.at_ms,
            node=self._node,
            dot=str(dot),
            replica=dot.replica,
            origin=node_id_of(dot.replica),
            seq=dot.seq,
        )
        if about is not None:
            event.clock = dict(about.clock.items())
            event.vc = self._shown_clocks.shown(about.clock)
            event.keys = list(about.keys)
            event.keys_left_out = about.keys_left_out
            event.operations = list(about.operations)
        if recorded.waits_for is not None:
            event.waits_for = str(recorded.waits_for)
        if recorded.held_seconds is not None:
            event.held_seconds = round(recorded.held_seconds, 6)
        return _encode(event)

    def page(self, position: Position | None, limit: int) -> bytes:
        """At most ``limit`` events behind a position, the oldest first; fewer when they are large."""
        beginning = beginning_at(self.log, position)
        part = self.log.after(beginning.number, limit)
        texts: list[Raw] = []
        size_bytes = 0
        for recorded in part.events:
            text = self.text(recorded)
            size_bytes += len(text)
            if texts and size_bytes > PAGE_MAX_BYTES:
                break
            texts.append(Raw(text))
        last = beginning.number + part.dropped + len(texts)
        return _encode(
            Events(
                node=self._node,
                replica=self._replica(),
                run=self.log.run,
                events=cast("list[Event]", texts),  # as JSON already
                next=format_position(self.log.run, last),
                dropped=part.dropped if beginning.is_known else None,
                more=last < self.log.last,
            )
        )

    def hello(self, clock: VectorClock, wall_ms: float) -> Hello:
        """What a stream begins with when the node has applied the writes of ``clock``."""
        return Hello(
            node=self._node,
            replica=self._replica(),
            run=self.log.run,
            vc=self._shown_clocks.shown(clock),
            clock=clock.as_dict(),
            nodes=self.nodes,
            wall_ms=wall_ms,
        )


def server_sent(text: bytes, position: str, name: str = "") -> bytes:
    """An event of a stream; ``text`` is JSON, which has no line breaks. Without a name it is the usual one."""
    event = b"event: %b\n" % name.encode() if name else b""
    return b"%bid: %b\ndata: %b\n\n" % (event, position.encode(), text)


def server_sent_hello(hello: Hello, position: str) -> bytes:
    """The hello of a stream."""
    return server_sent(_encode(hello), position, HELLO)


def server_sent_gap(dropped: int | None, position: str) -> bytes:
    """Some events are left out here; None: nobody knows how many, because the process was started anew."""
    content: dict[str, Any] = {"dropped": dropped}
    return server_sent(_encode(content), position, GAP)
