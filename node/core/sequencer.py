"""Per-origin sequencing: whether a write is seen, next in line, or after a gap.

One of the two small machines behind the causal buffer; the other is the dependency index. The writes of
one replica form a line without holes, so one number for each origin says everything.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.core.dot import Dot


class Standing(enum.Enum):
    """Where a write stands in the line of its origin."""

    SEEN = "seen"
    """Applied already: a redelivery, a republished write, or an own echo."""
    NEXT = "next"
    """The one that follows what is applied."""
    AFTER_A_GAP = "after a gap"
    """At least one earlier write of the same origin is not applied yet."""


def standing_of(dot: Dot, applied: Mapping[str, int]) -> Standing:
    """Compare a write with how many writes of its origin are applied here."""
    ahead = dot.seq - applied.get(dot.replica, 0)
    if ahead <= 0:
        return Standing.SEEN
    return Standing.NEXT if ahead == 1 else Standing.AFTER_A_GAP
