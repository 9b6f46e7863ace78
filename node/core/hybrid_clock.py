"""Hybrid logical clock: timestamps near the wall clock that never contradict happened-before.

Kulkarni, Demirbas, Madappa, Avva, Leone 2014, "Logical Physical Clocks". The wall clock comes in
as an argument: the core has none.
"""

from __future__ import annotations

from typing import NamedTuple


class HybridTimestamp(NamedTuple):
    """(physical milliseconds since 1970, counter): compares as a tuple."""

    physical_ms: int
    counter: int


ZERO = HybridTimestamp(0, 0)
# Year 5138: far beyond any real clock, far below what would overflow.
PHYSICAL_MS_MAX = 10**14
COUNTER_MAX = 2**63 - 1


def next_local(last: HybridTimestamp, now_ms: int) -> HybridTimestamp:
    """The timestamp of a local write: after everything this replica has seen, at the wall clock if that is later.

    At the end of the numbers, where only a forged timestamp leads, it stays: no peer would accept what lies beyond.
    """
    if now_ms > last.physical_ms:
        return HybridTimestamp(now_ms, 0)
    return HybridTimestamp(last.physical_ms, min(last.counter + 1, COUNTER_MAX))


def observed(last: HybridTimestamp, remote: HybridTimestamp) -> HybridTimestamp:
    """What a replica has seen after applying a remote write.

    Any later local write gets a greater timestamp (``next_local``), so a write that happened after
    another one always wins over it, however wrong the wall clocks are.
    """
    return max(last, remote)


def skew_ms(remote: HybridTimestamp, now_ms: int) -> int:
    """How far a remote timestamp is ahead of the local wall clock, in milliseconds; negative when behind."""
    return remote.physical_ms - now_ms
