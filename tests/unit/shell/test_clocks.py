"""The two clocks of a process: only the wall clock can be wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from node.clocks import set_wall_offset, steady_ms, wall_ms, wall_offset_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON_MS = 10_000


@pytest.fixture(autouse=True)
def _right_again() -> Iterator[None]:
    """The offset is the process's: other tests must not see it."""
    yield
    set_wall_offset(0)


@pytest.mark.parametrize("offset_seconds", [0.0, 3600.0, -3600.0, 0.25])
def test_the_wall_clock_is_wrong_by_what_was_set(offset_seconds: float) -> None:
    """In both directions; the system's own clock stays."""
    set_wall_offset(offset_seconds)
    assert wall_offset_seconds() == offset_seconds
    assert abs(wall_ms() - (time.time() + offset_seconds) * 1000) < SOON_MS


def test_the_steady_clock_never_goes_back_whatever_the_wall_clock_does() -> None:
    """Waits and limits go by it."""
    before = steady_ms()
    set_wall_offset(-86_400)
    assert 0 <= steady_ms() - before < SOON_MS


def test_no_time_lies_before_1970() -> None:
    """Timestamps are not negative: no peer would take them."""
    set_wall_offset(-1e12)
    assert wall_ms() == 0
