"""One transaction over a simulated disk: all of it happens, or nothing; reads see what it staged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from node.core.causal_buffer import HeldWrite
from node.core.dot import Dot
from node.core.places import key_of
from node.core.versions import merged
from node.core.write import Put, Write
from tests.support.dict_memory import DictMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.core.hybrid_clock import HybridTimestamp
    from node.core.members import SavedMember
    from node.core.places import Place
    from node.core.state import FormerLine
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from tests.simulation.durable_state import DurableState

V = TypeVar("V")
K = TypeVar("K")


class NotKeptError(Exception):
    """History was asked for a write that is trimmed or was never applied: the core must know better."""


class HeldRecord(NamedTuple):
    """A held write as the disk keeps it."""

    write: Write
    since_ms: int


def held_write(dot: Dot, record: HeldRecord) -> HeldWrite:
    """What of a held write is kept in memory."""
    return HeldWrite(dot, record.write.clock, record.write.keys, record.since_ms)


class Adopted(NamedTuple):
    """A snapshot was merged that contains the writes of ``clock``."""

    clock: VectorClock


class Transaction(DictMemory):
    """A ``ReplicaState``; the disk changes at ``commit`` and not before."""

    def __init__(self, disk: DurableState) -> None:
        super().__init__()
        self._disk = disk
        disk.copy_memory_to(self)
        self._versions: dict[Place, Versions] = {}
        self._history: dict[Dot, Write | None] = {}
        self._held: dict[Dot, HeldRecord | None] = {}
        self._position: tuple[VectorClock, HybridTimestamp, int] | None = None
        self._identity: tuple[str, Sequence[FormerLine]] | None = None
        self._trimmed: VectorClock | None = None
        self._members: Sequence[SavedMember] | None = None
        self._staged: dict[Place, Versions] | None = None
        self.committed = False
        self.log: list[Write | Adopted] = []
        """What was applied, in order, repetitions included: for the checks."""

    # ---------------------------------------------------------------------------- versions

    def versions(self, place: Place) -> Versions:
        """See ``ReplicaState``."""
        staged = self._versions.get(place)
        return self._disk.versions.get(place, ()) if staged is None else staged

    def dots(self, place: Place) -> list[Dot]:
        """See ``ReplicaState``."""
        return [version.dot for version in self.versions(place)]

    def set_versions(self, place: Place, versions: Versions) -> None:
        """See ``ReplicaState``."""
        self._versions[place] = versions

    # ----------------------------------------------------------------------------- history

    def append_history(self, write: Write) -> None:
        """See ``ReplicaState``."""
        self._history[write.dot] = write
        self.log.append(write)

    def history(self, replica: str, first_seq: int, max_writes: int, max_bytes: int) -> list[Write]:
        """See ``ReplicaState``; raises NotKeptError when the first one is not kept."""
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
        if not entries:
            raise NotKeptError(f"{self._disk.replica} keeps no history of {Dot(replica, first_seq)}")
        return entries

    def _history_entry(self, dot: Dot) -> Write | None:
        return self._history[dot] if dot in self._history else self._disk.history.get(dot)

    def trim_history(self, replica: str, last_seq: int, max_writes: int) -> int:
        """See ``ReplicaState``."""
        kept = sorted(
            dot.seq
            for dot in {**self._disk.history, **self._history}
            if dot.replica == replica and dot.seq <= last_seq and self._history_entry(dot) is not None
        )
        for seq in kept[:max_writes]:
            self._history[Dot(replica, seq)] = None
        return min(len(kept), max_writes)

    # --------------------------------------------------------------------------------- held

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

    def held_after(self, after: Dot | None, max_writes: int) -> list[HeldWrite]:
        """See ``ReplicaState``."""
        held = {**self._disk.held, **self._held}
        dots = sorted(dot for dot, record in held.items() if record is not None and (after is None or dot > after))
        return [held_write(dot, record) for dot in dots[:max_writes] if (record := held[dot]) is not None]

    # ---------------------------------------------------------------------------- positions

    def save(self, clock: VectorClock, timestamp: HybridTimestamp, confirmed_seq: int) -> None:
        """See ``ReplicaState``."""
        self._position = (clock, timestamp, confirmed_seq)

    def save_identity(self, replica: str, former: Sequence[FormerLine]) -> None:
        """See ``ReplicaState``."""
        self._identity = (replica, tuple(former))

    def save_trimmed(self, trimmed: VectorClock) -> None:
        """See ``ReplicaState``."""
        self._trimmed = trimmed

    def save_members(self, members: Sequence[SavedMember]) -> None:
        """See ``ReplicaState``."""
        self._members = tuple(members)

    # ---------------------------------------------------------------------------- snapshots

    def stage_snapshot(self, entries: Sequence[tuple[Place, Versions]], *, is_first: bool) -> None:
        """See ``ReplicaState``."""
        before = {} if is_first else self._staged_before()
        self._staged = {**before, **dict(entries)}
        for place, versions in entries:
            for version in versions:
                if version.expires_ms:
                    self.schedule_expiry(version.expires_ms, version.dot, key_of(place))

    def _staged_before(self) -> dict[Place, Versions]:
        return self._disk.staged if self._staged is None else self._staged

    def adopt_snapshot(self, known_here: VectorClock, known_there: VectorClock) -> None:
        """See ``ReplicaState``."""
        staged = self._staged_before()
        for place in sorted({*self._disk.versions, *self._versions, *staged}, key=repr):
            self._versions[place] = merged(self.versions(place), known_here, staged.get(place, ()), known_there)
        self._staged = {}
        self.log.append(Adopted(known_there))

    # ----------------------------------------------------------------- what the caller calls

    @property
    def applied(self) -> list[Write]:
        """The writes that were applied one by one, in order."""
        return [entry for entry in self.log if isinstance(entry, Write)]

    @property
    def touched_places(self) -> list[Place]:
        """The places whose versions this transaction replaces."""
        return list(self._versions)

    def commit(self) -> None:
        """Make all of it durable. A transaction that is let go instead has changed nothing."""
        assert not self.committed, "a transaction is committed once"
        self.committed = True
        disk = self._disk
        self.copy_memory_to(disk)
        _update(disk.versions, {place: versions or None for place, versions in self._versions.items()})
        _update(disk.history, self._history)
        _update(disk.held, self._held)
        if self._position is not None:
            disk.clock, disk.timestamp, disk.confirmed_seq = self._position
        if self._identity is not None:
            disk.replica, disk.former = self._identity
        if self._trimmed is not None:
            disk.trimmed = self._trimmed
        if self._members is not None:
            disk.members = self._members
        if self._staged is not None:
            disk.staged = self._staged


def _update(kept: dict[K, V], staged: Mapping[K, V | None]) -> None:
    """None stands for what is gone."""
    for key, value in staged.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value


def size_of(write: Write) -> int:
    """The size of a write in bytes, as far as packing cares."""
    return sum(
        len(operation.key) + (len(operation.value) if isinstance(operation, Put) else 0)
        for operation in write.operations
    )
