"""When versions end, and which requests were made, as the database keeps it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import lmdb
import pytest

from node.core.dot import Dot
from node.core.expiry import Expiring
from node.core.hybrid_clock import PHYSICAL_MS_MAX, HybridTimestamp
from node.core.places import CounterPlace
from node.core.requests import RememberedRequest
from node.core.vector_clock import VectorClock
from node.core.versions import Version
from node.errors import StoreCorruptedError
from node.operation_codec import SEQ_MAX, TTL_MAX_MS
from tests.support.writes import NODE1, NODE2
from tests.unit.store.merging import MAX_BYTES, open_store, shown, versions, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.store import Store

LATER_TABLES = (b"snapshot", b"expiries", b"requests_a", b"requests_b")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store."""
    opened = open_store(tmp_path / "data")
    yield opened
    opened.close()


def _schedule(store: Store, *expirings: Expiring) -> None:
    with store.transaction() as transaction:
        for expiring in expirings:
            transaction.schedule_expiry(*expiring)


def _due(store: Store, node: str = "node1", until_ms: int = PHYSICAL_MS_MAX) -> list[Expiring]:
    with store.transaction() as transaction:
        return list(transaction.due_expiries(node, None, until_ms, 1_000))


def _remembered(seq: int) -> RememberedRequest:
    return RememberedRequest(Dot(NODE1, seq), VectorClock({NODE1: seq, NODE2: 7}), bytes(16))


def _known(store: Store, *request_ids: str) -> list[int | None]:
    with store.transaction() as transaction:
        found = [transaction.request(request_id) for request_id in request_ids]
    return [None if each is None else each.dot.seq for each in found]


# --------------------------------------------------------------------------------- expiries


def test_what_ends_comes_back_by_time_and_node_by_node(store: Store) -> None:
    """What has not ended by then, and what others put, is not among it."""
    first, second, late = (Expiring(ms, Dot(NODE1, seq), "x") for ms, seq in ((5, 9), (256, 1), (70_000, 2)))
    _schedule(store, late, second, Expiring(1, Dot(NODE2, 1), "x"), Expiring(1, Dot("node10~aaaaaa", 1), "x"), first)
    assert _due(store) == [first, second, late]
    assert [_due(store, until_ms=ms) for ms in (0, 4, 5, 255, 256)] == [[], [], [first], [first], [first, second]]
    assert _due(store, "node") == _due(store, "node3") == []


def test_keys_that_one_write_puts_end_each_for_itself(store: Store) -> None:
    """They share the dot and the time; keys that are longer than the database's, and begin alike, too."""
    keys = ("x", "y", "k" * 1023 + "1", "k" * 1023 + "2", "é" * 512)
    expirings = [Expiring(5, Dot(NODE1, 1), key) for key in keys]
    _schedule(store, *expirings)
    assert set(_due(store)) == set(expirings)
    with store.transaction() as transaction:
        transaction.forget_expiry(expirings[2])
    assert set(_due(store)) == set(expirings) - {expirings[2]}


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_pages_go_on_behind_the_last_one_and_leave_nothing_out(store: Store, page: int) -> None:
    """Whatever is equal in them: time, dot, the beginning of the key."""
    dots = (Dot(NODE1, 1), Dot(NODE1, 256), Dot("node1~aaaaab", 1))
    expirings = [
        Expiring(ms, dot, key) for ms in (1, 255, 256) for dot in dots for key in ("x", "x\0", "xy", "k" * 999)
    ]
    _schedule(store, *expirings)
    found: list[Expiring] = []
    with store.transaction() as transaction:
        while part := transaction.due_expiries("node1", found[-1] if found else None, 256, page):
            found += part
    assert len(found) == len(expirings)
    assert set(found) == set(expirings)
    assert [each.expires_ms for each in found] == sorted(each.expires_ms for each in expirings)


