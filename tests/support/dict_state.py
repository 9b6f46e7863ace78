"""A replica's durable state in dicts. A copy of it serves as a transaction: whoever keeps the copy has committed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.causal_buffer import HeldWrite
from node.core.dot import Dot
from node.core.hybrid_clock import ZERO, HybridTimestamp
from node.core.places import key_of
from node.core.state import FormerLine, SavedReplica
from node.core.vector_clock import VectorClock
from node.core.versions import Versions, merged
from node.core.write import Put
from tests.support.dict_memory import DictMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.members import SavedMember
    from node.core.places import Place
    from node.core.write import Write


class HeldRecord(NamedTuple):
    """A held write as the disk keeps it."""

    write: Write
    since_ms: int


class DictState(DictMemory):
    """What one data directory contains; a ``ReplicaState``."""

    def __init__(self, replica: str) -> None:
        super().__init__()
        self.replica = replica
        self.clock = VectorClock()
        self.timestamp = ZERO
        self.confirmed_seq = 0
        self.former: tuple[FormerLine, ...] = ()
        self.trimmed = VectorClock()
        self.members: tuple[SavedMember, ...] = ()
        self.values: dict[Place, Versions] = {}
        self.kept: dict[Dot, Write] = {}
        """History, in the order in which it was applied."""
        self.held: dict[Dot, HeldRecord] = {}
        self.staged: dict[Place, Versions] = {}

    def copy(self) -> DictState:
        """An independent copy; all values are immutable, so that copies of the dicts are enough."""
        other = DictState(self.replica)
        other.__dict__.update(
            {name: dict(value) if isinstance(value, dict) else value for name, value in self.__dict__.items()}
        )
        return other

    def saved(self) -> SavedReplica:
        """What a restarting replica reads."""
        held = tuple(
            HeldWrite(dot, record.write.clock, record.write.keys, record.since_ms) for dot, record in self.held.items()
        )
        return SavedReplica(
            self.replica,
            self.clock,
            self.timestamp,
            self.confirmed_seq,
            held,
            self.former,
            self.trimmed,
            self.members,
            requests_since_ms=self.requests_since_ms,
        )

    def fingerprint(self) -> bytes:
        """The bytes that replicas which contain the same writes must share, in whatever order these came."""
        return repr((sorted(self.values.items(), key=repr), self.clock, self.timestamp)).encode()

    # ------------------------------------------------------------------- what the core calls

    def versions(self, place: Place) -> Versions:
        """See ``ReplicaState``."""
        return self.values.get(place, ())

    def dots(self, place: Place) -> list[Dot]:
        """See ``ReplicaState``."""
        return [version.dot for version in self.versions(place)]

    def set_versions(self, place: Place, versions: Versions) -> None:
        """See ``ReplicaState``."""
        if versions:
            self.values[place] = versions
        else:
            self.values.pop(place, None)

    def append_history(self, write: Write) -> None:
        """See ``ReplicaState``."""
        assert write.dot not in self.kept, f"{write.dot} is applied twice"
        self.kept[write.dot] = write

    def history(self, replica: str, first_seq: int, max_writes: int, max_bytes: int) -> list[Write]:
        """See ``ReplicaState``."""
        entries = [self.kept[Dot(replica, first_seq)]]
        size_bytes = size_of(entries[0])
        for seq in range(first_seq + 1, first_seq + max_writes):
            write = self.kept.get(Dot(replica, seq))
            if write is None or size_bytes + size_of(write) > max_bytes:
                break
            entries.append(write)
            size_bytes += size_of(write)
        return entries

    def trim_history(self, replica: str, last_seq: int, max_writes: int) -> int:
        """See ``ReplicaState``."""
        going = sorted(dot for dot in self.kept if dot.replica == replica and dot.seq <= last_seq)[:max_writes]
        for dot in going:
            del self.kept[dot]
        return len(going)

    def hold(self, write: Write, since_ms: int) -> None:
        """See ``ReplicaState``."""
        self.held[write.dot] = HeldRecord(write, since_ms)

    def held_after(self, after: Dot | None, max_writes: int) -> list[HeldWrite]:
        """The held writes behind ``after``, in the order of their dots."""
        found = sorted((dot, record) for dot, record in self.held.items() if record and (after is None or dot > after))
        return [HeldWrite(dot, each.write.clock, each.write.keys, each.since_ms) for dot, each in found[:max_writes]]

    def take_held(self, dot: Dot) -> Write:
        """See ``ReplicaState``."""
        return self.held.pop(dot).write

    def save(self, clock: VectorClock, timestamp: HybridTimestamp, confirmed_seq: int) -> None:
        """See ``ReplicaState``."""
        self.clock, self.timestamp, self.confirmed_seq = clock, timestamp, confirmed_seq

    def save_identity(self, replica: str, former: Sequence[FormerLine]) -> None:
        """See ``ReplicaState``."""
        self.replica, self.former = replica, tuple(former)

    def save_trimmed(self, trimmed: VectorClock) -> None:
        """See ``ReplicaState``."""
        self.trimmed = trimmed

    def save_members(self, members: Sequence[SavedMember]) -> None:
        """See ``ReplicaState``."""
        self.members = tuple(members)

    def stage_snapshot(self, entries: Sequence[tuple[Place, Versions]], *, is_first: bool) -> None:
        """See ``ReplicaState``."""
        if is_first:
            self.staged.clear()
        self.staged.update(entries)
        for place, versions in entries:
            for version in versions:
                if version.expires_ms:
                    self.schedule_expiry(version.expires_ms, version.dot, key_of(place))

    def adopt_snapshot(self, known_here: VectorClock, known_there: VectorClock) -> None:
        """See ``ReplicaState``."""
        for place in {*self.values, *self.staged}:
            there = self.staged.get(place, ())
            self.set_versions(place, merged(self.versions(place), known_here, there, known_there))
        self.staged.clear()


def size_of(write: Write) -> int:
    """The size of a write in bytes, as far as packing cares."""
    return sum(
        len(operation.key) + (len(operation.value) if isinstance(operation, Put) else 0)
        for operation in write.operations
    )
