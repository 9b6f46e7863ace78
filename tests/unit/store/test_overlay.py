"""Merging a peer's snapshot: readers see all of it or nothing, and what is written meanwhile wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.core.vector_clock import VectorClock
from node.errors import StoreCorruptedError
from node.store.overlay import OVERLAY_KEY
from node.store.records import version_key
from tests.unit.store.merging import (
    ENDLESS_KEYS,
    adopt,
    open_store,
    records,
    shown,
    stage,
    staged_records,
    versions,
    write_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.store import Store

# This node knows p's first writes, the peer q's as well.
HERE = VectorClock({"p": 4})
THERE = VectorClock({"p": 2, "q": 9})
LONG = "k" * 600


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store that holds a few keys."""
    opened = open_store(tmp_path)
    write_state(opened, {"a": versions("p:1"), "b": versions("p:2"), "c": versions("p:4")})
    yield opened
    opened.close()


def test_every_read_sees_the_merge_from_the_commit_on(store: Store) -> None:
    """New versions come, what the peer deleted goes, and what it never knew stays."""
    adopt(store, {"b": versions("p:2", "q:1"), "d": versions("q:2")}, HERE, THERE)
    merged = {"b": versions("p:2", "q:1"), "c": versions("p:4"), "d": versions("q:2")}
    assert store.merges_snapshot
    assert shown(store) == merged
    with store.reader() as cut:
        assert cut.versions("a") == ()
    with store.transaction() as transaction:
        assert transaction.versions("a") == ()
        assert transaction.versions("d") == versions("q:2")
        assert transaction.dots("b") == [version.dot for version in versions("p:2", "q:1")]
    store.carry_over(ENDLESS_KEYS)
    assert not store.merges_snapshot
    assert shown(store) == merged


def test_a_version_that_was_replaced_here_does_not_come_back(store: Store) -> None:
    """The peer still shows it, but this node knows it, and has something later."""
    adopt(store, {"c": versions("p:2")}, HERE, THERE)
    assert shown(store)["c"] == versions("p:4")
    store.carry_over(ENDLESS_KEYS)
    assert shown(store)["c"] == versions("p:4")


def test_a_reader_that_was_open_before_goes_on_in_its_own_cut(store: Store) -> None:
    """A cut never changes, neither at the adoption nor while keys are carried over; a later one is whole."""
    with store.reader() as before:
        adopt(store, {"d": versions("q:2")}, HERE, THERE)
        with store.reader() as between:
            store.carry_over(1)
            store.carry_over(ENDLESS_KEYS)
            for cut, expected in ((before, ["a", "b", "c"]), (between, ["c", "d"])):
                assert [key for key, _ in cut.entries()] == expected
            assert before.versions("d") == ()
            assert before.versions("a") == versions("p:1")
            assert between.versions("d") == versions("q:2")
            assert between.versions("a") == ()
    assert list(shown(store)) == ["c", "d"]


def test_what_is_only_staged_is_seen_by_nobody(store: Store) -> None:
    """The last part may never come."""
    stage(store, {"a": versions("q:1"), "d": versions("q:2")})
    assert not store.merges_snapshot
    assert list(shown(store)) == ["a", "b", "c"]
    with store.transaction() as transaction:
        assert transaction.versions("d") == ()


def test_a_transaction_that_fails_adopts_nothing(store: Store) -> None:
    """As with everything else in a transaction."""

    def fail() -> None:
        with store.transaction() as transaction:
            transaction.adopt_snapshot(HERE, THERE)
            assert transaction.versions("d") == versions("q:2")
            raise RuntimeError

    stage(store, {"d": versions("q:2")})
    with pytest.raises(RuntimeError):
        fail()
    assert not store.merges_snapshot
    assert list(shown(store)) == ["a", "b", "c"]


# -------------------------------------------------------------------------------- written meanwhile


