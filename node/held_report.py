"""The held writes as operators see them: what each waits for, and all that is missing before it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from node.core.dot import Dot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.core.causal_buffer import HeldWrite
    from node.core.replica import Replica
    from node.core.vector_clock import VectorClock

MISSING_DOTS_SHOWN = 100


class HeldReport(NamedTuple):
    """A held write, the dot that it waits for now, and the first of the dots missing before it can be applied."""

    held: HeldWrite
    waits_for: Dot
    missing: list[Dot]


def held_reports(replica: Replica, limit: int) -> list[HeldReport]:
    """The first ``limit`` held writes in order of arrival; on the replica's thread."""
    return [
        HeldReport(
            held,
            replica.waits_for(held),
            list(itertools.islice(_missing_dots(replica.clock, held), MISSING_DOTS_SHOWN)),
        )
        for held in itertools.islice(replica.held, limit)
    ]


def _missing_dots(applied: VectorClock, held: HeldWrite) -> Iterator[Dot]:
    """Every dot that must be applied before a held write can be; there may be very many."""
    for origin, dots in applied.missing(held.clock).items():
        for seq in range(dots.first, dots.last + 1):
            dot = Dot(origin, seq)
            if dot != held.dot:
                yield dot
