from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.core.conditions import IfAbsent, IfShown
from node.core.versions import after_put
from tests.unit.core.builders import put, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.vector_clock import VectorClock

ONE = after_put((), write("a:2", after="b=1"), put("x", "1"))


def _shown(clock: VectorClock) -> Sequence[int]:
    """The numbers of a, b and c."""
    return [clock[replica] for replica in "abc"]


def test_a_key_is_absent_when_it_has_no_version() -> None:
    """Whatever once was there."""
    assert IfAbsent("x").is_met(())
    assert not IfAbsent("x").is_met(ONE)


@pytest.mark.parametrize("expected", [[2, 1, 0], [2, 1], [2, 1, 0, 0, 0], (2, 1)])
def test_a_version_is_known_by_its_clock_as_it_was_shown(expected: Sequence[int]) -> None:
    """Members that joined since have added a zero; members that left have taken one away."""
    assert IfShown("x", expected, _shown).is_met(ONE)


@pytest.mark.parametrize("expected", [[], [0, 0, 0], [2], [2, 0, 0], [2, 1, 1], [1, 1, 0], [0, 2, 1]])
def test_another_clock_is_another_version(expected: Sequence[int]) -> None:
    """Only zeros at the end say nothing."""
    assert not IfShown("x", expected, _shown).is_met(ONE)


@pytest.mark.parametrize("expected", [[], [0, 0], [1]])
def test_no_version_is_the_one_that_was_read(expected: Sequence[int]) -> None:
    """Also when nothing, or nothing but zeros, is expected: that is what ``IfAbsent`` asks."""
    assert not IfShown("x", expected, _shown).is_met(())


def test_among_siblings_the_winner_counts() -> None:
    """It is the one that a plain read shows."""
    both = after_put(ONE, write("c:1", ms=5_000), put("x", "2"))
    assert IfShown("x", [0, 0, 1], _shown).is_met(both)
    assert not IfShown("x", [2, 1, 0], _shown).is_met(both)
