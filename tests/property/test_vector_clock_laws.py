from __future__ import annotations

from hypothesis import given

from node.core.dot import Dot
from node.core.vector_clock import VectorClock
from tests.support.strategies import clocks, dots


@given(clocks())
def test_a_clock_is_at_most_itself(a: VectorClock) -> None:
    """The order is reflexive, the strict one irreflexive."""
    assert a <= a  # noqa: PLR0124  # the law itself
    assert not a < a  # noqa: PLR0124  # the law itself


@given(clocks(), clocks())
def test_clocks_that_know_each_other_are_equal(a: VectorClock, b: VectorClock) -> None:
    """The order is antisymmetric; equality goes with it, hash included."""
    assert (a <= b <= a) == (a == b)
    assert a != b or hash(a) == hash(b)


@given(clocks(), clocks(), clocks())
def test_happened_before_carries_over(a: VectorClock, b: VectorClock, c: VectorClock) -> None:
    """The order is transitive: seen along a chain of merges and against any third clock."""
    assert a <= a.merge(b) <= a.merge(b).merge(c)
    assert not (a <= b <= c) or a <= c


@given(clocks(), clocks())
def test_two_clocks_stand_in_exactly_one_relation(a: VectorClock, b: VectorClock) -> None:
    """Before, after, equal or concurrent."""
    assert [a < b, a > b, a == b, a.concurrent_with(b)].count(True) == 1


@given(clocks(), clocks())
def test_the_operators_agree_with_each_other(a: VectorClock, b: VectorClock) -> None:
    """Greater is less, seen from the other side."""
    assert (a >= b) == (b <= a)
    assert (a > b) == (b < a)
    assert (a < b) == (a <= b and a != b)


@given(clocks(), clocks())
def test_concurrency_is_symmetric(a: VectorClock, b: VectorClock) -> None:
    """Neither side is special."""
    assert a.concurrent_with(b) == b.concurrent_with(a)


@given(clocks(), clocks())
def test_merging_is_commutative(a: VectorClock, b: VectorClock) -> None:
    """It does not matter who tells whom, to the last byte."""
    assert a.merge(b) == b.merge(a)
    assert str(a.merge(b)) == str(b.merge(a))


@given(clocks(), clocks(), clocks())
def test_merging_is_associative(a: VectorClock, b: VectorClock, c: VectorClock) -> None:
    """It does not matter in which order clocks come together."""
    assert a.merge(b).merge(c) == a.merge(b.merge(c))


@given(clocks())
def test_merging_is_idempotent(a: VectorClock) -> None:
    """Hearing it twice adds nothing."""
    assert a.merge(a) == a


@given(clocks(), clocks(), clocks())
def test_the_merged_clock_is_the_least_upper_bound(a: VectorClock, b: VectorClock, c: VectorClock) -> None:
    """It knows all that either knows, and nothing else."""
    merged = a.merge(b)
    assert a <= merged
    assert b <= merged
    assert (merged <= c) == (a <= c and b <= c)


@given(clocks(), clocks())
def test_nothing_is_missing_exactly_when_all_is_known(a: VectorClock, b: VectorClock) -> None:
    """``missing`` is the order's reason."""
    assert (a.missing(b) == {}) == (b <= a)


@given(clocks(), clocks())
def test_what_is_missing_is_exactly_what_the_merge_adds(a: VectorClock, b: VectorClock) -> None:
    """Each missing dot is covered by the other clock and not by this one; no dot besides."""
    missing = {Dot(replica, seq) for replica, (first, last) in a.missing(b).items() for seq in range(first, last + 1)}
    known_to_b = {Dot(replica, seq) for replica, count in b.items() for seq in range(1, count + 1)}
    assert missing == {dot for dot in known_to_b if not a.covers(dot)}


@given(clocks(), dots())
def test_a_clock_covers_a_dot_when_it_is_at_least_the_clock_of_it(a: VectorClock, dot: Dot) -> None:
    """Covering is the order on the writes of one replica."""
    assert a.covers(dot) == (VectorClock({dot.replica: dot.seq}) <= a)


@given(clocks(), dots())
def test_advancing_is_merging_with_a_later_dot(a: VectorClock, dot: Dot) -> None:
    """For the next write of a replica, and any later one."""
    later = Dot(dot.replica, a[dot.replica] + dot.seq)
    advanced = a.advanced_to(later)
    assert advanced == a.merge(VectorClock({later.replica: later.seq}))
    assert list(advanced) == sorted(advanced)
