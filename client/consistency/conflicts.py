"""Winners: one order of all writes must explain which of several concurrent values was shown."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from client.consistency.history import Kind
from client.consistency.violations import Violation, ViolationKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client.consistency.history import Operation
    from client.consistency.order import Order


def conflict_violations(order: Order) -> Iterator[Violation]:
    """A circle of happened-before and of "was seen, and the other one was shown", if there is one."""
    graph = {operation: list(before) for operation, before in order.predecessors.items()}
    for read in order.operations:
        winner = order.by_value.get(read.values[0]) if read.values else None
        if winner is not None and winner.key == read.key:
            graph[winner] += _outranked(order, read, winner)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[Operation] = list(error.args[1])[1:]
        yield Violation(ViolationKind.CONFLICT_ORDER, " before ".join(map(str, cycle)), tuple(cycle))


def _outranked(order: Order, read: Operation, winner: Operation) -> Iterator[Operation]:
    """Puts that the reader's node had, and that nothing but a greater put can have hidden."""
    for put in order.maximal(order.past(read) & order.of_key[read.key]):
        if put is winner or put.kind is Kind.DELETE or order.precedes(put, winner) or order.precedes(winner, put):
            continue  # the last of these is a break of causal order, and judged as such
        # A delete may have taken this put and spared a smaller one.
        if not order.may_be_covered(put, (), read.end_seconds):
            yield put
