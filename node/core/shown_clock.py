"""The shown clock: a vector clock as people see it, one number for each node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from node.core.dot import node_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.core.vector_clock import VectorClock

_DIGITS = re.compile(r"(\d+)")


def natural_order(node_id: str) -> list[tuple[int, int, str]]:
    """A sort key that puts node2 before node10."""
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in _DIGITS.split(node_id) if part]


class ShownClocks:
    """Shows clocks as lists with one number for each node: the members, and whoever else has written.

    Each number is the sum over that node's incarnations. Safe from any thread: what it has learnt is
    replaced whole.
    """

    def __init__(self, members: Iterable[str]) -> None:
        self._members = frozenset(members)
        self._places: dict[str, int] = {}
        self._nodes: tuple[str, ...] = ()
        self._learn(())

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that a shown clock has numbers for, in natural order."""
        return self._nodes

    def _learn(self, replicas: Iterable[str]) -> None:
        known = {*self._places, *replicas}
        nodes = tuple(sorted({*self._members, *(node_id_of(replica) for replica in known)}, key=natural_order))
        self._places = {replica: nodes.index(node_id_of(replica)) for replica in known}
        self._nodes = nodes

    def learn(self, clock: VectorClock) -> None:
        """Give the nodes that this clock names a number of their own."""
        if any(replica not in self._places for replica in clock):
            self._learn(clock)

    def shown(self, clock: VectorClock) -> list[int]:
        """One number for each node. Replicas not learnt yet are learnt."""
        self.learn(clock)
        places = self._places
        numbers = [0] * len(self._nodes)
        for replica, count in clock.items():
            numbers[places[replica]] += count
        return numbers