@pytest.mark.parametrize("carried", [0, 1, 2, 3])
@pytest.mark.parametrize("key", ["a", "b", "c", "d"])
def test_a_write_during_the_carrying_over_wins(store: Store, carried: int, key: str) -> None:
    """Before and behind the place that the carrying over has reached, over keys of either side."""
    adopt(store, {"b": versions("q:1"), "d": versions("q:2")}, HERE, THERE)
    if carried:
        store.carry_over(carried)
    expected = shown(store) | {key: versions("p:5")}
    write_state(store, {key: versions("p:5")})
    assert shown(store) == expected
    store.carry_over(ENDLESS_KEYS)
    assert shown(store) == expected


@pytest.mark.parametrize("carried", [0, 1, 2, 3])
@pytest.mark.parametrize("key", ["a", "b", "c", "d"])
def test_a_delete_during_the_carrying_over_stays_deleted(store: Store, carried: int, key: str) -> None:
    """What the snapshot holds of the key must not come back behind it."""
    adopt(store, {"b": versions("q:1"), "d": versions("q:2")}, HERE, THERE)
    if carried:
        store.carry_over(carried)
    expected = {other: siblings for other, siblings in shown(store).items() if other != key}
    write_state(store, {key: ()})
    assert shown(store) == expected
    store.carry_over(ENDLESS_KEYS)
    assert shown(store) == expected
    assert version_key(key) not in records(store)


def test_what_the_same_transaction_wrote_before_belongs_to_the_own_side(store: Store) -> None:
    """And what it writes behind the adoption rests on the merge."""
    stage(store, {"b": versions("q:1"), "d": versions("q:2")})
    with store.transaction() as transaction:
        transaction.expect(["b", "d", "e"])
        transaction.set_versions("e", versions("p:5"))
        transaction.set_versions("b", versions("p:6"))
        transaction.adopt_snapshot(VectorClock({"p": 6}), THERE)
        assert transaction.versions("b") == versions("p:6", "q:1")
        assert transaction.versions("d") == versions("q:2")
        transaction.set_versions("d", versions("p:7"))
    expected = {"b": versions("p:6", "q:1"), "c": versions("p:4"), "d": versions("p:7"), "e": versions("p:5")}
    assert shown(store) == expected
    store.carry_over(ENDLESS_KEYS)
    assert shown(store) == expected


# ------------------------------------------------------------------------------ crashes and restarts


def test_merging_goes_on_after_a_crash_in_the_middle(tmp_path: Path) -> None:
    """From where it had come; what was written meanwhile still wins."""
    store = open_store(tmp_path)
    write_state(store, {f"k{n}": versions(f"p:{n}") for n in range(1, 9)})
    there = {f"k{n}": versions(f"q:{n}") for n in range(1, 9)}
    adopt(store, there, VectorClock({"p": 8}), VectorClock({"p": 8, "q": 8}))
    expected = dict(there)
    for number in range(1, 9):
        store.carry_over(1)
        expected[f"k{number}"] = versions(f"p:{10 + number}")
        write_state(store, {f"k{number}": expected[f"k{number}"]})
        store.close()
        store = open_store(tmp_path)
        assert shown(store) == expected
    store.carry_over(ENDLESS_KEYS)
    assert not store.merges_snapshot
    assert shown(store) == expected
    assert staged_records(store) == 0
    store.close()
    store = open_store(tmp_path)
    assert not store.merges_snapshot
    assert shown(store) == expected
    store.close()


def test_a_snapshot_that_was_not_adopted_is_forgotten_at_the_next_start(tmp_path: Path) -> None:
    """It had not come whole; what is asked for anew must not mix with it."""
    store = open_store(tmp_path)
    write_state(store, {"a": versions("p:1")})
    stage(store, {"d": versions("q:2")})
    assert staged_records(store) == 1
    store.close()
    store = open_store(tmp_path)
    assert staged_records(store) == 0
    assert list(shown(store)) == ["a"]
    store.close()