def test_paging_goes_on_although_the_last_one_was_forgotten(store: Store) -> None:
    """A place is a place, whether something stands there or not."""
    expirings = [Expiring(5, Dot(NODE1, seq), "x") for seq in range(1, 6)]
    _schedule(store, *expirings)
    with store.transaction() as transaction:
        (first,) = transaction.due_expiries("node1", None, 5, 1)
        transaction.forget_expiry(first)
        assert transaction.due_expiries("node1", first, 5, 100) == expirings[1:]


def test_what_is_staged_in_a_transaction_is_seen_in_it_and_can_be_forgotten_in_it(store: Store) -> None:
    """Reads see what the same transaction wrote; one that fails has done nothing."""
    expiring = Expiring(5, Dot(NODE1, 1), "x")
    with store.transaction() as transaction:
        transaction.schedule_expiry(*expiring)
        assert transaction.due_expiries("node1", None, 5, 9) == [expiring]
        transaction.forget_expiry(expiring)
        assert transaction.due_expiries("node1", None, 5, 9) == []
        transaction.schedule_expiry(*expiring)
        transaction.forget_expiry(expiring)
    assert _due(store) == []

    def fail() -> None:
        with store.transaction() as transaction:
            transaction.schedule_expiry(*expiring)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert _due(store) == []


def test_the_longest_names_and_the_latest_times_have_room(store: Store) -> None:
    """The end of a version may lie behind the last timestamp that there is."""
    node = "n" * 64
    expiring = Expiring(PHYSICAL_MS_MAX + TTL_MAX_MS, Dot(f"{node}~{'i' * 16}", SEQ_MAX), "日" * 341)
    _schedule(store, expiring)
    assert _due(store, node, PHYSICAL_MS_MAX + TTL_MAX_MS) == [expiring]


def test_a_staged_snapshot_brings_the_times_of_its_versions_along(store: Store) -> None:
    """Versions for good, and counters, have none."""
    ending = Version(Dot(NODE2, 1), VectorClock({NODE2: 1}), HybridTimestamp(5, 0), b"1", 99)
    with store.transaction() as transaction:
        transaction.stage_snapshot(
            [("x", (ending,)), ("y", versions("p:1")), (CounterPlace("x"), versions("p:2"))], is_first=True
        )
    assert _due(store, "node2") == [Expiring(99, Dot(NODE2, 1), "x")]
    assert _due(store, "p") == []


def test_a_damaged_expiry_is_refused_and_never_read_as_absent(store: Store) -> None:
    """Each record carries a checksum."""
    _schedule(store, Expiring(5, Dot(NODE1, 1), "x"))
    with store._env.begin(write=True) as transaction:
        ((place, record),) = transaction.cursor(db=store._tables.expiries)
        transaction.put(place, record[:-1] + b"?", db=store._tables.expiries)
    with pytest.raises(StoreCorruptedError, match="an expiry"):
        _due(store)


# --------------------------------------------------------------------------------- requests


def test_a_request_is_found_until_its_generation_is_forgotten(store: Store) -> None:
    """It is the younger one's, then the older one's, then nobody's."""
    with store.transaction() as transaction:
        transaction.remember_request("r", _remembered(1))
        assert transaction.request("r") == _remembered(1)
        assert transaction.younger_requests() == 1
    for since_ms, known, younger in ((100, [1, None], 0), (200, [None, None], 0)):
        with store.transaction() as transaction:
            transaction.forget_older_requests(since_ms)
            assert transaction.younger_requests() == younger
        assert _known(store, "r", "s") == known
        assert store.load().requests_since_ms == since_ms


def test_generations_and_requests_survive_a_restart(tmp_path: Path) -> None:
    """At every stage of their life, an odd or an even number of generations later."""
    for number in range(1, 6):
        store = open_store(tmp_path)
        with store.transaction() as transaction:
            transaction.remember_request(f"r{number}", _remembered(number))
            transaction.forget_older_requests(number * 100)
        store.close()
        store = open_store(tmp_path)
        assert store.load().requests_since_ms == number * 100
        assert _known(store, f"r{number}", f"r{number - 1}") == [number, None]
        store.close()


