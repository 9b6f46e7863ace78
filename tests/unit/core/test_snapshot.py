from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from node.core.control import SnapshotGiven, SnapshotWanted
from node.core.hybrid_clock import HybridTimestamp
from node.core.snapshot import SnapshotLimits, SnapshotTaker
from node.core.versions import Version
from tests.unit.core.builders import clock, write

if TYPE_CHECKING:
    from node.core.versions import Versions

LIMITS = SnapshotLimits(part_ms=5_000, tries=3, pause_ms=2_000)
SENT = "b=3 c=2"


def _taker() -> SnapshotTaker:
    names = (f"request {number}" for number in itertools.count(1))
    return SnapshotTaker(LIMITS, lambda: next(names))


def _begun(*peers: str) -> SnapshotTaker:
    taker = _taker()
    assert taker.begin(peers or ("b",), "a", 0) is not None
    return taker


def _version(name: str, after: str = "") -> Version:
    made = write(name, after=after)
    return Version(made.dot, made.clock, made.timestamp, b"1")


def _part(
    part: int,
    *keys: str,
    request: str = "request 1",
    knows: str = SENT,
    is_last: bool = False,
    versions: Versions | None = None,
) -> SnapshotGiven:
    siblings = (_version("b:1"),) if versions is None else versions
    entries = tuple((key, siblings) for key in keys)
    return SnapshotGiven("b", request, part, clock(knows), HybridTimestamp(1_000, 0), entries, is_last)


# ---------------------------------------------------------------------------------- part by part


def test_a_snapshot_is_asked_for_part_by_part() -> None:
    """The next part is asked for when the one before is stored: that bounds the memory on both sides."""
    taker = _taker()
    assert taker.begin(["b", "c"], "a", 0) == ("b", SnapshotWanted("a", "request 1", 0))
    assert taker.progress == ("b", 0, 0)
    assert taker.received(_part(0, "x", "y"), "a", 0) == ("b", SnapshotWanted("a", "request 1", 1))
    assert taker.progress == ("b", 1, 2)
    assert taker.received(_part(1, "z", is_last=True), "a", 0) is None
    assert taker.progress is None
    assert taker.keys == 3


def test_one_snapshot_is_taken_at_a_time() -> None:
    """Two would replace each other's parts."""
    assert _begun().begin(["c"], "a", 0) is None


def test_nothing_begins_without_a_peer() -> None:
    """There is nobody to ask."""
    assert _taker().begin([], "a", 0) is None


def test_the_next_snapshot_bears_another_name() -> None:
    """So that nothing of the former one is taken for a part of it."""
    taker = _begun()
    taker.received(_part(0, "x", is_last=True), "a", 0)
    assert taker.begin(["b"], "a", 0) == ("b", SnapshotWanted("a", "request 2", 0))


# -------------------------------------------------------------------------------- what is expected


def test_only_the_part_that_was_asked_for_is_expected() -> None:
    """Neither a later one, nor one that came already, nor one of another request."""
    taker = _begun()
    assert taker.expects(_part(0))
    assert not taker.expects(_part(1))
    assert not taker.expects(_part(0, request="of somebody else"))
    taker.received(_part(0, "x"), "a", 0)
    assert taker.expects(_part(1))
    assert not taker.expects(_part(0))


def test_nothing_is_expected_when_no_snapshot_is_under_way() -> None:
    """Neither before the first, nor after the last part, nor when it was given up."""
    assert not _taker().expects(_part(0, request=""))
    finished = _begun()
    finished.received(_part(0, is_last=True), "a", 0)
    assert not finished.expects(_part(1))
    given_up = _begun()
    given_up.give_up(0)
    assert not given_up.expects(_part(0))


# --------------------------------------------------------------------------------- asking again


def test_a_part_that_does_not_come_is_asked_for_again() -> None:
    """After its time and not before; the same part, of the same peer."""
    taker = _begun()
    assert taker.overdue("a", 4_999) is None
    assert taker.overdue("a", 5_000) == ("b", SnapshotWanted("a", "request 1", 0))
    assert taker.overdue("a", 9_999) is None


