from __future__ import annotations

from node.core.sequencer import Standing, standing_of
from tests.unit.core.builders import dot


def test_the_first_write_of_an_unknown_replica_is_next() -> None:
    """Numbers start at 1."""
    assert standing_of(dot("a:1"), {}) is Standing.NEXT


def test_the_write_after_the_applied_ones_is_next() -> None:
    """No gap, no repetition."""
    assert standing_of(dot("a:4"), {"a": 3}) is Standing.NEXT


def test_a_write_that_is_applied_is_seen() -> None:
    """The last one as well as all before it."""
    assert standing_of(dot("a:3"), {"a": 3}) is Standing.SEEN
    assert standing_of(dot("a:1"), {"a": 3}) is Standing.SEEN


def test_a_write_with_one_before_it_missing_stands_after_a_gap() -> None:
    """However wide the gap is."""
    assert standing_of(dot("a:5"), {"a": 3}) is Standing.AFTER_A_GAP
    assert standing_of(dot("a:2"), {}) is Standing.AFTER_A_GAP


def test_other_replicas_do_not_matter_to_the_place() -> None:
    """Each origin has a line of its own."""
    assert standing_of(dot("a:1"), {"b": 9}) is Standing.NEXT
