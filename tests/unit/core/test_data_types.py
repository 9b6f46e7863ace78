"""Counters, sets and the time of versions, operation by operation."""

from __future__ import annotations

from node.core.places import CounterPlace, MemberPlace, key_of
from node.core.versions import Versions, after_addition, after_delete, after_expiry, after_increment, after_put, counted
from node.core.write import AddMembers, Delete, Expire, Increment, Put, RemoveMembers
from tests.unit.core.builders import Bench, dot, put, write

COUNTER = CounterPlace("x")
A, B = '"a"', '"b"'


def _dots(versions: Versions) -> list[str]:
    return [str(version.dot) for version in versions]


def _shares(bench: Bench, key: str = "x") -> dict[str, int]:
    return {share.dot.replica: int(share.value) for share in bench.disk.versions(CounterPlace(key))}


def _members(bench: Bench, key: str = "x") -> list[str]:
    return sorted(place.member for place in bench.disk.values if isinstance(place, MemberPlace) and place.key == key)


# --------------------------------------------------------------------------------------- counters


def test_an_increment_adds_to_the_share_of_its_replica() -> None:
    """Later increments of one replica take the place of its share, and carry the sum."""
    shares = after_increment(after_increment((), write("a:1"), 5), write("a:2"), -7)
    assert (_dots(shares), counted(shares)) == (["a:2"], -2)


def test_an_increment_leaves_the_shares_of_other_replicas_also_when_it_has_seen_them() -> None:
    """An increment replaces nothing that others counted."""
    shares = after_increment((), write("a:1"), 5)
    for later in (write("b:1"), write("b:1", after="a=1")):
        assert counted(after_increment(shares, later, 10)) == 15


def test_shares_stand_in_one_order_whatever_the_order_of_arrival() -> None:
    """By timestamp and replica id, as siblings do: equal states are equal byte for byte."""
    one, other = write("a:1", ms=7), write("b:1", ms=7)
    assert after_increment(after_increment((), one, 1), other, 2) == after_increment(
        after_increment((), other, 2), one, 1
    )


def test_a_counter_that_nobody_incremented_stands_at_zero() -> None:
    """There is no version of it."""
    assert counted(()) == 0


def test_two_increments_of_one_write_are_both_counted() -> None:
    """They have one dot, and one share."""
    bench = Bench("a")
    bench.write(Increment("x", 2), Increment("x", 3), Increment("y", 1))
    bench.write(Increment("x", 10))
    assert (_shares(bench), _shares(bench, "y")) == ({"a": 15}, {"a": 1})


def test_a_counter_grows_as_far_as_one_likes() -> None:
    """Python's integers, and no rounding."""
    bench = Bench("a")
    for _ in range(3):
        bench.write(Increment("x", 2**53 - 1))
    assert _shares(bench) == {"a": 3 * (2**53 - 1)}


# ------------------------------------------------------------------------------------------- sets


def test_an_addition_replaces_the_additions_that_it_has_seen() -> None:
    """One version is left; concurrent additions stand side by side, and the member is in the set once."""
    first = after_addition((), write("a:1"))
    assert _dots(after_addition(first, write("b:1", after="a=1", ms=2_000))) == ["b:1"]
    assert set(_dots(after_addition(first, write("b:1")))) == {"a:1", "b:1"}


def test_a_removal_takes_the_additions_that_it_has_seen_and_spares_concurrent_ones() -> None:
    """The addition wins."""
    both = after_addition(after_addition((), write("a:1")), write("b:1"))
    assert _dots(after_delete(both, write("c:1", after="a=1"))) == ["b:1"]
    assert after_delete(both, write("c:1", after="a=1 b=1")) == ()


def test_the_last_operation_on_a_member_in_one_write_counts() -> None:
    """A write happened after none of its own operations, and its dot covers them all."""
    bench = Bench("a")
    bench.write(AddMembers("x", (A, B)), RemoveMembers("x", (A,)), RemoveMembers("x", (B,)), AddMembers("x", (B, B)))
    assert _members(bench) == [B]


def test_removing_what_is_not_there_leaves_nothing_behind() -> None:
    """No tombstone."""
    bench = Bench("a")
    bench.write(RemoveMembers("x", (A,)))
    assert bench.disk.values == {}


def test_a_set_a_counter_and_a_register_of_one_name_have_nothing_to_do_with_each_other() -> None:
    """Each type has a keyspace of its own."""
    bench = Bench("a")
    bench.write(put("x", "1"), Increment("x", 1), AddMembers("x", (A,)))
    bench.write(Delete("x"))
    assert set(bench.disk.values) == {COUNTER, MemberPlace("x", A)}
    assert {key_of(place) for place in ("x", *bench.disk.values)} == {"x"}


# ------------------------------------------------------------------------------- time of versions


def test_a_put_with_a_time_says_when_its_version_ends() -> None:
    """In hybrid time, from the timestamp of its write: the same on every node."""
    (version,) = after_put((), write("a:1", ms=1_000), Put("x", b"1", 250))
    assert version.expires_ms == 1_250
    (for_good,) = after_put((), write("a:1", ms=1_000), Put("x", b"1"))
    assert for_good.expires_ms == 0


def test_an_expiry_removes_exactly_the_version_that_it_names() -> None:
    """Siblings stay."""
    both = after_put(after_put((), write("a:1"), put("x", "1")), write("b:1"), put("x", "2"))
    assert _dots(after_expiry(both, dot("a:1"))) == ["b:1"]
    assert after_expiry(both, dot("a:2")) == both


def test_an_expiry_spares_what_was_put_since_also_when_it_has_seen_it() -> None:
    """It is no delete of the key."""
    bench = Bench("a")
    bench.receive(write("b:1", Put("x", b'"old"', 5)), write("b:2", put("x", "new"), ms=1_001))
    bench.receive(write("c:1", Expire("x", dot("b:1")), after="b=2", ms=1_002))
    assert bench.values("x") == ["new"]


def test_a_second_expiry_of_a_version_changes_nothing() -> None:
    """Two members may both have taken it upon themselves."""
    bench = Bench("a")
    bench.receive(write("b:1", Put("x", b'"1"', 5)), write("d:1", put("x", "sibling")))
    for name in ("b:2", "c:1"):
        bench.receive(write(name, Expire("x", dot("b:1")), after="b=1", ms=1_005))
        assert bench.values("x") == ["sibling"]
