"""Causal tokens: what they say must agree with what was seen, and no write may be named twice.

They are the store's own word, so nothing is excused by them that the history shows to be wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from client.consistency.history import Outcome
from client.consistency.order import is_within
from client.consistency.violations import Violation, ViolationKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client.consistency.history import Operation
    from client.consistency.order import Order


def token_violations(order: Order) -> Iterator[Violation]:
    """Tokens that cover too little, or that a later write should have gone beyond."""
    yield from _too_little(order)
    yield from _nothing_new(order)


def _too_little(order: Order) -> Iterator[Violation]:
    """A token covers what its session had seen before, and what its answer shows."""
    for operation in order.operations:
        if operation.clock is None:
            continue
        for before in order.predecessors[operation]:
            if before.clock is not None and not is_within(before.clock, operation.clock):
                message = f"the token of {operation} does not cover that of {before}: {operation.clock} {before.clock}"
                yield Violation(ViolationKind.TOKEN, message, (operation, before))


def _nothing_new(order: Order) -> Iterator[Violation]:
    """A write's token counts at least one more write of its node than any token that was out before it began."""
    answered = [o for o in order.operations if o.clock is not None and o.outcome is Outcome.OK]
    by_end = sorted(answered, key=lambda o: o.end_seconds)
    counted: dict[str, int] = {}
    place = 0
    for write in sorted((o for o in answered if o.is_write), key=lambda o: o.start_seconds):
        while place < len(by_end) and by_end[place].end_seconds < write.start_seconds:
            for replica, count in (by_end[place].clock or {}).items():
                counted[replica] = max(count, counted.get(replica, 0))
            place += 1
        if not any(count > counted.get(replica, 0) for replica, count in _own_counts(write)):
            message = f"the token of {write} names no new write of its node: {write.clock}; known before: {counted}"
            yield Violation(ViolationKind.TOKEN, message, (write,))


def _own_counts(write: Operation) -> Iterator[tuple[str, int]]:
    """The counts for the replicas that the write's node has been: ``<node>~<incarnation>``."""
    for replica, count in (write.clock or {}).items():
        if replica.partition("~")[0] == write.node:
            yield replica, count
