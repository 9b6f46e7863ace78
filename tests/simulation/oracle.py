"""The true happened-before relation, from what actually happened.

A write happened after: the earlier writes of its node, what its node had applied when it accepted the
write, what its client had seen. Each set is an integer with bit i for the i-th accepted write, so that
nothing here can share a mistake with the vector clocks under test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.write import Put
from tests.simulation.oracle_places import PlaceRecord, members

if TYPE_CHECKING:
    from node.core.dot import Dot
    from node.core.places import Place
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Write


class Oracle:
    """Every accepted (that is: committed) write, and which writes happened before it."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.past: list[int] = []
        self._index: dict[Dot, int] = {}
        self._places: dict[Place, PlaceRecord] = {}
        self._lines: dict[str, list[int]] = {}

    def record(self, write: Write, applied_before: int, client_saw: int) -> int:
        """Note an accepted write; returns its index.

        ``applied_before`` holds its node's earlier writes too: a node applies what it accepts.
        """
        index = len(self.writes)
        past = applied_before | client_saw
        for earlier in members(client_saw & ~applied_before):
            past |= self.past[earlier]
        self.writes.append(write)
        self.past.append(past)
        self._index[write.dot] = index
        line = self._lines.setdefault(write.dot.replica, [0])
        line.append(line[-1] | 1 << index)
        for place in places_of(write):
            self._places.setdefault(place, PlaceRecord(place)).note(index, write)
        return index

    def index_of(self, dot: Dot) -> int | None:
        """The index of an accepted write; None when no node ever committed a write of this name."""
        return self._index.get(dot)

    def seen_with(self, dot: Dot) -> int:
        """What somebody has seen who has seen this write: it, and all that happened before it."""
        index = self._index.get(dot)
        return 0 if index is None else self.past[index] | 1 << index

    def line(self, replica: str, count: int) -> int:
        """The first ``count`` writes of a replica, or as many as there are."""
        line = self._lines.get(replica, [0])
        return line[min(count, len(line) - 1)]

    def covered(self, clock: VectorClock) -> int | None:
        """The writes that a clock names; None when it names one that nobody made."""
        found = 0
        for replica, count in clock.items():
            if count >= len(self._lines.get(replica, [0])):
                return None
            found |= self.line(replica, count)
        return found

    @property
    def places(self) -> list[Place]:
        """Every place that an accepted write named."""
        return list(self._places)

    def holds(self, place: Place, applied: int) -> Versions:
        """What a place must hold where ``applied`` is applied, winner first."""
        record = self._places.get(place)
        return () if record is None else record.holds(applied, self.writes, self.past)

    def spared(self, place: Place, applied: int) -> bool:
        """Whether something stands at a place that is concurrent with an applied delete or removal."""
        return self._places[place].spared(applied, self.past)

    def ends_ms(self, place: Place, dot: Dot) -> int | None:
        """When the version that a write left at a place ends; None when it does not, or never was."""
        index = self._index.get(dot)
        return None if index is None or place not in self._places else self._places[place].expiring.get(index)

    @property
    def last_end_ms(self) -> int:
        """When the last version ends of all that end, or would if it had lasted; 0 when none does."""
        ends_ms = (
            write.timestamp.physical_ms + operation.ttl_ms
            for write in self.writes
            for operation in write.operations
            if isinstance(operation, Put) and operation.ttl_ms
        )
        return max(ends_ms, default=0)

    def names(self, bits: int) -> str:
        """The dots in a set, for a message."""
        return ", ".join(str(self.writes[index].dot) for index in members(bits))


def places_of(write: Write) -> list[Place]:
    """The places that a write names, in order, without repetition."""
    return list(dict.fromkeys(place for operation in write.operations for place in operation.places))
