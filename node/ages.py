"""How old the oldest of something is: a held write, an unconfirmed one, one that not every member has.

Where they stand is noted a few times a second by the replica's thread; their ages are looked up in history by whoever
asks, so that being watched costs no write anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.clocks import steady_ms, wall_ms
from node.codec import decode_write
from node.core.dot import Dot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.replica import Replica
    from node.store import Store


class _Unconfirmed(NamedTuple):
    dot: Dot
    since_steady_ms: int


class Ages:
    """Refreshed on the replica's thread, asked from any; asking raises StoreCorruptedError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held_since_ms: int | None = None
        self._unconfirmed: _Unconfirmed | None = None
        self._unstable: Sequence[Dot] = ()
        self.stable_lag_writes = 0
        """Writes applied here that some member, of those that are waited for, has not told to have applied."""

    def refresh(self, replica: Replica) -> None:
        """Look at the replica."""
        now_ms = steady_ms()
        oldest_held = next(iter(replica.held), None)
        self._held_since_ms = None if oldest_held is None else oldest_held.since_ms
        dot = replica.publishing.first_unconfirmed(replica.delivery.count)
        if dot is None:
            self._unconfirmed = None
        elif self._unconfirmed is None or self._unconfirmed.dot != dot:
            self._unconfirmed = _Unconfirmed(dot, now_ms)
        applied = replica.delivery.applied
        stable = replica.members.behind(applied, now_ms)
        self.stable_lag_writes = sum(applied[origin] - count for origin, count in stable.items())
        # Of what came as a snapshot there is no history: the oldest write that is there stands for it.
        trimmed = replica.anti_entropy.trimming.trimmed
        first = {origin: max(count, trimmed[origin]) + 1 for origin, count in stable.items()}
        self._unstable = [Dot(origin, seq) for origin, seq in first.items() if seq <= applied[origin]]

    @property
    def held_oldest_seconds(self) -> float:
        """How long the oldest write in the causal buffer has been there; 0 when it is empty."""
        since_ms = self._held_since_ms
        return 0.0 if since_ms is None else max(0.0, (wall_ms() - since_ms) / 1000)

    @property
    def oldest_unconfirmed_seconds(self) -> float:
        """Age of the oldest own write that the broker has not confirmed; 0 when there is none."""
        unconfirmed = self._unconfirmed
        if unconfirmed is None:
            return 0.0
        # A timestamp may lie ahead of the wall clock, after a write from a node whose clock is wrong.
        at_least_seconds = (steady_ms() - unconfirmed.since_steady_ms) / 1000
        return max(at_least_seconds, self._age_seconds([unconfirmed.dot]))

    @property
    def stable_lag_seconds(self) -> float:
        """Age of the oldest write that some member lacks, by its hybrid timestamp; 0 when there is none."""
        return self._age_seconds(self._unstable)

    def _age_seconds(self, dots: Sequence[Dot]) -> float:
        """Age of the oldest of these writes, as far as history has them."""
        if not dots:
            return 0.0
        with self._store.reader() as cut:
            kept = [next(cut.history(dot.replica, dot.seq), None) for dot in dots]
            times_ms = [decode_write(entry).timestamp.physical_ms for entry in kept if entry is not None]
        return max(0.0, (wall_ms() - min(times_ms)) / 1000) if times_ms else 0.0
