from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.dependency_index import DependencyIndex, first_missing
from tests.unit.core.builders import clock, dot, write

if TYPE_CHECKING:
    from node.core.write import Write


def test_a_write_with_all_its_causes_applied_misses_nothing() -> None:
    """The delivery rule holds."""
    assert first_missing(dot("a:2"), clock("a=2 b=3"), {"a": 1, "b": 4}) is None


def test_its_own_predecessor_is_missed_first() -> None:
    """While that is absent nothing else can let the write through."""
    assert first_missing(dot("b:3"), clock("a=7 b=3"), {"a": 0, "b": 1}) == dot("b:2")


def test_the_last_missing_write_of_another_replica_is_the_one_to_wait_for() -> None:
    """Once it is applied, all before it are: one wait serves the whole range."""
    assert first_missing(dot("b:1"), clock("a=7 b=1"), {"a": 2}) == dot("a:7")


def test_held_writes_are_given_back_when_their_dot_is_applied() -> None:
    """In the order in which they began to wait, however many they are."""
    index: DependencyIndex[Write] = DependencyIndex()
    first, second, third, other = write("b:1"), write("c:1"), write("d:1"), write("e:1")
    for held in (first, second, third):
        index.wait(held, dot("a:1"))
    index.wait(other, dot("a:2"))
    assert index.take(dot("a:1")) == [first, second, third]
    assert index.take(dot("a:2")) == [other]


def test_held_writes_are_given_back_once() -> None:
    """The index forgets what it gave back."""
    index: DependencyIndex[Write] = DependencyIndex()
    held = write("b:1")
    index.wait(held, dot("a:1"))
    assert index.take(dot("a:1")) == [held]
    assert index.take(dot("a:1")) == []


def test_a_dot_that_nothing_waits_for_gives_nothing() -> None:
    """The common case costs one look-up."""
    index: DependencyIndex[Write] = DependencyIndex()
    index.wait(write("b:1"), dot("a:1"))
    assert index.take(dot("a:2")) == []
