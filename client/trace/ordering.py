"""Events of several nodes in one order: a write is accepted before it is delivered, and each node keeps its own order.

Among what may come next, the earliest by wall clock does. An event that was delivered is held back until its cause is
there, when it may still come: the nodes are not asked at the same instant. The next look shows it: what was accepted
before a look ended is in the look after it at the latest, or nowhere.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from client.node_events import ACCEPTED, DELIVERED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from client.trace.collecting import Found

REMEMBERED_WRITES_MAX = 100_000
"""Of so many accepted writes it is remembered that they were told; a later delivery of others waits for nothing."""


class Remembered:
    """The names of the last writes of a trace; the oldest go when there are too many."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._names: dict[str, None] = {}
        self._order: deque[str] = deque()

    def __contains__(self, dot: str) -> bool:
        return dot in self._names

    def add(self, dot: str) -> None:
        """Remember it."""
        if dot not in self._names:
            self._names[dot] = None
            self._order.append(dot)
            if len(self._order) > self._maximum:
                del self._names[self._order.popleft()]


class _Waiting(NamedTuple):
    found: Found
    look: int


class CausalOrder:
    """Takes in look after look, and gives what can be told."""

    def __init__(self, remembered_max: int = REMEMBERED_WRITES_MAX) -> None:
        self._lines: dict[str, deque[_Waiting]] = {}
        self._look = 0
        self._told = Remembered(remembered_max)
        self._coming: set[str] = set()
        """Accepted writes that are here and not told yet."""

    def add(self, found: Mapping[str, Sequence[Found]]) -> None:
        """Take in the new events of each node, in the order in which they happened there."""
        self._look += 1
        for node, events in found.items():
            line = self._lines.setdefault(node, deque())
            line.extend(_Waiting(each, self._look) for each in events)
            self._coming.update(each.event.dot for each in events if each.event.kind == ACCEPTED)

    def take(self) -> Iterator[Found]:
        """Give what can be told now; the rest is told after the next look."""
        while True:
            heads = [line[0] for line in self._lines.values() if line]
            ready = [head for head in heads if self._is_ready(head)]
            if not ready and not any(self._may_still_come(head) for head in heads):
                # Each waits for another: no true story. Somebody has to begin.
                ready = heads
            if not ready:
                return
            first = min(ready, key=lambda head: (head.found.event.at_ms, head.found.event.node))
            line = next(line for line in self._lines.values() if line and line[0] is first)
            line.popleft()
            event = first.found.event
            if event.kind == ACCEPTED:
                self._coming.discard(event.dot)
                self._told.add(event.dot)
            yield first.found

    def _is_ready(self, head: _Waiting) -> bool:
        dot = head.found.event.dot
        if head.found.event.kind != DELIVERED or dot in self._told:
            return True
        return dot not in self._coming and head.look < self._look

    def _may_still_come(self, head: _Waiting) -> bool:
        """Whether the cause of an event that is not ready may be in the next look."""
        return head.found.event.dot not in self._coming