def test_the_first_part_replaces_what_was_staged_before(store: Store) -> None:
    """Another peer is asked when one does not go on."""
    stage(store, {"d": versions("q:2")})
    adopt(store, {"e": versions("q:3")}, HERE, THERE)
    assert list(shown(store)) == ["c", "e"]


def test_a_second_snapshot_first_brings_the_former_one_to_its_end(store: Store) -> None:
    """Also when its first part comes in the very transaction that writes and reads keys of the former."""
    adopt(store, {"b": versions("p:2", "q:1"), "d": versions("q:2")}, HERE, THERE)
    with store.transaction() as transaction:
        transaction.expect(["b", "d"])
        transaction.set_versions("c", versions("p:5"))
        transaction.stage_snapshot([("f", versions("r:1"))], is_first=True)
        assert transaction.versions("b") == versions("p:2", "q:1")
        assert transaction.versions("d") == versions("q:2")
        assert list(transaction.dots("a")) == []
    assert shown(store) == {"b": versions("p:2", "q:1"), "c": versions("p:5"), "d": versions("q:2")}
    store.carry_over(1)
    assert not store.merges_snapshot
    with store.transaction() as transaction:
        transaction.adopt_snapshot(VectorClock({"p": 5, "q": 9}), VectorClock({"p": 2, "q": 9, "r": 1}))
    # The peer of the second one has deleted b and d, and knew nothing of c.
    assert shown(store) == {"c": versions("p:5"), "f": versions("r:1")}


# ---------------------------------------------------------------------------------------- odd cases


def test_an_empty_snapshot_leaves_what_the_peer_never_knew(store: Store) -> None:
    """It may have deleted everything that it knew."""
    adopt(store, {}, HERE, THERE)
    assert shown(store) == {"c": versions("p:4")}
    store.carry_over(ENDLESS_KEYS)
    assert shown(store) == {"c": versions("p:4")}


def test_a_snapshot_into_an_empty_store_is_its_content(tmp_path: Path) -> None:
    """As for a node that joins, or lost its disk."""
    store = open_store(tmp_path)
    there = {f"k{n:03}": versions(f"q:{n}") for n in range(1, 200)}
    adopt(store, there, VectorClock(), VectorClock({"q": 200}))
    assert shown(store) == there
    for _ in range(100):
        store.carry_over(7)
    assert not store.merges_snapshot
    assert shown(store) == there
    store.close()


def test_keys_beyond_what_the_database_can_hold_are_merged_too(store: Store) -> None:
    """They are cut and told apart by a digest, on both sides alike."""
    own = {LONG + "1": versions("p:3"), LONG + "2": versions("p:1"), LONG + "3": versions("p:4")}
    write_state(store, own)
    adopt(store, {LONG + "1": versions("q:1"), LONG + "4": versions("q:4")}, HERE, THERE)
    expected = {
        "c": versions("p:4"),
        LONG + "1": versions("p:3", "q:1"),
        LONG + "3": versions("p:4"),
        LONG + "4": versions("q:4"),
    }
    assert shown(store) == expected
    for _ in range(len(own) + 5):
        store.carry_over(1)
        assert shown(store) == expected
    assert not store.merges_snapshot


def test_a_damaged_record_of_a_merge_is_refused_and_never_read_as_absent(store: Store) -> None:
    """Of a staged key, and of the merge itself."""
    adopt(store, {"d": versions("q:2")}, HERE, THERE)
    with store._env.begin(write=True) as transaction:
        transaction.put(version_key("d"), b"not a record", db=store._tables.snapshot)
    with store.reader() as cut, pytest.raises(StoreCorruptedError):
        cut.versions("d")
    with pytest.raises(StoreCorruptedError):
        store.carry_over(ENDLESS_KEYS)
    with store._env.begin(write=True) as transaction:
        transaction.put(OVERLAY_KEY, b"not a record", db=store._tables.meta)
    with pytest.raises(StoreCorruptedError, match="snapshot being merged"), store.reader():
        pass
