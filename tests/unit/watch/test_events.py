"""What watchers read: the text of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from node.core.dot import Dot
from node.core.vector_clock import VectorClock
from node.core.write import AddMembers, Delete, Expire, Increment, Operation, Put, RemoveMembers, Write
from node.http.causal_context import parse_context
from node.watch.events import WriteEvents, beginning, keep_alive, named
from node.watch.merging import Step
from tests.support.event_stream import Event, parsed
from tests.support.writes import NODE1, NODE2, put_write, write_of

if TYPE_CHECKING:
    from collections.abc import Callable

POSITION = VectorClock({NODE1: 3, NODE2: 1})


def shown(clock: VectorClock) -> list[int]:
    """Two nodes."""
    return [clock[NODE1], clock[NODE2]]


def events_of(write: Write, prefix: str = "") -> list[Event | str]:
    """What a client makes of the events of a write."""
    text, count = WriteEvents(Step(write, POSITION), shown).about(prefix)
    found = list(parsed(text.decode().splitlines(), _no_comment))
    assert len(found) == count
    return found


def _no_comment(line: str) -> None:
    raise AssertionError(line)


def test_a_put_says_what_was_put_and_by_whom() -> None:
    """With the writer's clock, shown and by replica, and the position of whoever has read it."""
    (event,) = events_of(put_write(NODE1, 3, "x", b'{"a": 1.10}', node2=1))
    assert event == Event(
        "message",
        {
            "op": "put",
            "key": "x",
            "value": {"a": 1.1},
            "node": "node1",
            "dot": f"{NODE1}:3",
            "vc": [3, 1],
            "clock": {NODE1: 3, NODE2: 1},
            "timestamp": [1_700_000_000_003, 0],
        },
        str(POSITION),
    )


def test_a_delete_has_no_value() -> None:
    """Not even null, which is a value."""
    (event,) = events_of(write_of(NODE1, 3, (Delete("x"),)))
    assert isinstance(event, Event)
    assert event.data["op"] == "delete"
    assert "value" not in event.data


@pytest.mark.parametrize(
    ("operation", "op", "more"),
    [
        (Put("k", b"1", 1500), "put", {"value": 1, "ttl": 1.5}),
        (Expire("k", Dot(NODE2, 4)), "expire", {"expired": f"{NODE2}:4"}),
        (Increment("k", -3), "incr", {"by": -3}),
        (AddMembers("k", ('"a"', "[1]")), "sadd", {"members": ["a", [1]]}),
        (RemoveMembers("k", ("null",)), "srem", {"members": [None]}),
    ],
)
def test_each_operation_says_what_it_does(operation: Operation, op: str, more: dict[str, object]) -> None:
    """With nothing that belongs to another one."""
    (event,) = events_of(write_of(NODE1, 3, (operation,)))
    assert isinstance(event, Event)
    common = {"node", "dot", "vc", "clock", "timestamp"}
    assert {name: value for name, value in event.data.items() if name not in common} == {"op": op, "key": "k", **more}


THREE: tuple[Operation, ...] = (Put("a/1", b"1"), Put("b/1", b"2"), Put("a/2", b"3"))


@pytest.mark.parametrize(
    ("prefix", "keys"), [("", ["a/1", "b/1", "a/2"]), ("a/", ["a/1", "a/2"]), ("b", ["b/1"]), ("c", [])]
)
def test_only_the_last_event_of_a_write_that_a_watcher_gets_carries_a_position(prefix: str, keys: list[str]) -> None:
    """So that nobody resumes inside of a write, whatever part of it concerns him."""
    events = events_of(write_of(NODE1, 3, THREE), prefix)
    assert [event.data["key"] for event in events if isinstance(event, Event)] == keys
    assert [event.position for event in events if isinstance(event, Event)] == [
        *[None] * (len(keys) - 1),
        *[str(POSITION)] * bool(keys),
    ]


@pytest.mark.parametrize("value", [b'{"a":\n 1}', b'{"a":\r\n 1}', b'{\r"a": 1}', b'\n\n{"a":1}\n\n'])
def test_line_breaks_in_a_value_do_not_end_the_event(value: bytes) -> None:
    """Values are kept as they were written, and JSON may be written on several lines."""
    (event,) = events_of(put_write(NODE1, 3, "x", value))
    assert isinstance(event, Event)
    assert event.data["value"] == {"a": 1}


def test_an_event_is_made_once_for_all_who_get_it() -> None:
    """Putting a write into words costs more than sending it."""
    encoded: list[VectorClock] = []

    def counting(clock: VectorClock) -> list[int]:
        encoded.append(clock)
        return shown(clock)

    events = WriteEvents(Step(write_of(NODE1, 3, THREE), POSITION), counting)
    for prefix in ["", "a", "b", "a/1", ""]:
        events.about(prefix)
    assert len(encoded) == len(THREE)


@pytest.mark.parametrize(("make", "comment"), [(beginning, ": causalkv"), (keep_alive, ": keep-alive")])
def test_a_bare_position_moves_a_client_on(make: Callable[[VectorClock | None], bytes], comment: str) -> None:
    """At the beginning, and with each keep-alive; without a position only the comment shows."""
    comments: list[str] = []
    assert list(parsed(make(POSITION).decode().splitlines(), comments.append)) == [str(POSITION)]
    assert list(parsed(make(None).decode().splitlines(), comments.append)) == []
    assert comments == [comment, comment]


def test_the_position_before_all_writes_is_a_blank() -> None:
    """Of an empty one a browser makes no Last-Event-ID, and would miss what is written until it comes again."""
    assert beginning(VectorClock()).endswith(b"\nid:  \n\n")
    assert parse_context(" ") == VectorClock()


def test_events_that_are_no_changes_have_a_name() -> None:
    """A browser hands them to listeners of their own."""
    text = named("reset", {"error": "why"}, POSITION).decode()
    assert list(parsed(text.splitlines(), _no_comment)) == [Event("reset", {"error": "why"}, str(POSITION))]


def test_the_data_is_json_on_one_line() -> None:
    """Which is what clients without a library for it rely on."""
    text, _ = WriteEvents(Step(put_write(NODE1, 3, 'k"\n', b"[1,\n2]"), POSITION), shown).about("")
    lines = text.split(b"\n")
    assert [line.partition(b":")[0] for line in lines] == [b"id", b"data", b"", b""]
    assert msgspec.json.decode(lines[1].removeprefix(b"data: "))["key"] == 'k"\n'
