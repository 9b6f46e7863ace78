"""The two clocks of a process. The wall clock can be set wrong on purpose, for lessons and tests (``/faults``)."""

from __future__ import annotations

import time

_offset_ms = 0


def wall_ms() -> int:
    """The wall clock, in milliseconds since 1970; it may jump."""
    return max(0, time.time_ns() // 1_000_000 + _offset_ms)


def exact_wall_ms() -> float:
    """The wall clock with fractions of a millisecond, as exact as the system tells it."""
    return max(0.0, round(time.time_ns() / 1_000_000 + _offset_ms, 3))


def steady_ms() -> int:
    """A clock of this process alone that never goes back, in milliseconds."""
    return time.monotonic_ns() // 1_000_000


def wall_offset_seconds() -> float:
    """How far the wall clock is set wrong."""
    return _offset_ms / 1000


def set_wall_offset(seconds: float) -> None:
    """Set the wall clock of this process wrong by so much; 0 sets it right."""
    global _offset_ms  # noqa: PLW0603  # a process has one wall clock
    _offset_ms = int(seconds * 1000)
