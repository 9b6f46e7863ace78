from __future__ import annotations

import pytest

from node.core.dot import Dot
from node.core.vector_clock import SequenceRange, VectorClock
from tests.unit.core.builders import clock, dot


def test_an_absent_entry_counts_zero_writes() -> None:
    """A clock says nothing of a replica by saying 0."""
    assert clock("a=1")["b"] == 0
    assert "b" not in clock("a=1")


def test_an_entry_of_zero_is_the_same_as_none() -> None:
    """Equal knowledge makes equal clocks, with equal hashes."""
    assert VectorClock({"a": 1, "b": 0}) == VectorClock({"a": 1})
    assert hash(VectorClock({"a": 1, "b": 0})) == hash(VectorClock({"a": 1}))
    assert len(VectorClock({"b": 0})) == 0


def test_the_order_of_construction_does_not_show() -> None:
    """Entries stand in byte order of the replica ids, so that equal clocks print alike."""
    assert str(VectorClock({"b": 2, "a": 1})) == "a=1,b=2"
    assert list(VectorClock([("b", 2), ("a", 1)])) == ["a", "b"]


def test_a_count_below_zero_is_refused() -> None:
    """A clock counts writes."""
    with pytest.raises(ValueError, match="a=-1 is below 0"):
        VectorClock({"a": -1})


def test_more_knowledge_is_greater() -> None:
    """``<=`` is happened-before or equal; ``<`` leaves equality out."""
    assert clock("a=1") < clock("a=1 b=1")
    assert clock("a=1") <= clock("a=1")
    assert not clock("a=1") < clock("a=1")
    assert clock("a=2") > clock("a=1")
    assert clock("a=2") >= clock("a=2")


def test_clocks_that_each_know_something_of_their_own_are_concurrent() -> None:
    """Neither is before the other."""
    one, other = clock("a=2 b=1"), clock("a=1 b=2")
    assert one.concurrent_with(other)
    assert not one <= other
    assert not one >= other


def test_a_clock_is_not_concurrent_with_its_past() -> None:
    """What is ordered is not concurrent, and neither is what is equal."""
    assert not clock("a=1").concurrent_with(clock("a=1 b=1"))
    assert not clock("a=1").concurrent_with(clock("a=1"))


def test_a_clock_equals_nothing_but_clocks() -> None:
    """A dict with the same entries is something else."""
    assert clock("a=1") != {"a": 1}


def test_a_clock_covers_the_writes_up_to_its_count() -> None:
    """Entry a=2 knows a:1 and a:2, and no more."""
    known = clock("a=2")
    assert [known.covers(dot(name)) for name in ("a:1", "a:2", "a:3", "b:1")] == [True, True, False, False]


def test_what_is_missing_is_named_by_range() -> None:
    """One range for each replica of which something lacks."""
    missing = clock("a=2 c=5").missing(clock("a=4 b=1 c=3"))
    assert missing == {"a": SequenceRange(3, 4), "b": SequenceRange(1, 1)}


def test_merging_takes_the_greater_count_of_each_entry() -> None:
    """The merged clock knows what either knows."""
    assert clock("a=2 b=1").merge(clock("b=3 c=1")) == clock("a=2 b=3 c=1")


def test_merging_changes_neither_clock() -> None:
    """Clocks are values."""
    one, other = clock("a=2"), clock("b=3")
    one.merge(other)
    assert (one, other) == (clock("a=2"), clock("b=3"))


def test_advancing_to_a_dot_knows_that_write_too() -> None:
    """A known and a new replica alike; the former clock stays as it is."""
    before = clock("b=1")
    assert before.advanced_to(Dot("b", 2)) == clock("b=2")
    assert before.advanced_to(Dot("a", 1)) == clock("a=1 b=1")
    assert str(before.advanced_to(Dot("a", 1))) == "a=1,b=1"
    assert before == clock("b=1")


def test_a_clock_never_goes_back() -> None:
    """Advancing to an older write is a mistake of the caller."""
    with pytest.raises(ValueError, match="never goes back: a:1 is below 2"):
        clock("a=2").advanced_to(Dot("a", 1))


def test_a_trusted_clock_equals_a_checked_one() -> None:
    """The hot path makes the same clocks."""
    assert VectorClock.trusted({"a": 1, "b": 2}) == clock("a=1 b=2")
    assert hash(VectorClock.trusted({"a": 1, "b": 2})) == hash(clock("a=1 b=2"))


def test_as_dict_gives_a_copy() -> None:
    """Changing the copy does not change the clock."""
    known = clock("a=1")
    known.as_dict()["a"] = 7
    assert known == clock("a=1")
