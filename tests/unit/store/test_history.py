"""History on the disk: what is kept, and what trimming takes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.codec import decode_write
from node.core.dot import Dot
from node.errors import StoreCorruptedError
from tests.support.writes import NODE1, NODE2, NODE3, put_write
from tests.unit.store.merging import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.store import Store
    from node.store.transaction import StoreTransaction

SHORTER = NODE2[:-1]
"""A replica whose name is the beginning of another one's."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with ten writes of each of four replicas."""
    opened = open_store(tmp_path)
    with opened.transaction() as transaction:
        for replica in (NODE1, NODE2, NODE3, SHORTER):
            for seq in range(1, 11):
                transaction.append_history(put_write(replica, seq))
    yield opened
    opened.close()


def kept(store: Store) -> dict[str, list[int]]:
    """The numbers of the writes in history, by replica."""
    with store._env.begin() as transaction:
        places = [bytes(key) for key, _ in transaction.cursor(db=store._tables.history)]
    numbers: dict[str, list[int]] = {NODE1: [], NODE2: [], NODE3: [], SHORTER: []}
    for place in places:
        replica, _, seq = place.partition(b"\0")
        numbers[replica.decode()].append(int.from_bytes(seq, "big"))
    return numbers


def seqs(transaction: StoreTransaction, replica: str, first: int) -> list[int]:
    """The numbers of the writes that history gives from ``first`` on."""
    return [decode_write(entry).dot.seq for entry in transaction.history(replica, first, 100, 1_000_000)]


def test_trimming_takes_the_first_writes_of_one_replica_up_to_a_number(store: Store) -> None:
    """Nothing of another replica, not even of one whose name begins alike."""
    with store.transaction() as transaction:
        assert transaction.trim_history(NODE2, 4, 100) == 4
        assert seqs(transaction, NODE2, 5) == [5, 6, 7, 8, 9, 10]
    everything = list(range(1, 11))
    assert kept(store) == {NODE1: everything, NODE2: everything[4:], NODE3: everything, SHORTER: everything}


@pytest.mark.parametrize("replica", [NODE1, NODE2, NODE3, SHORTER])
def test_trimming_may_take_all_of_a_replica(store: Store, replica: str) -> None:
    """The last line of the table too, behind which nothing follows."""
    with store.transaction() as transaction:
        assert transaction.trim_history(replica, 99, 100) == 10
        assert transaction.trim_history(replica, 99, 100) == 0
    assert [name for name, numbers in kept(store).items() if not numbers] == [replica]


def test_trimming_goes_on_where_its_limit_ended_it(store: Store) -> None:
    """A little with each transaction: a long line must not stop writes."""
    trimmed = []
    for _ in range(4):
        with store.transaction() as transaction:
            trimmed.append(transaction.trim_history(NODE1, 8, 3))
    assert trimmed == [3, 3, 2, 0]
    assert kept(store)[NODE1] == [9, 10]


def test_what_is_trimmed_is_not_there_any_more(store: Store) -> None:
    """Whoever asks for it without knowing that finds a damaged store, not another write."""
    with store.transaction() as transaction:
        transaction.trim_history(NODE1, 4, 100)
        with pytest.raises(StoreCorruptedError, match="history lacks"):
            transaction.history(NODE1, 4, 1, 1_000)


def test_writes_of_the_same_transaction_are_trimmed_too(store: Store) -> None:
    """And what lies behind them stays readable in it."""
    with store.transaction() as transaction:
        for seq in range(11, 16):
            transaction.append_history(put_write(NODE1, seq))
        assert transaction.trim_history(NODE1, 13, 100) == 13
        assert seqs(transaction, NODE1, 14) == [14, 15]
    assert kept(store)[NODE1] == [14, 15]


def test_writes_of_the_same_transaction_are_trimmed_although_the_end_lies_beyond_them(store: Store) -> None:
    """As when a snapshot is adopted in it, behind which history begins later."""
    with store.transaction() as transaction:
        for seq in (11, 12):
            transaction.append_history(put_write(NODE1, seq))
        assert transaction.trim_history(NODE1, 50, 100) == 12
    assert kept(store)[NODE1] == []


def test_trimming_of_a_failed_transaction_took_nothing(store: Store) -> None:
    """All of it happens, or nothing."""

    def fail() -> None:
        with store.transaction() as transaction:
            assert transaction.trim_history(NODE1, 10, 100) == 10
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert kept(store)[NODE1] == list(range(1, 11))


def test_held_writes_are_listed_behind_any_of_them(store: Store) -> None:
    """Parts of the list, in an order that does not change, with what the same transaction held or took."""
    with store.transaction() as transaction:
        for replica, seq in ((NODE2, 30), (NODE2, 20), (NODE1, 99), (NODE3, 25)):
            transaction.hold(put_write(replica, seq), seq)
        transaction.take_held(Dot(NODE2, 20))
    expected = [Dot(NODE1, 99), Dot(NODE2, 30), Dot(NODE3, 25)]
    with store.transaction() as transaction:
        assert [held.dot for held in transaction.held_after(None, 10)] == expected
        assert [held.dot for held in transaction.held_after(None, 2)] == expected[:2]
        assert [held.dot for held in transaction.held_after(Dot(NODE1, 99), 10)] == expected[1:]
        assert [held.dot for held in transaction.held_after(Dot(NODE2, 29), 10)] == expected[1:]
        assert transaction.held_after(Dot(NODE3, 25), 10) == []
        transaction.hold(put_write(NODE3, 26), 26)
        transaction.take_held(Dot(NODE3, 25))
        found = transaction.held_after(Dot(NODE2, 30), 10)
        assert [(held.dot, held.since_ms) for held in found] == [(Dot(NODE3, 26), 26)]
