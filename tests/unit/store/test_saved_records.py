"""What a node knows of itself and of its members survives a restart; older data directories lack it, and open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lmdb
import pytest

from node.core.dot import Dot, replica_id
from node.core.hybrid_clock import HybridTimestamp
from node.core.members import SavedMember
from node.core.state import FormerLine, SavedReplica
from node.core.vector_clock import VectorClock
from node.errors import StoreCorruptedError
from node.store.reader import TRIMMED_KEY
from node.store.transaction import MEMBERS_KEY, REPLICA_KEY
from tests.support.writes import NODE1, NODE2, put_write
from tests.unit.store.merging import MAX_BYTES, adopt, open_store, shown, stage, versions, write_state

if TYPE_CHECKING:
    from pathlib import Path

    from node.store import Store

FORMER = (FormerLine("node1~older1", 3, 9), FormerLine("node1~older2", 0, 1))
MEMBERS = (SavedMember("node1", 0, True, 0), SavedMember("node2", 1_700_000_000_000, False, 86_400_000))
NEW_RECORDS = (REPLICA_KEY, TRIMMED_KEY, MEMBERS_KEY)


def save_everything(store: Store) -> None:
    """One of each record."""
    with store.transaction() as transaction:
        transaction.save(VectorClock({NODE1: 3}), HybridTimestamp(17, 4), 2)
        transaction.save_identity("node1~newest", FORMER)
        transaction.save_trimmed(VectorClock({NODE1: 2, NODE2: 5}))
        transaction.save_members(MEMBERS)


def loaded(path: Path) -> SavedReplica:
    """What a node that starts now reads."""
    store = open_store(path)
    saved = store.load()
    store.close()
    return saved


def as_older_versions_left_it(path: Path, *, table: bool) -> None:
    """Take out what older versions of the program did not write: three records, and, with ``table``, a table."""
    with lmdb.open(str(path), map_size=MAX_BYTES, max_dbs=8) as environment:
        meta = environment.open_db(b"meta")
        snapshot = environment.open_db(b"snapshot")
        with environment.begin(write=True) as transaction:
            for place in NEW_RECORDS:
                transaction.delete(place, db=meta)
            if table:
                transaction.drop(snapshot)


def test_a_new_store_has_a_name_and_nothing_else(tmp_path: Path) -> None:
    """The name is the identity's; membership is the configuration's until it changes."""
    store = open_store(tmp_path)
    saved = store.load()
    assert saved == SavedReplica(
        replica_id("node1", store.identity.incarnation), VectorClock(), HybridTimestamp(0, 0), 0
    )
    store.close()


def test_name_members_and_the_end_of_history_survive_a_restart(tmp_path: Path) -> None:
    """Each as it was last saved; the identity keeps the incarnation that the directory was made with."""
    store = open_store(tmp_path)
    first = store.identity
    save_everything(store)
    before = store.load()
    store.close()
    assert before == SavedReplica(
        "node1~newest",
        VectorClock({NODE1: 3}),
        HybridTimestamp(17, 4),
        2,
        (),
        FORMER,
        VectorClock({NODE1: 2, NODE2: 5}),
        MEMBERS,
    )
    assert loaded(tmp_path) == before
    store = open_store(tmp_path)
    assert store.identity == first
    store.close()


def test_what_is_saved_later_replaces_what_was_saved_before(tmp_path: Path) -> None:
    """Nothing is added up; a drained former incarnation and a trimmed line may go."""
    store = open_store(tmp_path)
    save_everything(store)
    with store.transaction() as transaction:
        transaction.save_identity("node1~newest", FORMER[1:])
        transaction.save_trimmed(VectorClock({NODE1: 7}))
        transaction.save_members(MEMBERS[:1])
    store.close()
    saved = loaded(tmp_path)
    assert (saved.former, saved.trimmed, saved.members) == (FORMER[1:], VectorClock({NODE1: 7}), MEMBERS[:1])


def test_a_failed_transaction_saves_none_of_it(tmp_path: Path) -> None:
    """A name that was not saved must not be written under."""

    def fail() -> None:
        with store.transaction() as transaction:
            transaction.save_identity("node1~never", ())
            transaction.save_trimmed(VectorClock({NODE1: 99}))
            transaction.save_members(())
            raise RuntimeError

    store = open_store(tmp_path)
    save_everything(store)
    before = store.load()
    with pytest.raises(RuntimeError):
        fail()
    assert store.load() == before
    store.close()


@pytest.mark.parametrize("place", NEW_RECORDS)
def test_a_damaged_record_is_refused_and_never_read_as_absent(tmp_path: Path, place: bytes) -> None:
    """An absent name would be an older one, under which dots could be used twice."""
    store = open_store(tmp_path)
    save_everything(store)
    with store._env.begin(write=True) as transaction:
        record = bytearray(transaction.get(place, db=store._tables.meta) or b"")
        record[-1] ^= 0x10
        transaction.put(place, bytes(record), db=store._tables.meta)
    with pytest.raises(StoreCorruptedError, match=f"the replica's {place.decode()}"):
        store.load()
    store.close()


# --------------------------------------------------------------------------- older data directories


@pytest.mark.parametrize("table", [False, True])
def test_a_data_directory_without_the_later_records_opens(tmp_path: Path, *, table: bool) -> None:
    """It goes on under its first name, with everything that it has."""
    store = open_store(tmp_path)
    name = store.load().replica
    write_state(store, {"a": versions("p:1")})
    with store.transaction() as transaction:
        transaction.save(VectorClock({"p": 1, name: 2}), HybridTimestamp(17, 4), 2)
        transaction.hold(put_write(NODE2, 3, "y", node1=2), 1234)
    store.close()
    as_older_versions_left_it(tmp_path, table=table)
    saved = loaded(tmp_path)
    assert (saved.replica, saved.confirmed_seq, saved.clock["p"]) == (name, 2, 1)
    assert (saved.former, saved.trimmed, saved.members) == ((), VectorClock(), ())
    assert [held.dot for held in saved.held] == [Dot(NODE2, 3)]


def test_an_older_data_directory_can_take_a_snapshot(tmp_path: Path) -> None:
    """The table for it is made when the directory is opened."""
    store = open_store(tmp_path)
    write_state(store, {"a": versions("p:1")})
    store.close()
    as_older_versions_left_it(tmp_path, table=True)
    store = open_store(tmp_path)
    adopt(store, {"b": versions("q:1")}, VectorClock({"p": 1}), VectorClock({"q": 1}))
    assert shown(store) == {"a": versions("p:1"), "b": versions("q:1")}
    stage(store, {"c": versions("q:2")})
    assert shown(store) == {"a": versions("p:1"), "b": versions("q:1")}
    store.close()
