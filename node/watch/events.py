"""Changes and state as server-sent events: the text that a watcher reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from node.core.dot import node_id_of
from node.core.write import AddMembers, Delete, Expire, Increment, Put, RemoveMembers

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.vector_clock import VectorClock
    from node.core.versions import Version
    from node.core.write import Operation, Write
    from node.watch.merging import Step

CONTENT_TYPE = "text/event-stream"
RETRY_MS = 1_000
RESET = "reset"
END_OF_INITIAL_STATE = "end-of-initial-state"


class Change(Struct, kw_only=True):
    """The data of one event. ``ttl`` in seconds; ``expired`` is the dot of the version whose time is over."""

    op: str
    key: str
    value: Raw | UnsetType = UNSET
    by: int | UnsetType = UNSET
    members: list[Raw] | UnsetType = UNSET
    ttl: float | UnsetType = UNSET
    expired: str | UnsetType = UNSET
    node: str
    dot: str
    vc: list[int]
    clock: dict[str, int]
    timestamp: tuple[int, int]
    initial: Literal[True] | UnsetType = UNSET


class CounterState(Struct, kw_only=True):
    """The data of an event of the initial state about a counter."""

    op: str = "counter"
    key: str
    value: int
    vc: list[int]
    initial: bool = True


class SetState(Struct, kw_only=True):
    """The data of an event of the initial state about some members of a set."""

    op: str = "set"
    key: str
    members: list[Raw]
    vc: list[int]
    initial: bool = True


OPERATION_NAMES: dict[type, str] = {
    Put: "put",
    Delete: "delete",
    Expire: "expire",
    Increment: "incr",
    AddMembers: "sadd",
    RemoveMembers: "srem",
}
_encode = msgspec.json.Encoder().encode
# A value is kept as it was written: line breaks between its parts, which would end the line of an event, mean nothing
# in JSON. Within texts JSON has none.
_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def event_text(content: Any) -> bytes:
    """The text of an event with this content."""
    return b"data: %b\n\n" % _encode(content).translate(_LINE_BREAKS)


def id_line(position: VectorClock) -> bytes:
    """The line that carries a watcher's position: the text of the token that covers all that was sent.

    Before the first write of all that is a blank, which means the same as no token: a browser that is told an empty
    position does not name it when it comes again, and would be served from then on.
    """
    return b"id: %b\n" % (str(position).encode() or b" ")


def beginning(position: VectorClock | None) -> bytes:
    """What a stream begins with; None: there is no position until the state was sent."""
    id_ = b"" if position is None else id_line(position)
    return b": causalkv\nretry: %d\n%b\n" % (RETRY_MS, id_)


def keep_alive(position: VectorClock | None) -> bytes:
    """Shows that the connection lives, and moves on whom no change concerned."""
    return b": keep-alive\n%b\n" % (b"" if position is None else id_line(position))


def named(event: str, content: Any, position: VectorClock) -> bytes:
    """An event that is no change."""
    return b"event: %b\n%b%b" % (event.encode(), id_line(position), event_text(content))


class WriteEvents:
    """The events of one write: each is made once, when somebody is to get it, however many get it."""

    __slots__ = ("_datas", "_id_line", "_shown", "_step")

    def __init__(self, step: Step, shown: Callable[[VectorClock], list[int]]) -> None:
        self._step = step
        self._shown = shown
        self._datas: list[bytes | None] = [None] * len(step.write.operations)
        self._id_line: bytes | None = None

    def about(self, prefix: str) -> tuple[bytes, int]:
        """The events of the operations on keys that begin with ``prefix``, and how many they are.

        The last one alone has the position, so that nobody resumes inside of a write.
        """
        places = [place for place, each in enumerate(self._step.write.operations) if each.key.startswith(prefix)]
        if not places:
            return b"", 0
        if self._id_line is None:
            self._id_line = id_line(self._step.position)
        datas = [self._data(place) for place in places]
        datas.insert(-1, self._id_line)
        return b"".join(datas), len(places)

    def _data(self, place: int) -> bytes:
        data = self._datas[place]
        if data is None:
            data = self._datas[place] = event_text(
                change_of(self._step.write, self._step.write.operations[place], self._shown)
            )
        return data


def change_of(write: Write, operation: Operation, shown: Callable[[VectorClock], list[int]]) -> Change:
    """One operation of a write, as it is told."""
    change = Change(
        op=OPERATION_NAMES[type(operation)],
        key=operation.key,
        node=node_id_of(write.dot.replica),
        dot=str(write.dot),
        vc=shown(write.clock),
        clock=dict(write.clock.items()),
        timestamp=write.timestamp,
    )
    match operation:
        case Put():
            change.value = Raw(operation.value)
            change.ttl = operation.ttl_ms / 1000 if operation.ttl_ms else UNSET
        case Expire():
            change.expired = str(operation.dot)
        case Increment():
            change.by = operation.by
        case AddMembers() | RemoveMembers():
            change.members = [Raw(member) for member in operation.members]
    return change


def value_of(key: str, version: Version, shown: Callable[[VectorClock], list[int]], now_ms: int) -> Change:
    """One of the concurrent values of a key, as part of the initial state."""
    return Change(
        op="put",
        key=key,
        value=Raw(version.value),
        ttl=max(0, version.expires_ms - now_ms) / 1000 if version.expires_ms else UNSET,
        node=node_id_of(version.dot.replica),
        dot=str(version.dot),
        vc=shown(version.clock),
        clock=dict(version.clock.items()),
        timestamp=version.timestamp,
        initial=True,
    )
