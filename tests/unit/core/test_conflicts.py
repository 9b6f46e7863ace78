"""Which conflicts a write says that it made, and which it says that it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.core.effects import ConflictArisen, ConflictResolved
from node.core.write import AddMembers, Delete, Expire, Increment, Operation, RemoveMembers, Write
from tests.unit.core.builders import Bench, dot, put, write

if TYPE_CHECKING:
    from node.core.effects import Effect

A, B = '"a"', '"b"'
ONE, OTHER = write("a:1", put("x", "1")), write("b:1", put("x", "2"))


def conflicts(effects: list[Effect]) -> list[Effect]:
    """Those effects that speak of conflicts."""
    return [effect for effect in effects if isinstance(effect, ConflictArisen | ConflictResolved)]


def after(*received: Write) -> list[Effect]:
    """What the last of these writes says, when a replica receives them in this order."""
    bench = Bench("observer")
    for each in received[:-1]:
        bench.receive(each)
    return conflicts(bench.receive(received[-1]))


def test_a_concurrent_put_makes_a_conflict_and_names_key_and_write() -> None:
    """Two versions that do not know of each other."""
    assert after(ONE, OTHER) == [ConflictArisen("x", dot("b:1"))]


def test_a_put_that_has_seen_the_other_makes_none() -> None:
    """It replaces what it has seen."""
    assert after(ONE, write("b:1", put("x", "2"), after="a=1")) == []


def test_a_third_version_is_the_same_conflict() -> None:
    """It has arisen already."""
    assert after(ONE, OTHER, write("c:1", put("x", "3"))) == []


@pytest.mark.parametrize(
    "ending",
    [
        write("c:1", put("x", "3"), after="a=1 b=1"),
        write("c:1", Delete("x"), after="a=1 b=1"),
        write("c:1", Delete("x"), after="a=1"),
        write("a:2", Expire("x", dot("a:1")), after="a=1"),
    ],
    ids=["a put that has seen both", "a delete of both", "a delete of one", "the time of one is over"],
)
def test_a_conflict_ends_with_the_write_after_which_one_version_is_left_or_none(ending: Write) -> None:
    """Whatever takes the others away."""
    assert after(ONE, OTHER, ending) == [ConflictResolved("x", ending.dot)]


def test_a_conflict_of_three_does_not_end_when_two_are_left() -> None:
    """One of them may be taken away."""
    third = write("c:1", put("x", "3"))
    assert after(ONE, OTHER, third, write("d:1", Delete("x"), after="c=1")) == []


@pytest.mark.parametrize(
    ("operation", "second"),
    [
        (Increment("x", 1), Increment("x", 1)),
        (AddMembers("x", (A,)), AddMembers("x", (A,))),
        (AddMembers("x", (A, B)), RemoveMembers("x", (A,))),
    ],
    ids=["counters", "the same member", "addition and removal"],
)
def test_counters_and_sets_are_never_in_conflict(operation: Operation, second: Operation) -> None:
    """They merge by themselves."""
    assert after(write("a:1", operation), write("b:1", second)) == []


def test_a_batch_tells_of_each_of_its_keys() -> None:
    """It may make some conflicts and end others; a key named twice counts once."""
    both = write("b:1", put("x", "2"), put("y", "2"), put("y", "3"))
    assert after(write("a:1", put("x", "1"), put("y", "1")), both) == [
        ConflictArisen("x", dot("b:1")),
        ConflictArisen("y", dot("b:1")),
    ]


def test_a_local_write_ends_the_conflict_that_it_overwrites() -> None:
    """As a client does who has read the siblings."""
    bench = Bench("observer")
    bench.receive(ONE)
    bench.receive(OTHER)
    assert conflicts(bench.write(put("x", "3"))) == [ConflictResolved("x", dot("observer:1"))]


def test_a_held_write_tells_when_it_is_let_through() -> None:
    """Not while it waits."""
    cause, effect = write("b:1", put("y", "0")), write("b:2", put("x", "2"))
    bench = Bench("observer")
    bench.receive(ONE)
    assert conflicts(bench.receive(effect)) == []
    assert conflicts(bench.receive(cause)) == [ConflictArisen("x", dot("b:2"))]
