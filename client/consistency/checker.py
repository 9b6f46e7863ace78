"""Judges a recorded history: whether it is causally consistent, and ends as it must.

The vector clocks under test are not what it is judged by: happened-before is rebuilt from what sessions did and read
(``order.py``). The rules are the bad patterns of *causal convergence* in Bouajjani, Enea, Guerraoui, Hamza, "On
Verifying Causal Consistency", POPL 2017, carried over to a store that shows concurrent values side by side and that
deletes; a break of them is given the name of the session guarantee that it breaks, where it breaks one
(Terry et al., "Session Guarantees for Weakly Consistent Replicated Data", PDIS 1994).
"""

from __future__ import annotations

from itertools import chain, islice
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from client.consistency.claims import token_violations
from client.consistency.conflicts import conflict_violations
from client.consistency.ending import ending_violations
from client.consistency.history import FinalRead, Kind, Outcome
from client.consistency.order import Order
from client.consistency.reads import read_violations
from client.consistency.violations import Violation, ViolationKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from client.consistency.history import History, Operation

VIOLATIONS_MAX = 100


class Verdict(NamedTuple):
    """What a history is guilty of, and how much there was to be guilty of.

    ``pairs_checked``: a read, and a write of its key that happened before it, counted for each read.
    ``concurrent_writes``: those of which it is certain, as they were shown side by side.
    """

    violations: Sequence[Violation]
    pairs_checked: int
    concurrent_writes: int


def check(history: History, *, violations_max: int = VIOLATIONS_MAX) -> list[Violation]:
    """The violations in a history, at most so many; none when it is sound. Raises as ``judge`` does."""
    return list(judge(history, violations_max=violations_max).violations)


def judge(history: History, *, violations_max: int = VIOLATIONS_MAX) -> Verdict:
    """Look for violations in a history, at most so many.

    The end is judged by ``history.finals``; without any, the history counts as unfinished. Raises ValueError when
    two puts have the same value, which leaves open what a read comes from.
    """
    _require_unique_values(history)
    order = Order(history.operations)
    found = _thin_air(order, history)
    if order.cycle:
        found = chain(found, [_cycle(order)])
    else:
        found = chain(
            found,
            read_violations(order),
            conflict_violations(order),
            token_violations(order),
            ending_violations(order, history.finals),
        )
    shown: list[Operation | FinalRead] = [*order.operations, *history.finals]
    side_by_side = {value for read in shown if len(read.values) > 1 for value in read.values}
    return Verdict(list(islice(found, violations_max)), _pairs(order), len(side_by_side & order.by_value.keys()))


def _pairs(order: Order) -> int:
    if order.cycle:
        return 0
    reads = (operation for operation in order.operations if operation.kind is Kind.GET)
    return sum((order.past(read) & order.of_key[read.key]).bit_count() for read in reads)


def _require_unique_values(history: History) -> None:
    known = set()
    for operation in history.operations:
        if operation.kind is Kind.PUT:
            if operation.value is None or operation.value in known:
                raise ValueError(f"every put needs a value of its own: {operation}")
            known.add(operation.value)


def _thin_air(order: Order, history: History) -> Iterator[Violation]:
    put_by_value = {o.value: o for o in order.all if o.kind is Kind.PUT}
    shown: list[Operation | FinalRead] = [*order.operations, *history.finals]
    for read in shown:
        end_seconds = inf if isinstance(read, FinalRead) else read.end_seconds
        for value in read.values:
            put = put_by_value.get(value)
            if put is None:
                yield Violation(ViolationKind.THIN_AIR, f"nobody wrote {value!r}, which was shown: {read}")
            elif put.outcome is Outcome.FAILED:
                yield Violation(ViolationKind.THIN_AIR, f"{put} had no effect, but was shown: {read}", (put,))
            elif put.key != read.key:
                yield Violation(ViolationKind.THIN_AIR, f"{put} was shown under another key: {read}", (put,))
            elif put.start_seconds > end_seconds:
                yield Violation(ViolationKind.THIN_AIR, f"{put} was shown before it was asked for: {read}", (put,))


def _cycle(order: Order) -> Violation:
    return Violation(ViolationKind.CYCLE, " before ".join(map(str, order.cycle)), tuple(order.cycle))
