"""The end of a run, at rest: all nodes alike, everything acknowledged accounted for, nothing back from the dead."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from client.consistency.history import Kind, Outcome
from client.consistency.order import is_within
from client.consistency.violations import Violation, ViolationKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from client.consistency.history import FinalRead, Operation
    from client.consistency.order import Order


def ending_violations(order: Order, finals: Sequence[FinalRead]) -> Iterator[Violation]:
    """Judge the keys that were read at the end."""
    by_key: dict[str, list[FinalRead]] = defaultdict(list)
    for final in finals:
        by_key[final.key].append(final)
    writes: dict[str, list[Operation]] = defaultdict(list)
    for write in order.writes:
        writes[write.key].append(write)
    read_values = {value for operation in order.operations for value in operation.values}
    for key, reads in by_key.items():
        for other in reads[1:]:
            if other.values != reads[0].values:
                yield Violation(ViolationKind.CONVERGENCE, f"{reads[0]}, but {other}")
        # Every node answers for itself: where they differ, each may have lost something else.
        for final in {read.values: read for read in reads}.values():
            yield from _lost(order, final, writes[key], read_values)
            yield from _resurrected(order, final, writes[key])


def _lost(order: Order, final: FinalRead, writes: Sequence[Operation], read_values: set[str]) -> Iterator[Violation]:
    """Puts that were acknowledged, or shown to somebody, and are gone although nothing can have covered them."""
    shown = _writers(order, final)
    for put in writes:
        if put.kind is Kind.DELETE or put.value in final.values:
            continue
        took_effect = put.outcome is Outcome.OK or put.value in read_values
        if took_effect and not order.may_be_covered(put, shown, math.inf):
            yield Violation(ViolationKind.LOST, f"{put} is gone, and nothing can have overwritten it: {final}", (put,))


def _resurrected(order: Order, final: FinalRead, writes: Sequence[Operation]) -> Iterator[Violation]:
    """Values that a write happened after which is known to have taken effect."""
    shown = _writers(order, final)
    for later in writes:
        # A write of unknown outcome is known to have taken effect when it is shown.
        if later.outcome is not Outcome.OK and later not in shown:
            continue
        for put in shown:
            if put is not later and (order.precedes(put, later) or _says_so(put, later)):
                yield Violation(ViolationKind.RESURRECTED, f"{put} was overwritten by {later}: {final}", (put, later))


def _says_so(put: Operation, later: Operation) -> bool:
    return put.clock is not None and later.clock is not None and is_within(put.clock, later.clock)


def _writers(order: Order, final: FinalRead) -> list[Operation]:
    found = [order.by_value[value] for value in final.values if value in order.by_value]
    return [put for put in found if put.key == final.key]
