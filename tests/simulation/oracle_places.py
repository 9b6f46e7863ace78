"""What accepted writes did to one place, and what it must hold therefore.

By definition, from the sets of the oracle, and not step by step as the core does it: a register, and a member of a set,
holds the versions that no applied write of the place happened after, without those that an applied expiry names; a
counter holds for each replica the sum of its applied increments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.places import CounterPlace
from node.core.versions import Version
from node.core.write import AddMembers, Expire, Increment, Put

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from node.core.dot import Dot
    from node.core.places import Place
    from node.core.write import Operation, Write


def members(bits: int) -> Iterator[int]:
    """The indexes in a set, ascending."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


class Left(NamedTuple):
    """What a write leaves at a place: its value, and when that ends (0: never)."""

    value: bytes
    expires_ms: int = 0


class PlaceRecord:
    """The writes that named one place; bit i of a set stands for the oracle's write i."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._ending = 0
        """Those that end what they have seen: all but increments and expiries."""
        self._left: dict[int, Left] = {}
        self._standing = 0
        self._expiring: dict[Dot, int] = {}
        self._amounts: dict[int, int] = {}

    def note(self, index: int, write: Write) -> None:
        """An accepted write names this place, in some of its operations."""
        for operation in write.operations:
            if self._place not in operation.places:
                continue
            match operation:
                case Increment(_, by):
                    self._amounts[index] = self._amounts.get(index, 0) + by
                case Expire(_, dot):
                    self._expiring[dot] = self._expiring.get(dot, 0) | 1 << index
                case _:
                    self._note_end(index, write, operation)

    def _note_end(self, index: int, write: Write, operation: Operation) -> None:
        """The last operation of the write counts."""
        self._ending |= 1 << index
        self._standing &= ~(1 << index)
        if isinstance(operation, Put | AddMembers):
            self._standing |= 1 << index
            self._left[index] = Left(b"null")
        if isinstance(operation, Put):
            ends_ms = write.timestamp.physical_ms + operation.ttl_ms if operation.ttl_ms else 0
            self._left[index] = Left(operation.value, ends_ms)

    @property
    def expiring(self) -> dict[int, int]:
        """The writes whose versions here end some time, and when."""
        return {index: left.expires_ms for index, left in self._left.items() if left.expires_ms}

    def holds(self, applied: int, writes: Sequence[Write], past: Sequence[int]) -> tuple[Version, ...]:
        """What the place must hold where ``applied`` is applied, winner first."""
        if isinstance(self._place, CounterPlace):
            found = self._shares(applied, writes)
        else:
            found = [self._version(index, writes) for index in members(self._maximal(applied, past))]
            found = [version for version in found if not self._expiring.get(version.dot, 0) & applied]
        return tuple(sorted(found, key=lambda version: (version.timestamp, version.dot.replica), reverse=True))

    def _maximal(self, applied: int, past: Sequence[int]) -> int:
        covered = 0
        for index in members(self._ending & applied):
            covered |= past[index]
        return self._standing & applied & ~covered

    def _version(self, index: int, writes: Sequence[Write]) -> Version:
        write, left = writes[index], self._left[index]
        return Version(write.dot, write.clock, write.timestamp, left.value, left.expires_ms)

    def _shares(self, applied: int, writes: Sequence[Write]) -> list[Version]:
        sums: dict[str, int] = {}
        latest: dict[str, Write] = {}
        for index, amount in self._amounts.items():
            if applied >> index & 1:
                write = writes[index]
                replica = write.dot.replica
                sums[replica] = sums.get(replica, 0) + amount
                if replica not in latest or write.dot.seq > latest[replica].dot.seq:
                    latest[replica] = write
        return [
            Version(write.dot, write.clock, write.timestamp, str(sums[replica]).encode())
            for replica, write in latest.items()
        ]

    def spared(self, applied: int, past: Sequence[int]) -> bool:
        """Whether something stands here that is concurrent with an applied delete or removal."""
        ends = self._ending & ~self._standing & applied
        standing = list(members(self._maximal(applied, past)))
        return any(
            not past[stands] >> end & 1 and not past[end] >> stands & 1 for end in members(ends) for stands in standing
        )
