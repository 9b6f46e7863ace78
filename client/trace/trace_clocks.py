"""Trace clocks: vector clocks that count exported events, as tools for space-time diagrams want them.

The clock of a write counts writes, and receiving one is no event; a trace clock grows by one with each event of its
host. It is computed when events are exported, over what is exported: the entry of a host says how many of its exported
events happened before, or are, this one. So every event that a clock names is there.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from client.node_events import ACCEPTED, DELIVERED

if TYPE_CHECKING:
    from client.node_events import NodeEvent

TraceClock = dict[str, int]
"""Numbers of exported events by host (node id)."""

REMEMBERED_WRITES_MAX = 100_000
"""Of so many writes it is remembered what happened before them: deliveries of older ones show no arrow."""


class TraceClocks:
    """Gives clocks to events that come in causal order."""

    def __init__(self, remembered_max: int = REMEMBERED_WRITES_MAX) -> None:
        self._remembered_max = remembered_max
        self._hosts: dict[str, TraceClock] = {}
        self._accepted: dict[str, TraceClock] = {}
        self._order: deque[str] = deque()

    def pass_by(self, event: NodeEvent) -> None:
        """An event that is not exported: it has no number, and what happened before it happened before what follows."""
        self._move(event, steps=0)

    def clock(self, event: NodeEvent) -> TraceClock:
        """The clock of an event that is exported."""
        return dict(self._move(event, steps=1))

    def _move(self, event: NodeEvent, steps: int) -> TraceClock:
        clock = self._hosts.setdefault(event.node, {})
        if event.kind == DELIVERED:
            for host, count in self._accepted.get(event.dot, {}).items():
                if count > clock.get(host, 0):
                    clock[host] = count
        if steps:
            clock[event.node] = clock.get(event.node, 0) + steps
        if event.kind == ACCEPTED and event.dot not in self._accepted:
            self._accepted[event.dot] = dict(clock)
            self._order.append(event.dot)
            if len(self._order) > self._remembered_max:
                del self._accepted[self._order.popleft()]
        return clock
