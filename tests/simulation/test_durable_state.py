from __future__ import annotations

import pytest

from node.core.hybrid_clock import HybridTimestamp
from node.core.members import SavedMember
from node.core.state import FormerLine
from node.core.versions import Version
from tests.simulation.durable_state import DurableState
from tests.simulation.transaction import NotKeptError
from tests.unit.core.builders import clock, dot, put, write


def _version(name: str) -> Version:
    made = write(name)
    return Version(made.dot, made.clock, made.timestamp, b"1")


def test_what_is_staged_shows_in_the_transaction_and_not_on_the_disk() -> None:
    """Reads see what the same transaction wrote; the disk does not change before the commit."""
    disk = DurableState("a")
    transaction = disk.begin()
    before = disk.fingerprint()
    transaction.set_versions("x", (_version("a:1"),))
    transaction.append_history(write("a:1"))
    transaction.hold(write("b:2"), 0)
    transaction.save(clock("a=1"), HybridTimestamp(1, 0), 0)
    assert transaction.versions("x") == (_version("a:1"),)
    assert transaction.history("a", 1, 10, 1_000) == [write("a:1")]
    assert disk.fingerprint() == before
    assert disk.held == {}


def test_a_commit_makes_all_of_it_durable() -> None:
    """Versions, history, held writes and position at once."""
    disk = DurableState("a")
    transaction = disk.begin()
    transaction.set_versions("x", (_version("a:1"),))
    transaction.append_history(write("a:1"))
    transaction.hold(write("b:2"), 7)
    transaction.save(clock("a=1"), HybridTimestamp(1, 0), 1)
    transaction.commit()
    saved = disk.saved()
    assert (saved.clock, saved.timestamp, saved.confirmed_seq) == (clock("a=1"), HybridTimestamp(1, 0), 1)
    assert [(held.dot, held.since_ms) for held in saved.held] == [(dot("b:2"), 7)]
    assert disk.versions == {"x": (_version("a:1"),)}
    assert list(disk.history) == [dot("a:1")]


def test_an_empty_set_of_versions_leaves_nothing_behind() -> None:
    """A deleted key is gone from the disk."""
    disk = DurableState("a")
    for versions in ((_version("a:1"),), ()):
        transaction = disk.begin()
        transaction.set_versions("x", versions)
        assert transaction.versions("x") == versions
        transaction.commit()
    assert disk.versions == {}


def test_a_held_write_can_be_taken_once() -> None:
    """In the transaction that held it or in a later one."""
    disk = DurableState("a")
    first = disk.begin()
    first.hold(write("b:2"), 0)
    first.hold(write("b:3"), 0)
    assert first.take_held(dot("b:2")) == write("b:2")
    first.commit()
    second = disk.begin()
    assert second.take_held(dot("b:3")) == write("b:3")
    with pytest.raises(KeyError, match="taken already"):
        second.take_held(dot("b:3"))
    second.commit()
    assert disk.held == {}


def test_history_stops_at_a_hole_and_at_its_limits() -> None:
    """At least one write, and then as many as fit."""
    disk = DurableState("a")
    transaction = disk.begin()
    for name in ("a:1", "a:2", "a:3", "a:5"):
        transaction.append_history(write(name, put("x", "v" * 7)))
    transaction.commit()
    reading = disk.begin()
    assert [len(reading.history("a", 1, count, 1_000)) for count in (1, 2, 10)] == [1, 2, 3]
    assert [len(reading.history("a", 1, 10, size)) for size in (1, 20, 30)] == [1, 2, 3]


def test_a_copied_disk_is_independent() -> None:
    """A backup does not change with the original."""
    disk = DurableState("a")
    backup = disk.copy()
    transaction = disk.begin()
    transaction.set_versions("x", (_version("a:1"),))
    transaction.append_history(write("a:1"))
    transaction.commit()
    assert backup.fingerprint() == DurableState("a").fingerprint()
    assert backup.fingerprint() != disk.fingerprint()


def test_history_that_is_not_kept_may_not_be_asked_for() -> None:
    """The core must know what it has trimmed."""
    disk = DurableState("a")
    transaction = disk.begin()
    for name in ("a:1", "a:2", "a:3"):
        transaction.append_history(write(name))
    assert [transaction.trim_history("a", 2, room) for room in (1, 5, 5)] == [1, 1, 0]
    transaction.commit()
    assert list(disk.history) == [dot("a:3")]
    for first in (2, 4):
        with pytest.raises(NotKeptError, match=f"a:{first}"):
            disk.begin().history("a", first, 1, 1_000)


def test_identity_members_and_trimming_are_saved_and_copied() -> None:
    """A restart finds them; a backup has them as they were."""
    disk = DurableState("a")
    transaction = disk.begin()
    transaction.save_identity("b", [FormerLine("a", 1, 3)])
    transaction.save_trimmed(clock("a=1"))
    transaction.save_members([SavedMember("n", 5, is_member=False, silent_ms=7)])
    transaction.commit()
    for saved in (disk.saved(), disk.copy().saved()):
        assert (saved.replica, saved.former, saved.trimmed) == ("b", (FormerLine("a", 1, 3),), clock("a=1"))
        assert saved.members == (SavedMember("n", 5, is_member=False, silent_ms=7),)


def test_a_snapshot_is_staged_over_several_transactions_and_merged_in_one() -> None:
    """Parts are kept apart from the state until it is adopted; the first part drops what was staged before."""
    disk = DurableState("a")
    parts = [("old", "b:1"), ("x", "b:2"), ("y", "b:3")]
    for number, (key, name) in enumerate(parts):
        transaction = disk.begin()
        transaction.stage_snapshot([(key, (_version(name),))], is_first=number < 2)
        transaction.commit()
    assert disk.versions == {}
    transaction = disk.begin()
    transaction.set_versions("z", (_version("a:1"),))
    transaction.adopt_snapshot(clock("a=1"), clock("b=3"))
    transaction.commit()
    assert {key: versions[0].dot for key, versions in disk.versions.items()} == {
        "x": dot("b:2"),
        "y": dot("b:3"),
        "z": dot("a:1"),
    }
    assert disk.staged == {}
