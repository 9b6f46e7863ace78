"""Happened-before, as far as it can be known from outside: program order of sessions, and who read whose value.

The system may know more (what a node had applied when it took a write), never less. So what this order says is
certain, and what it does not say may still be so: ``may_follow``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from client.consistency.history import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from client.consistency.history import Operation


class Order:
    """The operations that had or may have had an effect, and which writes happened before each.

    A set of writes is an int with one bit for each: 50 000 operations take seconds, not hours. A write of unknown
    outcome comes after what its session had seen, but before nothing of its session: no answer carried its token on.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.all: list[Operation] = list(operations)
        self.operations = [o for o in self.all if o.outcome is Outcome.OK or _may_have_happened(o)]
        self.by_value = {o.value: o for o in self.operations if o.value is not None}
        self.sessions: dict[str, list[Operation]] = defaultdict(list)
        self.predecessors = self._direct_predecessors()
        self.cycle: list[Operation] = []
        """Operations of which each happened before the next, the last before the first; nothing below is known then."""
        self.writes: list[Operation] = []
        """In an order that agrees with happened-before; a write's place is its bit."""
        self.of_key: dict[str, int] = defaultdict(int)
        self._deletes: dict[str, list[Operation]] = defaultdict(list)
        self._place: dict[Operation, int] = {}
        self._past: dict[Operation, int] = {}
        try:
            order = list(TopologicalSorter(self.predecessors).static_order())
        except CycleError as error:
            self.cycle = list(error.args[1])[1:]
            return
        for operation in order:
            self._add(operation)
        for deletes in self._deletes.values():
            deletes.sort(key=lambda delete: delete.end_seconds)

    def _direct_predecessors(self) -> dict[Operation, list[Operation]]:
        last: dict[str, Operation] = {}
        predecessors: dict[Operation, list[Operation]] = {}
        for operation in sorted(self.operations, key=lambda o: o.index):
            self.sessions[operation.session].append(operation)
            before = [last[operation.session]] if operation.session in last else []
            before += [self.by_value[value] for value in operation.values if value in self.by_value]
            predecessors[operation] = before
            if operation.outcome is Outcome.OK:
                last[operation.session] = operation
        return predecessors

    def _add(self, operation: Operation) -> None:
        past = 0
        for before in self.predecessors[operation]:
            place = self._place.get(before)
            # Who has this write in the past has its past too: the sets of many reads are then one object.
            if place is None or not past >> place & 1:
                past = past | self.seen_with(before) if past else self.seen_with(before)
        self._past[operation] = past
        if operation.is_write:
            self._place[operation] = len(self.writes)
            self.of_key[operation.key] |= 1 << len(self.writes)
            self.writes.append(operation)
            if operation.kind is Kind.DELETE:
                self._deletes[operation.key].append(operation)

    # ------------------------------------------------------------------------------- questions

    def past(self, operation: Operation) -> int:
        """The writes that happened before an operation; for a read, those that it showed are among them."""
        return self._past[operation]

    def seen_with(self, operation: Operation) -> int:
        """What somebody has seen who has seen this operation: its past, and it if it is a write."""
        place = self._place.get(operation)
        past = self._past[operation]
        return past if place is None else past | 1 << place

    def precedes(self, earlier: Operation, later: Operation) -> bool:
        """Whether the write ``earlier`` certainly happened before ``later``."""
        return bool(self._past[later] >> self._place[earlier] & 1)

    def members(self, writes: int) -> Iterator[Operation]:
        """The writes in a set."""
        while writes:
            place = writes.bit_length() - 1
            yield self.writes[place]
            writes ^= 1 << place

    def maximal(self, writes: int) -> list[Operation]:
        """The writes in a set that happened before no other of it."""
        found = []
        while writes:
            # Nothing in the set comes after the last in the order.
            newest = self.writes[writes.bit_length() - 1]
            found.append(newest)
            writes &= ~self.seen_with(newest)
        return found

    def may_follow(self, later: Operation, earlier: Operation) -> bool:
        """Whether ``later`` may have happened after the write ``earlier``, as the node saw it that took ``later``.

        Never when it was over before ``earlier`` began. Else, where both answers carried a token, those are taken at
        their word (``claims.py`` holds them against the history).
        """
        if later is earlier or later.end_seconds < earlier.start_seconds or self.precedes(later, earlier):
            return False
        if earlier.clock is None or later.clock is None or self.precedes(earlier, later):
            return True
        return is_within(earlier.clock, later.clock)

    def may_be_covered(self, put: Operation, shown: Iterable[Operation], until_seconds: float) -> bool:
        """Whether a put that is not shown may have been overwritten or deleted by ``until_seconds``.

        What overwrote it is shown itself, or was overwritten in turn: at the end of that chain stands a value that is
        shown, or a delete.
        """
        if any(self.may_follow(each, put) for each in shown):
            return True
        deletes = self._deletes[put.key]
        first = bisect_left(deletes, put.start_seconds, key=lambda delete: delete.end_seconds)
        return any(
            deletes[place].start_seconds <= until_seconds and self.may_follow(deletes[place], put)
            for place in range(first, len(deletes))
        )


def is_within(clock: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether ``other`` covers all that ``clock`` covers."""
    return all(count <= other.get(replica, 0) for replica, count in clock.items())


def _may_have_happened(operation: Operation) -> bool:
    return operation.is_write and operation.outcome is Outcome.UNKNOWN
