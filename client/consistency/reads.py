"""What a read may show: nothing older than what its session had seen, by any path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from client.consistency.history import Kind, Outcome
from client.consistency.violations import Violation, ViolationKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from client.consistency.history import Operation
    from client.consistency.order import Order


def read_violations(order: Order) -> Iterator[Violation]:
    """Reads that show what had been overwritten, or do not show what had not been."""
    for read in order.operations:
        if read.kind is Kind.GET:
            yield from _judge(order, read)


def _judge(order: Order, read: Operation) -> Iterator[Violation]:
    seen_of_key = order.past(read) & order.of_key[read.key]
    newest = order.maximal(seen_of_key)
    shown = [order.by_value[value] for value in read.values if value in order.by_value]
    for each in shown:
        if each.key == read.key and any(order.precedes(each, later) for later in newest):
            later_ones = [later for later in order.members(seen_of_key) if order.precedes(each, later)]
            sentence = f"{read} showed {each}, which {{}} had overwritten"
            yield _named(order, read, later_ones, sentence, each)
    if read.shows_all:
        for put in newest:
            is_hidden = put.kind is Kind.PUT and put.value not in read.values
            if is_hidden and not order.may_be_covered(put, shown, read.end_seconds):
                yield _named(order, read, [put], f"{read} did not show {{}}, which nothing can have overwritten")


def _named(order: Order, read: Operation, ignored: Sequence[Operation], sentence: str, *more: Operation) -> Violation:
    """The violation, under the name of the first guarantee in the list that it breaks; ``more`` belong to it too."""
    earlier = [o for o in order.sessions[read.session] if o.index < read.index and o.outcome is Outcome.OK]
    for kind, witness_of in _GUARANTEES:
        for write in ignored:
            witness = witness_of(order, (*earlier, read), write)
            if witness is not None:
                known = "" if witness is write else f"; the session knew of it through {witness}"
                return Violation(kind, sentence.format(write) + known, (read, write, witness, *more))
    return Violation(ViolationKind.CAUSAL_ORDER, sentence.format(ignored[0]), (read, ignored[0], *more))


def _its_own(_order: Order, seen: Sequence[Operation], write: Operation) -> Operation | None:
    """The write, where the reading session made it itself."""
    return write if write in seen else None


def _read_before(_order: Order, seen: Sequence[Operation], write: Operation) -> Operation | None:
    """The session's earlier read that showed this write."""
    return next((each for each in seen[:-1] if write.value is not None and write.value in each.values), None)


def _written_before(order: Order, seen: Sequence[Operation], write: Operation) -> Operation | None:
    """A write that the session read, and that the session of ``write`` made after it."""
    if write.outcome is not Outcome.OK:
        return None
    return next((b for b in _shown(order, seen) if b.session == write.session and b.index > write.index), None)


def _followed_a_read(order: Order, seen: Sequence[Operation], write: Operation) -> Operation | None:
    """A write that the session read, and whose own session had read ``write`` before it."""
    return next((b for b in _shown(order, seen) if _had_read(order, b, write)), None)


def _shown(order: Order, seen: Sequence[Operation]) -> Iterator[Operation]:
    return (order.by_value[value] for each in seen for value in each.values if value in order.by_value)


def _had_read(order: Order, later: Operation, write: Operation) -> bool:
    before = (each for each in order.sessions[later.session] if each.index < later.index)
    return write.value is not None and any(write.value in each.values for each in before)


_GUARANTEES: tuple[tuple[ViolationKind, Callable[[Order, Sequence[Operation], Operation], Operation | None]], ...] = (
    (ViolationKind.READ_YOUR_WRITES, _its_own),
    (ViolationKind.MONOTONIC_READS, _read_before),
    (ViolationKind.MONOTONIC_WRITES, _written_before),
    (ViolationKind.WRITES_FOLLOW_READS, _followed_a_read),
)
"""What makes a break of causal order the break of a session guarantee: how the session knew of the ignored write."""
