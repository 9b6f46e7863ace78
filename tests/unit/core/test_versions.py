from __future__ import annotations

from node.core.versions import Version, Versions, after_delete, after_put, merged
from node.core.write import Put
from tests.unit.core.builders import clock, put, write


def _put(siblings: Versions, name: str, *, after: str = "", ms: int = 1_000) -> Versions:
    operation = put("x", name)
    return after_put(siblings, write(name, operation, after=after, ms=ms), operation)


def _dots(siblings: Versions) -> list[str]:
    return [str(version.dot) for version in siblings]


def test_a_put_is_the_only_version_of_a_new_key() -> None:
    """With the value, the name, the clock and the time of its write."""
    operation = Put("x", b"5")
    made = write("a:1", operation, after="b=2")
    (version,) = after_put((), made, operation)
    assert version == Version(made.dot, made.clock, made.timestamp, b"5")


def test_a_put_drops_the_versions_that_it_has_seen() -> None:
    """Overwriting leaves one version."""
    assert _dots(_put(_put((), "a:1"), "b:1", after="a=1")) == ["b:1"]


def test_concurrent_puts_are_siblings() -> None:
    """Neither has seen the other: both stay."""
    assert sorted(_dots(_put(_put((), "a:1"), "b:1"))) == ["a:1", "b:1"]


def test_the_winner_has_the_greatest_timestamp() -> None:
    """Winner first, whatever the order of arrival."""
    assert _dots(_put(_put((), "a:1", ms=2), "b:1", ms=1)) == ["a:1", "b:1"]
    assert _dots(_put(_put((), "b:1", ms=1), "a:1", ms=2)) == ["a:1", "b:1"]


def test_equal_timestamps_are_told_apart_by_replica_id() -> None:
    """Every replica shows the same winner."""
    assert _dots(_put(_put((), "a:1"), "b:1")) == ["b:1", "a:1"]
    assert _dots(_put(_put((), "b:1"), "a:1")) == ["b:1", "a:1"]


def test_a_put_that_saw_one_sibling_leaves_the_other() -> None:
    """Only what its clock covers goes."""
    siblings = _put(_put((), "a:1"), "b:1")
    assert sorted(_dots(_put(siblings, "c:1", after="a=1"))) == ["b:1", "c:1"]


def test_a_put_that_saw_all_siblings_settles_the_conflict() -> None:
    """The way a client resolves a conflict."""
    siblings = _put(_put((), "a:1"), "b:1")
    assert _dots(_put(siblings, "a:2", after="b=1")) == ["a:2"]


def test_a_delete_leaves_nothing_of_what_it_has_seen() -> None:
    """No tombstone: an empty tuple."""
    assert after_delete(_put((), "a:1"), write("b:1", after="a=1")) == ()


def test_a_put_concurrent_with_a_delete_survives_it() -> None:
    """In both orders of arrival."""
    delete = write("b:1")
    assert _dots(after_delete(_put((), "a:1"), delete)) == ["a:1"]
    assert _dots(_put(after_delete((), delete), "a:1")) == ["a:1"]


def test_the_last_operation_on_a_key_in_one_write_counts() -> None:
    """Put twice, or put and delete, in one write."""
    both = write("a:1", put("x", "first"), put("x", "second"))
    first, second = both.operations
    assert isinstance(first, Put)
    assert isinstance(second, Put)
    assert [version.value for version in after_put(after_put((), both, first), both, second)] == [b'"second"']
    assert after_delete(after_put((), both, first), both) == ()


# ---------------------------------------------------------------------------------------- merging


def test_a_version_that_the_other_side_does_not_know_survives_a_merge() -> None:
    """It is new there; in both directions."""
    here = _put((), "a:1")
    assert merged(here, clock("a=1"), (), clock()) == here
    assert merged((), clock(), here, clock("a=1")) == here


def test_a_version_that_the_other_side_knew_and_lost_does_not_survive_a_merge() -> None:
    """Something overwrote or deleted it there, and left no trace but the clock."""
    here = _put((), "a:1")
    assert merged(here, clock("a=1"), (), clock("a=1 b=1")) == ()
    assert merged((), clock("a=1 b=1"), here, clock("a=1")) == ()


def test_a_version_on_both_sides_survives_a_merge_once() -> None:
    """Both know it, and neither knows of anything that replaced it."""
    both = _put((), "a:1")
    assert merged(both, clock("a=1 b=3"), both, clock("a=1 c=2")) == both


def test_concurrent_versions_of_two_sides_become_siblings_winner_first() -> None:
    """As if each side had received the other's write."""
    old, new = _put((), "a:1", ms=1), _put((), "b:1", ms=2)
    assert _dots(merged(old, clock("a=1"), new, clock("b=1"))) == ["b:1", "a:1"]
    assert _dots(merged(new, clock("b=1"), old, clock("a=1"))) == ["b:1", "a:1"]


def test_an_overwritten_version_goes_and_what_overwrote_it_stays() -> None:
    """The side that is behind takes the newer version, and keeps what it alone has."""
    behind = _put(_put((), "a:1"), "c:1")
    ahead = _put(_put((), "a:1"), "b:1", after="a=1")
    assert sorted(_dots(merged(behind, clock("a=1 c=1"), ahead, clock("a=1 b=1")))) == ["b:1", "c:1"]
