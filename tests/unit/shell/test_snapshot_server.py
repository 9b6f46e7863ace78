"""Giving snapshots: one causal cut, part by part as the peer asks, few at a time, none for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from node import snapshot_server
from node.control_codec import decode_control
from node.core.control import SnapshotGiven, SnapshotWanted
from node.core.hybrid_clock import HybridTimestamp
from node.core.vector_clock import VectorClock
from node.snapshot_server import CUTS_MAX, PART_BYTES, REQUESTS_MAX, SnapshotServer
from node.store.records import version_key
from tests.support.cluster import wait_until
from tests.support.writes import NODE1, NODE2, NODE3
from tests.unit.store.merging import open_store, versions, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.core.versions import Versions
    from node.store import Store

TIMEOUT_SECONDS = 10.0
KEYS = 50


def state(keys: int = KEYS) -> dict[str, Versions]:
    """So many keys, in byte order."""
    return {f"k{n:06}": versions(f"p~pppp:{n + 1}") for n in range(keys)}


class Giving:
    """A server over a store of its own, and what it told to whom."""

    def __init__(self, path: Path) -> None:
        self.store: Store = open_store(path)
        self.told: list[tuple[str, bytes]] = []
        self.sent = 0
        self.server = SnapshotServer(self.store, lambda target, body: self.told.append((target, body)), self._count)
        self._asked = 0

    def _count(self) -> None:
        self.sent += 1

    def fill(self, content: dict[str, Versions], clock: VectorClock) -> None:
        """Write keys, and the position that belongs to them."""
        write_state(self.store, content)
        with self.store.transaction() as transaction:
            transaction.save(clock, HybridTimestamp(17, 4), 0)

    def ask(self, part: int, request: str = "r1", who: str = NODE2) -> None:
        """Ask for a part; returns at once."""
        self.server.give(NODE1, SnapshotWanted(who, request, part))

    def part(self, part: int, request: str = "r1", who: str = NODE2) -> SnapshotGiven:
        """Ask for a part and take it."""
        before = len(self.told)
        self.ask(part, request, who)
        target = who.partition("~")[0]
        # What others asked for before may be answered meanwhile.
        wait_until(
            lambda: len(self.told) > before and self.told[-1][0] == target, f"part {part} of {request}", TIMEOUT_SECONDS
        )
        given = decode_control(self.told[-1][1])
        assert isinstance(given, SnapshotGiven)
        assert (given.sender, given.request, given.part) == (NODE1, request, part)
        return given

    def all_parts(self, request: str = "r1", who: str = NODE2) -> list[SnapshotGiven]:
        """A whole snapshot."""
        parts = [self.part(0, request, who)]
        while not parts[-1].is_last:
            parts.append(self.part(len(parts), request, who))
        return parts

    def settle(self) -> None:
        """Wait until everything that was asked for so far is dealt with."""
        self._asked += 1
        self.part(0, f"settling {self._asked}", "node9~settle")
        wait_until(self.server._requests.empty, "dealt with", TIMEOUT_SECONDS)

    @property
    def cuts(self) -> set[str]:
        """The peers that are taking a snapshot."""
        return set(self.server._cuts)


@pytest.fixture
def giving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Giving]:
    """A server that runs, with parts of a few keys."""
    monkeypatch.setattr(snapshot_server, "PART_BYTES", 500)
    made = Giving(tmp_path)
    made.fill(state(), VectorClock({"p~pppp": KEYS}))
    made.server.start()
    yield made
    made.server.stop(TIMEOUT_SECONDS)
    made.store.close()


def test_the_parts_together_are_the_state_at_one_clock(giving: Giving) -> None:
    """Every key once, in order; each part says whether it is the last, and the same clock."""
    parts = giving.all_parts()
    assert len(parts) > 3
    entries = [entry for part in parts for entry in part.entries]
    assert entries == list(state().items())
    assert {part.clock for part in parts} == {VectorClock({"p~pppp": KEYS})}
    assert {part.timestamp for part in parts} == {HybridTimestamp(17, 4)}
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert giving.sent == len(parts)


def test_what_is_written_meanwhile_is_not_in_it(giving: Giving) -> None:
    """The clock says exactly what is: a later write would contradict it."""
    first = giving.part(0)
    giving.fill(
        {"k000049": versions("q~qqqq:1"), "z": versions("q~qqqq:2")}, VectorClock({"p~pppp": KEYS, "q~qqqq": 2})
    )
    rest = [giving.part(1)]
    while not rest[-1].is_last:
        rest.append(giving.part(len(rest) + 1))
    assert dict(entry for part in (first, *rest) for entry in part.entries) == state()
    assert rest[-1].clock == first.clock


def test_a_part_has_a_bound_and_at_least_one_key(tmp_path: Path) -> None:
    """No message above 1 MiB, unless one key alone is larger; a large key gets a part of its own."""
    giving = Giving(tmp_path)
    large = versions("q~qqqq:1")[0]._replace(value=b'"' + b"v" * (2 * PART_BYTES) + b'"')
    medium = versions("q~qqqq:2")[0]._replace(value=b'"' + b"v" * 100_000 + b'"')
    content: dict[str, Versions] = {f"a{n:02}": (medium,) for n in range(30)}
    giving.fill(content | {"b": (large,)}, VectorClock({"q~qqqq": 2}))
    giving.server.start()
    parts = giving.all_parts()
    bodies = [body for _, body in giving.told]
    assert all(len(body) < 1024 * 1024 for body in bodies[:-1])
    assert [key for key, _ in parts[-1].entries] == ["b"]
    assert all(len(part.entries) == PART_BYTES // 100_200 for part in parts[:-2])
    giving.server.stop(TIMEOUT_SECONDS)
    giving.store.close()


def test_a_part_that_is_asked_for_again_is_the_same(giving: Giving) -> None:
    """The answer may have been lost; the state has moved on, the cut has not."""
    giving.part(0)
    first = giving.part(1)
    giving.fill({"k000010": ()}, VectorClock({"p~pppp": KEYS, "q~qqqq": 1}))
    assert giving.part(1) == first
    assert giving.told[-1] == giving.told[-2]
    assert str(giving.part(2).entries[0][0]) > str(first.entries[-1][0])


@pytest.mark.parametrize("part", [0, 3, 4, 99])
def test_a_part_that_is_neither_the_last_nor_the_next_is_not_given(giving: Giving, part: int) -> None:
    """What is over is not kept, and what comes cannot be skipped to."""
    for number in range(3):
        giving.part(number)
    giving.settle()
    told = len(giving.told)
    giving.ask(part)
    giving.settle()
    assert len(giving.told) == told + (2 if part == 3 else 1)


def test_another_request_begins_a_new_cut(giving: Giving) -> None:
    """The peer has given up the former one, or was restarted; it gets the state of now."""
    giving.part(0)
    giving.part(1)
    giving.fill({"a": versions("q~qqqq:1")}, VectorClock({"p~pppp": KEYS, "q~qqqq": 1}))
    again = giving.part(0, "r2")
    assert again.entries[0][0] == "a"
    assert again.clock["q~qqqq"] == 1
    assert giving.cuts == {"node2"}
    told = len(giving.told)
    giving.ask(2, "r1")
    giving.settle()
    assert len(giving.told) == told + 1  # the one that settles


def test_a_request_that_begins_in_the_middle_gets_nothing(giving: Giving) -> None:
    """Its cut was closed: the peer must begin anew."""
    giving.ask(5, "unknown")
    giving.settle()
    assert [target for target, _ in giving.told] == ["node9"]


def test_too_many_snapshots_at_a_time_wait_their_turn(giving: Giving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each open cut keeps pages of the database; those who are turned away ask again, or somebody else."""
    peers = [f"peer{n}~abcd" for n in range(CUTS_MAX)]
    for peer in peers:
        giving.part(0, "r1", peer)
    told = len(giving.told)
    with structlog.testing.capture_logs() as lines:
        monkeypatch.setattr(giving.server, "_log", structlog.get_logger("causalkv.snapshot"))
        giving.ask(0, "r1", NODE3)
        giving.part(1, "r1", peers[0])
    assert len(giving.told) == told + 1
    assert "a peer must wait for its snapshot" in [line["event"] for line in lines]
    assert giving.cuts == {peer.partition("~")[0] for peer in peers}
    # A peer that begins anew takes its own place.
    giving.part(0, "r2", peers[0])


