"""The whole state of a cut, as a watcher gets it first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from node.core.write import AddMembers, Increment, Operation, Put, RemoveMembers
from node.watch import state_reading
from tests.support.writes import NODE1, NODE2, put_write, write_of
from tests.unit.watch.bench import Bench

if TYPE_CHECKING:
    from pathlib import Path


def fill(bench: Bench, *operations: Operation) -> None:
    """One write for each operation."""
    for seq, operation in enumerate(operations, 1):
        bench.write(write_of(NODE1, seq, (operation,)))


def state(bench: Bench, prefix: str = "") -> list[dict[str, Any]]:
    """The data of the events up to the end of the state, its own included."""
    client = bench.watch(prefix, from_state=True)
    bench.wait(lambda: any(event.name == "end-of-initial-state" for event in client.changes()), "the state came")
    return [event.data for event in client.changes()]


def test_all_data_types_are_in_the_state(tmp_path: Path) -> None:
    """Keys, counters and sets, each with the clock of what it shows; what is removed is not."""
    with Bench(tmp_path) as bench:
        fill(
            bench,
            Put("a", b"[1]"),
            Increment("a", 5),
            AddMembers("a", ('"m"', '"n"', '"o"')),
            Increment("a", -2),
            RemoveMembers("a", ('"n"',)),
        )
        put, counter, members, end = state(bench)
        assert (put["op"], put["key"], put["value"], put["dot"]) == ("put", "a", [1], f"{NODE1}:1")
        assert "ttl" not in put
        assert counter == {"op": "counter", "key": "a", "value": 3, "vc": [4], "initial": True}
        assert members == {"op": "set", "key": "a", "members": ["m", "o"], "vc": [3], "initial": True}
        assert end == {"keys": 3}


def test_a_prefix_holds_for_all_data_types(tmp_path: Path) -> None:
    """A set's place begins with the length of its key, and is found all the same."""
    with Bench(tmp_path) as bench:
        fill(
            bench,
            *(Put(key, b"1") for key in ("a", "b/1", "b/2", "c")),
            *(Increment(key, 1) for key in ("a", "b/10", "c")),
            *(AddMembers(key, ("1",)) for key in ("b", "b/", "b/long name", "c")),
        )
        *events, end = state(bench, "b/")
        assert [(each["op"], each["key"]) for each in events] == [
            ("put", "b/1"),
            ("put", "b/2"),
            ("counter", "b/10"),
            ("set", "b/"),
            ("set", "b/long name"),
        ]
        assert end == {"keys": 5}


def test_siblings_come_one_by_one(tmp_path: Path) -> None:
    """The winner first; they are one key."""
    with Bench(tmp_path) as bench:
        bench.write(put_write(NODE1, 1, "x", b'"one"'), put_write(NODE2, 1, "x", b'"two"'))
        *events, end = state(bench)
        assert [each["value"] for each in events] == ["two", "one"]
        assert end == {"keys": 1}


@pytest.mark.parametrize(("limit", "value"), [("SET_PART_MEMBERS", 3), ("SET_PART_BYTES", 7)])
def test_a_large_set_comes_in_several_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    """By number of members, and by their size."""
    monkeypatch.setattr(state_reading, limit, value)
    with Bench(tmp_path) as bench:
        fill(bench, AddMembers("s", tuple(f"{number}00" for number in range(1, 8))))
        *events, end = state(bench)
        assert [each["members"] for each in events] == [[100, 200, 300], [400, 500, 600], [700]]
        assert end == {"keys": 1}


def test_a_version_that_expires_shows_how_long_it_lives(tmp_path: Path) -> None:
    """In seconds from now on; never less than none, also when nobody has ended it yet."""
    with Bench(tmp_path) as bench:
        fill(bench, Put("gone", b"1", 1), Put("stays", b"1", 10 * 366 * 86_400_000))
        gone, stays, _ = state(bench)
        assert gone["ttl"] == 0
        assert stays["ttl"] > 0


def test_an_empty_store_has_an_end_of_state_too(tmp_path: Path) -> None:
    """With no keys."""
    with Bench(tmp_path) as bench:
        assert state(bench) == [{"keys": 0}]
