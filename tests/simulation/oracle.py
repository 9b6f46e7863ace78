"""The true happened-before relation, from what actually happened.

A write happened after: the earlier writes of its node, what its node had applied when it accepted the
write, what its client had seen. Each set is an integer with bit i for the i-th accepted write, so that
nothing here can share a mistake with the vector clocks under test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.write import Put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.core.dot import Dot
    from node.core.vector_clock import VectorClock
    from node.core.write import Write


def members(bits: int) -> Iterator[int]:
    """The indexes in a set, ascending."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


class Oracle:
    """Every accepted (that is: committed) write, and which writes happened before it."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.past: list[int] = []
        self._index: dict[Dot, int] = {}
        self._touching: dict[str, int] = {}
        self._putting: dict[str, int] = {}
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
        for key in write.keys:
            bit = 1 << index
            self._touching[key] = self._touching.get(key, 0) | bit
            last = next(operation for operation in reversed(write.operations) if operation.key == key)
            if isinstance(last, Put):
                self._putting[key] = self._putting.get(key, 0) | bit
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
    def keys(self) -> list[str]:
        """Every key that an accepted write named."""
        return list(self._touching)

    def siblings(self, key: str, applied: int) -> list[Write]:
        """What a key must hold where ``applied`` is applied, winner first.

        By definition: the applied puts that no other applied write of the key happened after.
        """
        touching = self._touching.get(key, 0) & applied
        covered = 0
        for index in members(touching):
            covered |= self.past[index]
        puts = self._putting.get(key, 0) & touching & ~covered
        found = [self.writes[index] for index in members(puts)]
        return sorted(found, key=lambda write: (write.timestamp, write.dot.replica), reverse=True)

    def deletes_that_spared(self, key: str, applied: int) -> bool:
        """Whether a put stands in ``key`` that is concurrent with an applied delete of it."""
        deletes = self._touching.get(key, 0) & ~self._putting.get(key, 0) & applied
        standing = [self._index[write.dot] for write in self.siblings(key, applied)]
        return any(
            not self.past[put] >> delete & 1 and not self.past[delete] >> put & 1
            for delete in members(deletes)
            for put in standing
        )

    def names(self, bits: int) -> str:
        """The dots in a set, for a message."""
        return ", ".join(str(self.writes[index].dot) for index in members(bits))
