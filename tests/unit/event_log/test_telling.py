"""Events in words: pages, positions, and texts that no key can break."""

from __future__ import annotations

import json
from typing import Any

import pytest

from node.core.dot import Dot
from node.core.effects import Accepted, Applied, HeldBack, PublishConfirmed
from node.core.shown_clock import ShownClocks
from node.core.vector_clock import VectorClock
from node.core.write import Put
from node.errors import InvalidRequestError
from node.event_log import telling
from node.event_log.recording import EventLog
from node.event_log.telling import Position, Teller, beginning_at, parse_position, server_sent
from tests.support.writes import NODE1, NODE2, NODE3, put_write, write_of

HOSTILE = "a\n\r\0\x1b[2J\u2028\"'}{<script>\ud83d\ude00 " + "k" * 900


def teller(log: EventLog) -> Teller:
    """Speaks for node3."""
    return Teller(log, "node3", lambda: NODE3, ShownClocks(["node1", "node2", "node3"]))


def page(log: EventLog, position: Position | None = None, limit: int = 100) -> dict[str, Any]:
    """A page as a client reads it."""
    read: dict[str, Any] = json.loads(teller(log).page(position, limit))
    return read


def filled(count: int, max_events: int = 100) -> EventLog:
    """A log with so many events."""
    log = EventLog(max_events)
    for seq in range(1, count + 1):
        log.committed([Accepted(None, put_write(NODE1, seq))], 1.0)
    return log


def test_an_event_says_all_that_a_diagram_needs() -> None:
    """Clocks by replica and as people see them, and only what belongs to its kind."""
    log = EventLog(100)
    write = put_write(NODE2, 4, "y", node1=2)
    log.committed([HeldBack(write, Dot(NODE1, 2))], 1764412345678.25)
    log.committed([Applied(write, 1764412345678)], 1764412345978.5)
    delivered, held, released, applied = page(log)["events"]
    common = {
        "at_ms": 1764412345678.25,
        "node": "node3",
        "dot": f"{NODE2}:4",
        "replica": NODE2,
        "origin": "node2",
        "seq": 4,
        "clock": {NODE1: 2, NODE2: 4},
        "vc": [2, 4, 0],
        "keys": ["y"],
        "keys_left_out": 0,
        "operations": ["put"],
    }
    assert delivered == {"number": 1, "kind": "delivered", **common}
    assert held == {"number": 2, "kind": "held", **common, "waits_for": f"{NODE1}:2"}
    later = common | {"at_ms": 1764412345978.5}
    assert released == {"number": 3, "kind": "released", **later, "held_seconds": 0.3005}
    assert applied == {"number": 4, "kind": "applied", **later}


def test_a_confirmed_write_of_which_only_the_name_is_known_has_no_more() -> None:
    """Left out, not made up."""
    log = EventLog(100)
    log.committed([PublishConfirmed(NODE3, 7, 7)], 1.0)
    assert page(log)["events"] == [
        {
            "number": 1,
            "kind": "confirmed",
            "at_ms": 1.0,
            "node": "node3",
            "dot": f"{NODE3}:7",
            "replica": NODE3,
            "origin": "node3",
            "seq": 7,
        }
    ]


def test_pages_follow_each_other_without_gap() -> None:
    """What one calls next is since for the other, to the end."""
    log = filled(25)
    numbers, position = [], None
    while True:
        read = page(log, position, limit=10)
        assert (read["node"], read["replica"], read["run"], read["dropped"]) == ("node3", NODE3, log.run, 0)
        numbers += [event["number"] for event in read["events"]]
        position = parse_position(read["next"], "since")
        if not read["more"]:
            break
    assert numbers == list(range(1, 26))
    again = page(log, position)
    assert (again["events"], again["next"], again["more"]) == ([], f"{log.run}-25", False)


def test_a_page_says_how_many_events_are_no_longer_kept() -> None:
    """Between what the client has and the first one here; who has nothing misses nothing that it knew of."""
    log = filled(130)
    for position, dropped, first in [
        (Position(None, 0), 30, 31),
        (Position(log.run, 20), 10, 31),
        (Position(log.run, 30), 0, 31),
        (Position(None, 50), 0, 51),
        (None, 0, 31),
    ]:
        read = page(log, position)
        assert (read["dropped"], read["events"][0]["number"]) == (dropped, first)
        assert read["next"] == f"{log.run}-130"


@pytest.mark.parametrize("position", [Position("other", 3), Position("other", 999_999), Position(None, 31)])
def test_to_a_client_from_another_run_everything_is_new(position: Position) -> None:
    """How much it missed nobody knows; nor of a number that this run has not reached."""
    log = filled(30)
    read = page(log, position)
    assert (read["dropped"], len(read["events"])) == (None, 30)
    assert beginning_at(log, position) == (0, False)


def test_a_page_of_large_events_ends_early_and_leads_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """One event at least is on it, however large."""
    monkeypatch.setattr(telling, "PAGE_MAX_BYTES", 3_000)
    log = EventLog(100)
    for seq in range(1, 11):
        log.committed([Accepted(None, put_write(NODE1, seq, "k" * 700))], 1.0)
    numbers, position = [], None
    for _ in range(10):
        read = page(log, position)
        assert len(read["events"]) <= 3
        numbers += [event["number"] for event in read["events"]]
        position = parse_position(read["next"], "since")
    assert numbers == list(range(1, 11))
    monkeypatch.setattr(telling, "PAGE_MAX_BYTES", 10)
    assert len(page(log)["events"]) == 1
    assert page(log)["more"] is True


@pytest.mark.parametrize("text", ["k3f9x2-118", "0", "7", "abcd-0", "a" * 16 + "-" + "9" * 15])
def test_a_position_is_read_as_it_was_given(text: str) -> None:
    """With its run, or as a number of this one."""
    run, number = parse_position(text, "since")
    assert text == (str(number) if run is None else telling.format_position(run, number))


@pytest.mark.parametrize("text", ["", "-1", "k3f9x2", "k3f9x2-", "K3-1", "a-b-1", "1.5", "٣", "9" * 16, "1\n", " 1"])
def test_what_is_no_position_is_refused(text: str) -> None:
    """The error says what would be right."""
    with pytest.raises(InvalidRequestError, match=r"since is .*use what an earlier answer called next"):
        parse_position(text, "since")


def test_no_key_breaks_a_stream() -> None:
    """An event is as many lines as it should be, and its JSON says the key as it was."""
    log = EventLog(100)
    key = HOSTILE.encode("utf-16", "surrogatepass").decode("utf-16")
    log.committed([Accepted(None, write_of(NODE1, 1, (Put(key, b"1"),)))], 1.0)
    text = server_sent(teller(log).text(log.after(0, 1).events[0]), f"{log.run}-1")
    lines = text.split(b"\n")
    assert [line.partition(b":")[0] for line in lines] == [b"id", b"data", b"", b""]
    assert b"\r" not in text
    assert json.loads(lines[1].removeprefix(b"data: "))["keys"] == [key]


def test_hello_says_whose_stream_it_is_and_which_nodes_the_clock_shows() -> None:
    """In the order of the clock's numbers."""
    log = EventLog(100)
    hello = teller(log).hello(VectorClock({NODE2: 3, "node10~abcd": 1}), 12.5)
    assert (hello.node, hello.replica, hello.run, hello.wall_ms) == ("node3", NODE3, log.run, 12.5)
    assert (hello.vc, hello.nodes) == ([0, 3, 0, 1], ("node1", "node2", "node3", "node10"))
    assert hello.clock == {"node10~abcd": 1, NODE2: 3}
