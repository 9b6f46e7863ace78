"""A replica's disk as dicts, with the transactions that the core is promised.

What is committed survives a crash; what is only staged is gone, all of it. Values are immutable, so a
shallow copy of the dicts is a copy of the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.causal_buffer import HeldWrite
from node.core.dot import Dot
from node.core.hybrid_clock import ZERO, HybridTimestamp
from node.core.state import SavedReplica
from node.core.vector_clock import VectorClock
from node.core.write import Put

if TYPE_CHECKING:
    from node.core.versions import Versions
    from node.core.write import Write


class HeldRecord(NamedTuple):
    """A held write as the disk keeps it."""

    write: Write
    since_ms: int


class DurableState:
    """What one data directory contains."""

    def __init__(self, replica: str) -> None:
        self.replica = replica
        self.clock = VectorClock()
        self.timestamp = ZERO
        self.confirmed_seq = 0
        self.versions: dict[str, Versions] = {}
        self.history: dict[Dot, Write] = {}
        self.held: dict[Dot, HeldRecord] = {}
        # The checks' own record of what this disk contains (bit i: the oracle's write i). It stands here
        # because it must travel with the disk when that is copied and put back.
        self.applied = 0

    def begin(self) -> Transaction:
        """Start a transaction; the caller has one at a time."""
        return Transaction(self)

    def saved(self) -> SavedReplica:
        """What a restarting replica reads."""
        held = tuple(
            HeldWrite(dot, record.write.clock, record.write.keys, record.since_ms) for dot, record in self.held.items()
        )
        return SavedReplica(self.replica, self.clock, self.timestamp, self.confirmed_seq, held)

    def copy(self) -> DurableState:
        """An independent copy of the disk, as a backup is."""
        other = DurableState(self.replica)
        other.clock, other.timestamp, other.confirmed_seq = self.clock, self.timestamp, self.confirmed_seq
        other.versions, other.history, other.held = dict(self.versions), dict(self.history), dict(self.held)
        other.applied = self.applied
        return other

    def fingerprint(self) -> bytes:
        """The bytes that replicas which applied the same writes must share: state, clock, history.

        The order in which writes arrived must not show; the order of siblings must.
        """
        shared = (sorted(self.versions.items()), self.clock, self.timestamp, sorted(self.history.items()))
        return repr(shared).encode()


class Transaction:
    """A ``ReplicaState``: reads see what was staged; the disk changes at ``commit`` and not before."""

    def __init__(self, disk: DurableState) -> None:
        self._disk = disk
        self._versions: dict[str, Versions] = {}
        self._history: dict[Dot, Write] = {}
        self._held: dict[Dot, HeldRecord | None] = {}
        self._position: tuple[VectorClock, HybridTimestamp, int] | None = None
        self.committed = False
        self.applied: list[Write] = []
        """The writes applied in this transaction, in order, repetitions included: for the checks."""

    # ------------------------------------------------------------------- what the core calls

    def versions(self, key: str) -> Versions:
        """See ``ReplicaState``."""
        staged = self._versions.get(key)
        return self._disk.versions.get(key, ()) if staged is None else staged

    def dots(self, key: str) -> list[Dot]:
        """See ``ReplicaState``."""
        return [version.dot for version in self.versions(key)]

    def set_versions(self, key: str, versions: Versions) -> None:
        """See ``ReplicaState``."""
        self._versions[key] = versions

    def append_history(self, write: Write) -> None:
        """See ``ReplicaState``."""
        self._history[write.dot] = write
        self.applied.append(write)

    def history(self, replica: str, first_seq: int, max_writes: int, max_bytes: int) -> list[Write]:
        """See ``ReplicaState``."""
        entries: list[Write] = []
        size_bytes = 0
        for seq in range(first_seq, first_seq + max_writes):
            write = self._history_entry(Dot(replica, seq))
            if write is None:
                break
            size_bytes += size_of(write)
            if entries and size_bytes > max_bytes:
                break
            entries.append(write)
        return entries

    def _history_entry(self, dot: Dot) -> Write | None:
        return self._history.get(dot) or self._disk.history.get(dot)

    def hold(self, write: Write, since_ms: int) -> None:
        """See ``ReplicaState``."""
        self._held[write.dot] = HeldRecord(write, since_ms)

    def take_held(self, dot: Dot) -> Write:
        """See ``ReplicaState``."""
        record = self._held[dot] if dot in self._held else self._disk.held[dot]
        if record is None:
            raise KeyError(f"{dot} was taken already")
        self._held[dot] = None
        return record.write

    def save(self, clock: VectorClock, timestamp: HybridTimestamp, confirmed_seq: int) -> None:
        """See ``ReplicaState``."""
        self._position = (clock, timestamp, confirmed_seq)

    # ----------------------------------------------------------------- what the caller calls

    @property
    def touched_keys(self) -> list[str]:
        """The keys whose versions this transaction replaces."""
        return list(self._versions)

    def commit(self) -> None:
        """Make all of it durable. A transaction that is let go instead has changed nothing."""
        assert not self.committed, "a transaction is committed once"
        self.committed = True
        disk = self._disk
        for key, versions in self._versions.items():
            if versions:
                disk.versions[key] = versions
            else:
                disk.versions.pop(key, None)
        disk.history.update(self._history)
        for dot, record in self._held.items():
            if record is not None:
                disk.held[dot] = record
            else:
                disk.held.pop(dot, None)
        if self._position is not None:
            disk.clock, disk.timestamp, disk.confirmed_seq = self._position


def size_of(write: Write) -> int:
    """The size of a write in bytes, as far as packing cares."""
    return sum(
        len(operation.key) + (len(operation.value) if isinstance(operation, Put) else 0)
        for operation in write.operations
    )