def test_the_first_answer_of_a_request_stays(store: Store) -> None:
    """In one transaction, in a later one, and when it had grown old: then it counts as young again."""
    with store.transaction() as transaction:
        transaction.remember_request("r", _remembered(1))
        transaction.remember_request("r", _remembered(2))
    with store.transaction() as transaction:
        transaction.remember_request("r", _remembered(3))
        transaction.forget_older_requests(100)
        transaction.remember_request("r", _remembered(4))
        assert transaction.younger_requests() == 1
        transaction.forget_older_requests(200)
    assert _known(store, "r") == [1]


def test_what_is_remembered_in_the_transaction_of_a_new_generation_goes_where_it_belongs(store: Store) -> None:
    """What came before it grows older with the others; what comes behind it is young."""
    with store.transaction() as transaction:
        transaction.remember_request("before", _remembered(1))
        transaction.forget_older_requests(100)
        transaction.remember_request("behind", _remembered(2))
    assert _known(store, "before", "behind") == [1, 2]
    with store.transaction() as transaction:
        transaction.forget_older_requests(200)
    assert _known(store, "before", "behind") == [None, 2]


@pytest.mark.parametrize("length", [1, 127, 128])
def test_request_ids_of_any_characters_are_told_apart(store: Store, length: int) -> None:
    """Also where their bytes are more than the database's keys take, and they begin alike."""
    names = ["😀" * (length - 1) + end for end in ("😀", "a", "é", "\0")]
    with store.transaction() as transaction:
        for number, name in enumerate(names):
            transaction.remember_request(name, _remembered(number + 1))
    assert _known(store, *names) == [1, 2, 3, 4]


def test_a_failed_transaction_remembers_and_forgets_nothing(store: Store) -> None:
    """All of it happens, or nothing."""
    with store.transaction() as transaction:
        transaction.remember_request("r", _remembered(1))

    def fail() -> None:
        with store.transaction() as transaction:
            transaction.remember_request("s", _remembered(2))
            transaction.forget_older_requests(100)
            transaction.forget_older_requests(200)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert _known(store, "r", "s") == [1, None]
    assert store.load().requests_since_ms == 0


@pytest.mark.parametrize("of_generations", [False, True])
def test_a_damaged_request_is_refused_and_never_read_as_absent(store: Store, *, of_generations: bool) -> None:
    """Taken for absent, it would be made a second time."""
    with store.transaction() as transaction:
        transaction.forget_older_requests(100)
        transaction.remember_request("r", _remembered(1))
    table, place = (store._tables.meta, b"requests") if of_generations else (store._tables.requests_b, b"r")
    with store._env.begin(write=True) as transaction:
        record = transaction.get(place, db=table)
        assert record is not None
        transaction.put(place, record[:-1] + b"?", db=table)
    with pytest.raises(StoreCorruptedError, match="request"):
        _known(store, "r")


# --------------------------------------------------------------------------- older data directories


@pytest.mark.parametrize("absent", [*itertools.combinations(LATER_TABLES, 1), LATER_TABLES[1:], LATER_TABLES])
def test_a_data_directory_without_the_later_tables_opens_and_takes_what_belongs_there(
    tmp_path: Path, absent: tuple[bytes, ...]
) -> None:
    """They are made when it is opened; what it held is there."""
    store = open_store(tmp_path)
    write_state(store, {"a": versions("p:1")})
    store.close()
    with lmdb.open(str(tmp_path), map_size=MAX_BYTES, max_dbs=16) as environment:
        tables = [environment.open_db(name) for name in absent]
        with environment.begin(write=True) as transaction:
            for table in tables:
                transaction.drop(table)
    store = open_store(tmp_path)
    assert shown(store) == {"a": versions("p:1")}
    assert store.load().requests_since_ms == 0
    with store.transaction() as transaction:
        transaction.remember_request("r", _remembered(1))
        transaction.forget_older_requests(100)
        transaction.remember_request("s", _remembered(2))
        transaction.schedule_expiry(5, Dot(NODE1, 1), "x")
    assert _known(store, "r", "s") == [1, 2]
    assert _due(store) == [Expiring(5, Dot(NODE1, 1), "x")]
    store.close()
