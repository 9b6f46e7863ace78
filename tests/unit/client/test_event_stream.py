"""Server-sent events, in pieces of any size."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import UnexpectedAnswerError, event_stream
from client.event_stream import EventStreamParser, ServerSentEvent

STREAM = (
    b": causalkv\nretry: 1000\nid: a=1\n\n"
    b'data: {"key": "x"}\nid: a=2\n\n'
    b": still here\n\n"
    b"event: reset\r\ndata: one\r\ndata:two\r\nid\r\n\r\n"
    b'data: {"key": "\xc3\xa4"}\nunknown: field\n\n'
    b"data: not ended"
)
EVENTS = [
    ServerSentEvent("message", b"", "a=1"),
    ServerSentEvent("message", b'{"key": "x"}', "a=2"),
    ServerSentEvent("reset", b"one\ntwo", ""),
    ServerSentEvent("message", '{"key": "ä"}'.encode(), None),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    """A network cuts anywhere, also within a character or between the ends of a line."""
    places = [0, *sorted(cuts), len(STREAM)]
    parser = EventStreamParser()
    told = [event for start, end in pairwise(places) for event in parser.feed(STREAM[start:end])]
    assert told == EVENTS


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 50, b"data: xxxx\n" * 10], ids=["a line", "many lines"])
def test_an_event_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    """Memory has a limit."""
    monkeypatch.setattr(event_stream, "EVENT_MAX_BYTES", 200)
    parser = EventStreamParser()
    with pytest.raises(UnexpectedAnswerError, match="more than 200 bytes"):
        list(map(parser.feed, [piece] * 10))


def test_an_id_with_a_null_is_no_id() -> None:
    """As the standard has it."""
    assert EventStreamParser().feed(b"id: a\0=1\ndata: x\n\n") == [ServerSentEvent("message", b"x", None)]
