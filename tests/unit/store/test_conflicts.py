"""Keys with several versions are found without a look at the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.places import CounterPlace
from node.store.records import LMDB_KEY_MAX_BYTES
from tests.unit.store.merging import State, open_store, versions, write_state

if TYPE_CHECKING:
    from pathlib import Path

    from node.store import Store

ONE = versions("p:1")
TWO = versions("p:1", "q:1")


def listed(store: Store, after: str = "") -> list[str]:
    """The keys with several versions behind a key."""
    with store.reader() as cut:
        return [key for key, _ in cut.conflicts(after)]


def settle(store: Store, *keys: str) -> None:
    """Replace all versions of these keys, as a write does: it reads first."""
    with store.transaction() as transaction:
        for key in keys:
            assert len(transaction.dots(key)) > 1
            transaction.set_versions(key, ONE)


def test_a_key_is_listed_as_long_as_it_has_several_versions(tmp_path: Path) -> None:
    """From the second version on, until one has replaced them; counters have shares, which are no conflict."""
    store = open_store(tmp_path / "data")
    state: State = {"a": ONE, "b": TWO, "c": TWO, CounterPlace("n"): TWO}
    write_state(store, state)
    with store.reader() as cut:
        assert list(cut.conflicts("")) == [("b", TWO), ("c", TWO)]
        assert cut.conflict_count() == 2
    settle(store, "b")
    assert listed(store) == ["c"]
    with store.transaction() as transaction:
        assert transaction.versions("c") == TWO
        transaction.set_versions("c", ())
    assert listed(store) == []
    store.close()


def test_listing_goes_on_behind_any_key(tmp_path: Path) -> None:
    """Also behind one that is too long for the database, and behind one that is not there any more."""
    store = open_store(tmp_path / "data")
    longest = "k" * LMDB_KEY_MAX_BYTES
    keys = ["a", "b", longest, longest + "1", longest + "2"]
    write_state(store, dict.fromkeys(keys, TWO))
    everything = listed(store)
    assert sorted(everything) == keys
    for position, key in enumerate(everything):
        assert listed(store, key) == everything[position + 1 :]
    settle(store, "b")
    assert listed(store, "b") == everything[2:]
    store.close()


def test_a_key_that_comes_to_two_versions_and_back_in_one_transaction_is_not_listed(tmp_path: Path) -> None:
    """What is written at the end counts."""
    store = open_store(tmp_path / "data")
    with store.transaction() as transaction:
        transaction.set_versions("a", TWO)
        assert len(transaction.dots("a")) == 2
        transaction.set_versions("a", ONE)
    assert listed(store) == []
    store.close()


def test_a_store_from_before_there_was_a_list_gets_it_when_it_is_opened(tmp_path: Path) -> None:
    """Once; afterwards nothing is looked through at a start."""
    path = tmp_path / "data"
    store = open_store(path)
    state: State = {"a": ONE, "b": TWO, CounterPlace("n"): TWO}
    write_state(store, state)
    with store._env.begin(write=True) as transaction:
        transaction.drop(store._tables.conflicts, delete=True)
        transaction.delete(b"conflicts known", db=store._tables.meta)
    store.close()
    store = open_store(path)
    assert listed(store) == ["b"]
    with store._env.begin(write=True) as transaction:
        transaction.drop(store._tables.conflicts, delete=False)
    store.close()
    store = open_store(path)
    assert listed(store) == []
    store.close()
