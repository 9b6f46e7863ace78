"""Vector clocks: which writes of each replica something knows of.

A clock counts *writes only*: entry ``r: n`` says "the first n writes of replica r". Receiving is no
event, so the clock of a replica is also the exact set of writes that it has applied.
Fidge 1988, Mattern 1989; used for causal broadcast as in Birman, Schiper and Stephenson 1991.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from node.core.dot import Dot


class SequenceRange(NamedTuple):
    """The sequence numbers ``first`` to ``last``, both included, of one replica."""

    first: int
    last: int


class VectorClock:
    """An immutable map from replica id to the number of its writes; absent entries are 0.

    The comparison operators are the partial order "happened before or equal": ``a <= b`` when b
    knows everything that a knows. Neither ``a <= b`` nor ``b <= a``: the two are concurrent.

    >>> a, b = VectorClock({"n1": 1}), VectorClock({"n1": 1, "n2": 2})
    >>> a < b, b <= a, a.concurrent_with(VectorClock({"n3": 1}))
    (True, False, True)
    """

    __slots__ = ("_entries",)

    _entries: dict[str, int]

    def __init__(self, entries: Mapping[str, int] | Iterable[tuple[str, int]] = ()) -> None:
        counts = dict(entries)
        for replica, count in counts.items():
            if count < 0:
                raise ValueError(f"a vector clock counts writes: {replica}={count} is below 0")
        self._entries = {replica: counts[replica] for replica in sorted(counts) if counts[replica]}

    @classmethod
    def trusted(cls, entries: dict[str, int]) -> VectorClock:
        """A clock over a dict that is sorted by replica id, holds no zeros, and is never changed again.

        For the hot path only: the checks of the constructor cost more than the clock.
        """
        clock = cls.__new__(cls)
        clock._entries = entries  # noqa: SLF001  # its own class
        return clock

    # ------------------------------------------------------------------------------- reading

    def __getitem__(self, replica: str) -> int:
        return self._entries.get(replica, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, replica: str) -> bool:
        return replica in self._entries

    def items(self) -> Iterable[tuple[str, int]]:
        """Pairs (replica id, count), in byte order of the replica ids."""
        return self._entries.items()

    @property
    def entries(self) -> Mapping[str, int]:
        """The entries, sorted by replica id, to look at without a copy."""
        return self._entries

    def as_dict(self) -> dict[str, int]:
        """A copy as a plain dict, sorted by replica id."""
        return dict(self._entries)

    def covers(self, dot: Dot) -> bool:
        """Whether the write that ``dot`` names is among those that this clock knows."""
        return dot.seq <= self._entries.get(dot.replica, 0)

    # ----------------------------------------------------------------------------- comparing

    def __le__(self, other: VectorClock) -> bool:
        known = other._entries
        for replica, count in self._entries.items():  # noqa: SIM110  # all() with a generator takes twice as long
            if count > known.get(replica, 0):
                return False
        return True

    def __lt__(self, other: VectorClock) -> bool:
        return self <= other and self._entries != other._entries

    def __ge__(self, other: VectorClock) -> bool:
        return other <= self

    def __gt__(self, other: VectorClock) -> bool:
        return other < self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VectorClock) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(tuple(self._entries.items()))

    def concurrent_with(self, other: VectorClock) -> bool:
        """Whether neither clock knows all that the other knows."""
        return not self <= other and not other <= self

    def missing(self, wanted: VectorClock) -> dict[str, SequenceRange]:
        """What this clock lacks of ``wanted``: for each replica the range of writes not known here.

        Serves waiting, repair and error bodies alike; empty exactly when ``wanted <= self``.
        """
        known = self._entries
        return {
            replica: SequenceRange(known.get(replica, 0) + 1, count)
            for replica, count in wanted._entries.items()
            if count > known.get(replica, 0)
        }

    def missing_writes(self, wanted: VectorClock) -> int:
        """How many writes this clock lacks of ``wanted``."""
        return sum(dots.last - dots.first + 1 for dots in self.missing(wanted).values())

    # ----------------------------------------------------------------------------- deriving

    def merge(self, other: VectorClock) -> VectorClock:
        """The least clock that knows what either knows: entry by entry the greater count."""
        if other <= self:
            return self
        if self <= other:
            return other
        merged = dict(self._entries)
        for replica, count in other._entries.items():
            if count > merged.get(replica, 0):
                merged[replica] = count
        return VectorClock(merged)

    def advanced_to(self, dot: Dot) -> VectorClock:
        """This clock with the entry of ``dot.replica`` set to ``dot.seq``, which must not be lower."""
        if dot.seq < self[dot.replica]:
            raise ValueError(f"a vector clock never goes back: {dot} is below {self[dot.replica]}")
        if dot.replica in self._entries:
            entries = self._entries.copy()
            entries[dot.replica] = dot.seq
            return VectorClock.trusted(entries)
        return VectorClock({**self._entries, dot.replica: dot.seq})

    def __repr__(self) -> str:
        return f"VectorClock({self._entries!r})"

    def __str__(self) -> str:
        return ",".join(f"{replica}={count}" for replica, count in self._entries.items())
