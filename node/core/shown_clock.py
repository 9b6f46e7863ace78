"""The shown clock: a vector clock as people see it, one number for each node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from node.core.dot import node_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.core.vector_clock import VectorClock

_DIGITS = re.compile(r"(\d+)")


def natural_order(node_id: str) -> list[tuple[int, int, str]]:
    """A sort key that puts node2 before node10."""
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in _DIGITS.split(node_id) if part]


class _Known(NamedTuple):
    """The nodes that have a number, in order, and for each replica id the place of its node's number."""

    nodes: tuple[str, ...]
    places: dict[str, int]


class ShownClocks:
    """Shows clocks as lists with one number for each node: the members, and whoever else has written.

    Each number is the sum over that node's incarnations. Safe from any thread without a lock: what is known is one
    value that is never changed, only replaced; what two threads learn at once is learnt again when it is met again.
    """

    def __init__(self, members: Iterable[str]) -> None:
        self._members = frozenset(members)
        self._known = _Known(tuple(sorted(self._members, key=natural_order)), {})

    def members_are(self, members: Iterable[str]) -> None:
        """From now on these have a number, whether they have written or not."""
        self._members = frozenset(members)
        nodes = {*self._members, *(node_id_of(replica) for replica in self._known.places)}
        ordered = tuple(sorted(nodes, key=natural_order))
        self._known = _Known(ordered, {name: ordered.index(node_id_of(name)) for name in self._known.places})

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that a shown clock has numbers for, in natural order."""
        return self._known.nodes

    def shown(self, clock: VectorClock) -> list[int]:
        """One number for each node, those included that only this clock names."""
        nodes, places = self._knowing(clock)
        numbers = [0] * len(nodes)
        for replica, count in clock.items():
            numbers[places[replica]] += count
        return numbers

    def _knowing(self, clock: VectorClock) -> _Known:
        """What is known, with the nodes that this clock names."""
        known = self._known
        if all(replica in known.places for replica in clock):
            return known
        replicas = {*known.places, *clock}
        nodes = {*self._members, *(node_id_of(replica) for replica in replicas)}
        ordered = tuple(sorted(nodes, key=natural_order))
        self._known = known = _Known(ordered, {replica: ordered.index(node_id_of(replica)) for replica in replicas})
        return known
