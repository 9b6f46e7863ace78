"""What a transaction of the store keeps, and what a failed one leaves behind: nothing."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from node.codec import decode_write
from node.core.dot import Dot
from node.core.hybrid_clock import HybridTimestamp
from node.core.vector_clock import VectorClock
from node.core.versions import after_put
from node.core.write import Put, Write
from node.errors import StoreCorruptedError, StoreFullError
from node.store import Store
from node.store.lazy_transaction import LazyTransaction
from node.store.records import decode_versions, encode_versions, version_key
from tests.support.writes import NODE1, NODE2, put_write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.core.versions import Versions


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new, small store."""
    opened = Store(tmp_path / "data", cluster="c", node="node1", max_bytes=16 * 1024 * 1024)
    yield opened
    opened.close()


def siblings(*writes: Write) -> Versions:
    """The versions that these puts leave behind, applied in order."""
    versions: Versions = ()
    for write in writes:
        operation = write.operations[0]
        assert isinstance(operation, Put)
        versions = after_put(versions, write, operation)
    return versions


@pytest.mark.parametrize("key", ["x", "é" * 512, "k" * 511, "k" * 512, "k" * 1024, "日本" * 100])
def test_versions_come_back_as_they_were_put(store: Store, key: str) -> None:
    """Long keys too, which the database itself could not hold."""
    versions = siblings(put_write(NODE1, 1, key), put_write(NODE2, 1, key))
    with store.transaction() as transaction:
        transaction.set_versions(key, versions)
        assert transaction.versions(key) == versions
    with store.reader() as cut:
        assert cut.versions(key) == versions
        assert cut.versions(key + "!") == ()


def test_long_keys_with_a_common_beginning_do_not_meet(store: Store) -> None:
    """The digest tells them apart."""
    keys = ["k" * 1000 + str(n) for n in range(10)]
    with store.transaction() as transaction:
        for n, key in enumerate(keys):
            transaction.set_versions(key, siblings(put_write(NODE1, n + 1, key)))
    with store.reader() as cut:
        assert [cut.versions(key)[0].dot.seq for key in keys] == list(range(1, 11))


def test_listing_long_keys_holds_few_of_their_values_at_a_time(store: Store) -> None:
    """However many begin alike, in an order that the table does not know."""
    keys = [f"{'k' * 600}{n:02d}" for n in range(20)]
    with store.transaction() as transaction:
        for seq, key in enumerate(keys, 1):
            write = put_write(NODE1, seq, key, b'"' + b"v" * 500_000 + b'"')
            transaction.set_versions(key, siblings(write))
    tracemalloc.start()
    try:
        with store.reader() as cut:
            assert [key for key, _ in cut.scan("", "")] == keys
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_an_empty_set_of_versions_leaves_nothing_behind(store: Store) -> None:
    """A deleted key has no record: no tombstone."""
    with store.transaction() as transaction:
        transaction.set_versions("x", siblings(put_write(NODE1, 1)))
        transaction.set_versions("x", ())
        assert transaction.versions("x") == ()


def test_a_transaction_that_raises_changes_nothing(store: Store) -> None:
    """All of it happens, or nothing."""

    def half_a_transaction() -> None:
        with store.transaction() as transaction:
            transaction.set_versions("x", siblings(put_write(NODE1, 1)))
            transaction.append_history(put_write(NODE1, 1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_a_transaction()
    with store.reader() as cut:
        assert cut.versions("x") == ()


def test_history_gives_a_line_of_writes_up_to_its_limits(store: Store) -> None:
    """In order, without a hole, at least one, never another replica's."""
    with store.transaction() as transaction:
        for seq in (1, 2, 3, 5):
            transaction.append_history(put_write(NODE1, seq))
        transaction.append_history(put_write(NODE2, 1))
        entries = transaction.history(NODE1, 1, 10, 1_000_000)
        assert [decode_write(entry).dot for entry in entries] == [Dot(NODE1, n) for n in (1, 2, 3)]
        assert len(transaction.history(NODE1, 1, 2, 1_000_000)) == 2
        assert len(transaction.history(NODE1, 1, 10, 1)) == 1
        with pytest.raises(StoreCorruptedError, match="history lacks"):
            transaction.history(NODE1, 4, 10, 1_000_000)


def test_a_restart_finds_the_position_and_the_held_writes(store: Store) -> None:
    """Everything that the replica needs to go on."""
    clock = VectorClock({NODE1: 3, NODE2: 1})
    held = put_write(NODE2, 3, "y", node1=2)
    with store.transaction() as transaction:
        transaction.save(clock, HybridTimestamp(17, 4), 2)
        transaction.hold(held, 1234)
        transaction.hold(put_write(NODE2, 4), 1235)
        assert transaction.take_held(Dot(NODE2, 4)).dot == Dot(NODE2, 4)
    saved = store.load()
    assert (saved.clock, saved.timestamp, saved.confirmed_seq) == (clock, HybridTimestamp(17, 4), 2)
    assert [(h.dot, h.clock, h.keys, h.since_ms) for h in saved.held] == [(held.dot, held.clock, ("y",), 1234)]


def test_a_full_store_refuses_the_whole_transaction_and_recovers(store: Store) -> None:
    """Nothing half-written; smaller transactions and reads go on."""

    def too_much() -> None:
        with store.transaction() as transaction:
            for n in range(40):
                key = f"big{n}"
                transaction.set_versions(key, siblings(put_write(NODE1, n + 1, key, b'"%s"' % (b"v" * 1_000_000))))

    with pytest.raises(StoreFullError):
        too_much()
    with store.reader() as cut:
        assert cut.versions("big0") == ()
    with store.transaction() as transaction:
        transaction.set_versions("small", siblings(put_write(NODE1, 1, "small")))
    with store.reader() as cut:
        assert cut.versions("small")[0].value == b'"5"'


def test_a_flipped_bit_in_a_record_is_refused_and_never_read_as_absent() -> None:
    """Each record carries a checksum."""
    record = bytearray(encode_versions("x", siblings(put_write(NODE1, 1))))
    for position in range(len(record)):
        damaged = bytearray(record)
        damaged[position] ^= 0x10
        with pytest.raises(StoreCorruptedError):
            decode_versions(bytes(damaged), "x")


def test_a_record_under_a_wrong_key_is_refused() -> None:
    """A record knows which key it belongs to."""
    with pytest.raises(StoreCorruptedError, match="belongs to"):
        decode_versions(encode_versions("x", siblings(put_write(NODE1, 1))), "y")


def test_keys_stand_in_byte_order() -> None:
    """So that a scan needs no sorting."""
    keys = ["", "a", "a\x00", "ab", "b", "é", "日"]
    assert [version_key(key) for key in keys] == sorted(version_key(key) for key in keys)


def test_a_transaction_that_nobody_uses_never_begins() -> None:
    """Most turns of a node change nothing, and need not wait for the database."""

    class NoDatabase:
        def begin(self, *, write: bool) -> None:
            pytest.fail(f"a transaction began (write={write})")

    with LazyTransaction(NoDatabase()):
        pass


def test_a_turn_that_reads_and_writes_nothing_leaves_the_database_alone(store: Store) -> None:
    """Neither does the transaction of the store look at anything by itself."""
    before = store._env.info()["last_txnid"]
    with store.transaction() as transaction:
        transaction.expect((), ())
    assert store._env.info()["last_txnid"] == before