def test_a_cut_that_nobody_asks_on_is_closed(giving: Giving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that died, or has all it wanted, must not keep the database from reusing its pages."""
    monkeypatch.setattr(snapshot_server, "IDLE_SECONDS", 0.2)
    giving.part(0)
    giving.part(0, "r1", NODE3)
    wait_until(lambda: not giving.cuts, "closed", TIMEOUT_SECONDS)
    told = len(giving.told)
    giving.ask(1)
    giving.ask(1, "r1", NODE3)
    giving.part(0, "r2")
    assert len(giving.told) == told + 1


def test_requests_too_many_are_dropped_and_stopping_does_not_wait_for_them(tmp_path: Path) -> None:
    """Whoever floods a node with requests gets answers to some of them."""
    giving = Giving(tmp_path)
    giving.fill(state(), VectorClock({"p~pppp": KEYS}))
    for number in range(10 * REQUESTS_MAX):
        giving.ask(0, f"r{number}")
    giving.server.start()
    wait_until(lambda: giving.sent == REQUESTS_MAX, "those that fitted are answered", TIMEOUT_SECONDS)
    giving.server.stop(TIMEOUT_SECONDS)
    assert giving.sent == REQUESTS_MAX
    assert not giving.cuts
    giving.store.close()


def test_a_fault_of_the_program_ends_the_snapshot_and_not_the_server(
    giving: Giving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged with where it happened; other snapshots are given."""
    with structlog.testing.capture_logs() as lines:
        giving.server._log = structlog.get_logger("causalkv.snapshot")
        giving.part(0)
        with monkeypatch.context() as broken:
            broken.setattr(snapshot_server, "encode_snapshot_part", lambda *_, **__: 1 / 0)
            giving.ask(1)
            wait_until(lambda: not giving.cuts, "the cut is closed", TIMEOUT_SECONDS)
    (error,) = [line for line in lines if line["log_level"] == "error"]
    assert (error["peer"], error["exc_info"]) == ("node2", True)
    assert giving.all_parts("r2")


def test_a_damaged_record_ends_the_snapshot_and_not_the_server(giving: Giving) -> None:
    """The log says whose disk to look at; other snapshots are given."""
    with giving.store._env.begin(write=True) as transaction:
        transaction.put(version_key("k000020"), b"not a record", db=giving.store._tables.versions)
    with structlog.testing.capture_logs() as lines:
        giving.server._log = structlog.get_logger("causalkv.snapshot")
        for number in range(20):
            giving.ask(number)
        wait_until(lambda: any(line["log_level"] == "error" for line in lines), "it is said", TIMEOUT_SECONDS)
        wait_until(lambda: not giving.cuts, "the cut is closed", TIMEOUT_SECONDS)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["a snapshot for a peer cannot be read"]
    assert giving.part(0, "r2").entries