def test_a_part_that_comes_starts_the_time_and_the_tries_anew() -> None:
    """A slow peer that goes on is not given up."""
    taker = _begun()
    for part in range(2 * LIMITS.tries):
        at_ms = (part + 1) * LIMITS.part_ms
        assert taker.overdue("a", at_ms) == ("b", SnapshotWanted("a", "request 1", part))
        assert taker.received(_part(part, f"k{part}"), "a", at_ms) is not None


def test_a_peer_that_never_answers_is_given_up() -> None:
    """After as many tries as the limit says."""
    taker = _begun()
    asked = [taker.overdue("a", number * LIMITS.part_ms) for number in range(1, LIMITS.tries + 1)]
    assert [again is not None for again in asked] == [True, True, False]
    assert taker.progress is None


def test_after_a_failure_another_peer_is_asked_after_a_pause() -> None:
    """Not at once: a snapshot costs its giver something."""
    taker = _begun("b", "c")
    taker.give_up(1_000)
    assert taker.begin(["b", "c"], "a", 2_999) is None
    assert taker.begin(["b", "c"], "a", 3_000) == ("c", SnapshotWanted("a", "request 2", 0))


def test_every_peer_has_its_turn() -> None:
    """Two that fail must not hide a third one that would not."""
    taker, asked = _taker(), []
    for number in range(4):
        begun = taker.begin(["b", "c", "d"], "a", number * LIMITS.pause_ms)
        assert begun is not None
        asked.append(begun[0])
        taker.give_up(number * LIMITS.pause_ms)
    assert asked == ["b", "c", "d", "b"]


def test_the_only_peer_is_asked_again_although_it_failed() -> None:
    """Better than nobody."""
    taker = _begun("b")
    taker.give_up(0)
    assert taker.begin(["b"], "a", 2_000) is not None


# ----------------------------------------------------------------------------------------- flaws


def test_a_sound_part_has_no_flaw() -> None:
    """Versions within the clock, in any order of the keys; an empty part too."""
    siblings = (_version("b:2", after="c=1"), _version("c:2"))
    taker = _begun()
    assert taker.flaw(_part(0, "y", "x", "é", versions=siblings)) is None
    assert taker.flaw(_part(0, is_last=True)) is None


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ((), "no version"),
        ((_version("b:4"),), "b:4 is not among the writes"),
        ((_version("d:1"),), "d:1 is not among the writes"),
        ((_version("b:1", after="c=3"),), "b:1 is not among the writes"),
        ((_version("b:2"), _version("b:1")), "two versions of one replica"),
        ((_version("b:2")._replace(clock=clock("b=1")),), "does not hold its own dot"),
        ((_version("b:1")._replace(timestamp=HybridTimestamp(1_000, 1)),), "b:1 is dated later than anything"),
    ],
)
def test_versions_that_cannot_be_in_the_snapshots_clock_are_a_flaw(versions: Versions, reason: str) -> None:
    """Such a snapshot contains what it says it does not contain, or nothing where it says something."""
    flaw = _begun().flaw(_part(0, "x", versions=versions))
    assert flaw is not None
    assert "key 'x'" in flaw
    assert reason in flaw


def test_a_clock_that_changes_between_two_parts_is_a_flaw() -> None:
    """The parts would be of two states, and their union of none."""
    taker = _begun()
    taker.received(_part(0, "x"), "a", 0)
    assert taker.flaw(_part(1, "y", knows="b=4 c=2")) == "its clock changed between two parts"


def test_a_new_snapshot_may_have_another_clock() -> None:
    """It is of another moment."""
    taker = _begun()
    taker.received(_part(0, "x"), "a", 0)
    taker.give_up(0)
    taker.begin(["b"], "a", 2_000)
    assert taker.flaw(_part(0, "a", request="request 2", knows="b=4 c=2")) is None
