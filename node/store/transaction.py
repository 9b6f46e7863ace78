"""One write transaction of the store: the replica's durable state, as the core sees it.

Everything is staged in memory and written at the end, a table at a time. The binding gives up Python's global lock
around each call into the database, and a busy node has many threads that want it: with a call for each record, the
thread that owns the replica would queue behind them several times for each write.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from node.codec import decode_write, encode_write
from node.core.causal_buffer import HeldWrite
from node.core.dot import Dot
from node.errors import MessageRejectedError, StoreCorruptedError
from node.store.overlay import DONE, Overlay
from node.store.records import (
    decode_dots,
    decode_versions,
    dot_key,
    dot_of_key,
    encode_versions,
    line_prefix,
    sealed,
    unsealed,
    version_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from node.core.hybrid_clock import HybridTimestamp
    from node.core.members import SavedMember
    from node.core.state import FormerLine
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Write

HELD_SINCE_BYTES = 8
POSITION_KEY = b"position"
REPLICA_KEY = b"replica"
TRIMMED_KEY = b"trimmed"
MEMBERS_KEY = b"members"
# A snapshot comes in parts that carry over quickly; what is left of a former one is first brought to its end.
_CARRY_OVER_KEYS = 10_000

_pack = msgspec.msgpack.Encoder().encode


class Tables(NamedTuple):
    """The named databases of the environment; each field's name is its name there."""

    meta: Any
    versions: Any
    history: Any
    held: Any
    snapshot: Any


class StoreTransaction:
    """Implements ``core.state.ReplicaState`` over an LMDB write transaction; ``flush`` must end it."""

    def __init__(self, transaction: Any, tables: Tables, *, has_overlay: bool) -> None:
        self._transaction = transaction
        self._tables = tables
        self.overlay = Overlay.find(transaction, tables) if has_overlay else None
        """The snapshot that is being merged, if any."""
        self._records: dict[str, bytes | None] = {}
        self._versions: dict[str, Versions] = {}
        self._history: dict[Dot, bytes] = {}
        self._held: dict[Dot, bytes | None] = {}
        self._position: bytes | None = None

    # -------------------------------------------------------------------------- versions of keys

    def expect(self, keys: Iterable[str]) -> None:
        """These keys are about to be read: read them all at once."""
        places = {version_key(key): key for key in keys if key not in self._records}
        self._records.update(dict.fromkeys(places.values()))
        found = self._transaction.cursor(db=self._tables.versions).getmulti(sorted(places))
        self._records.update((places[place], record) for place, record in found)

    def _record(self, key: str) -> bytes | None:
        if key not in self._records:
            self._records[key] = self._transaction.get(version_key(key), db=self._tables.versions)
        return self._records[key]

    def versions(self, key: str) -> Versions:
        """The siblings of a key, winner first; empty when it has no value."""
        staged = self._versions.get(key)
        if staged is not None:
            return staged
        record = self._record(key)
        if self.overlay is not None:
            return self.overlay.versions(key, record)
        return () if record is None else decode_versions(record, key)

    def dots(self, key: str) -> Sequence[Dot]:
        """The dots of a key's siblings."""
        staged = self._versions.get(key)
        if staged is not None:
            return [version.dot for version in staged]
        if self.overlay is not None:
            return [version.dot for version in self.versions(key)]
        record = self._record(key)
        return () if record is None else decode_dots(record, key)

    def set_versions(self, key: str, versions: Versions) -> None:
        """Replace the siblings of a key; an empty tuple leaves nothing behind."""
        self._versions[key] = versions

    # ----------------------------------------------------------------------------------- history

    def append_history(self, write: Write) -> None:
        """Keep an applied write for publishing and repair."""
        self._history[write.dot] = encode_write(write)

    def history(self, replica: str, first_seq: int, max_writes: int, max_bytes: int) -> list[bytes]:
        """The applied writes of ``replica`` from ``first_seq`` on, encoded, without a hole."""
        entries: list[bytes] = []
        size_bytes = 0
        stored = self._stored_history(replica, first_seq)
        for seq in range(first_seq, first_seq + max_writes):
            entry = self._history.get(Dot(replica, seq)) or next(stored, None)
            if entry is None:
                break
            size_bytes += len(entry)
            if entries and size_bytes > max_bytes:
                break
            entries.append(entry)
        if not entries:
            raise StoreCorruptedError(f"history lacks {replica}:{first_seq}: the database is damaged")
        return entries

    def trim_history(self, replica: str, last_seq: int, max_writes: int) -> int:
        """Forget the first ``max_writes`` of the kept writes of ``replica`` up to ``last_seq``; returns how many."""
        if any(dot.replica == replica and dot.seq <= last_seq for dot in self._history):
            self._flush_history()
        prefix = line_prefix(replica)
        cursor = self._transaction.cursor(db=self._tables.history)
        trimmed = 0
        is_there = cursor.set_range(prefix)
        while is_there and trimmed < max_writes and cursor.key().startswith(prefix):
            if dot_of_key(cursor.key()).seq > last_seq:
                break
            is_there = cursor.delete()
            # After a deletion the cursor stands on what followed; at the very end it stands on nothing.
            is_there = is_there and bool(cursor.key())
            trimmed += 1
        return trimmed

    def _stored_history(self, replica: str, first_seq: int) -> Iterator[bytes]:
        """What the database has of a replica's line from ``first_seq`` on, up to its first hole; nothing staged."""
        if Dot(replica, first_seq) in self._history:
            return
        cursor = self._transaction.cursor(db=self._tables.history)
        if not cursor.set_key(dot_key(Dot(replica, first_seq))):
            return
        for seq, (key, record) in zip(itertools.count(first_seq), cursor, strict=False):
            if not key.startswith(line_prefix(replica)) or dot_of_key(key).seq != seq:
                return
            yield unsealed(record, "a write in history")

    # -------------------------------------------------------------------------------- held writes

    def hold(self, write: Write, since_ms: int) -> None:
        """Keep a write that cannot be applied yet."""
        self._held[write.dot] = since_ms.to_bytes(HELD_SINCE_BYTES, "big") + encode_write(write)

    def take_held(self, dot: Dot) -> Write:
        """Give back a held write, which is kept no longer."""
        content = self._held.get(dot) or self._stored_held(dot)
        self._held[dot] = None
        return decode_stored_write(content[HELD_SINCE_BYTES:], dot)

    def held_after(self, after: Dot | None, max_writes: int) -> list[HeldWrite]:
        """The held writes behind ``after`` (None: from the first), in the order of their places."""
        self._flush_held()
        cursor = self._transaction.cursor(db=self._tables.held)
        is_there = cursor.first() if after is None else cursor.set_range(dot_key(after) + b"\0")
        return [decode_held(key, record) for key, record in itertools.islice(cursor, max_writes)] if is_there else []

    def _flush_held(self) -> None:
        self._write(
            self._tables.held,
            {dot_key(dot): None if content is None else sealed(content) for dot, content in self._held.items()},
        )
        self._held.clear()

    def _stored_held(self, dot: Dot) -> bytes:
        record = self._transaction.get(dot_key(dot), db=self._tables.held)
        if record is None:
            raise StoreCorruptedError(f"held write {dot} is missing: the database is damaged")
        return unsealed(record, f"held write {dot}")

    # --------------------------------------------------------------------------------- snapshots

    def stage_snapshot(self, entries: Sequence[tuple[str, Versions]], *, is_first: bool) -> None:
        """Keep a part of a peer's state apart from the own one; the first part replaces what was kept before."""
        table = self._tables.snapshot
        if is_first:
            while self.overlay is not None:
                self._carry_over()
            self._transaction.drop(table, delete=False)
        records = sorted((version_key(key), encode_versions(key, versions)) for key, versions in entries)
        if records:
            self._transaction.cursor(db=table).putmulti(records)

    def _carry_over(self) -> None:
        self._flush_versions()
        if self.overlay is not None and self.overlay.carry_over(_CARRY_OVER_KEYS):
            self.overlay = None
        # What was read of the own table before is not all that is there now.
        self._records.clear()

    def adopt_snapshot(self, known_here: VectorClock, known_there: VectorClock) -> None:
        """Merge the staged snapshot; every read from here on sees it."""
        # What was written before, in this very transaction, belongs to the own side of the merge.
        self._flush_versions()
        self._versions.clear()
        self._records.clear()
        Overlay.begin(self._transaction, self._tables, known_here, known_there)
        self.overlay = Overlay.find(self._transaction, self._tables)

    # ----------------------------------------------------------------------------------- the end

    def save(self, clock: VectorClock, timestamp: HybridTimestamp, confirmed_seq: int) -> None:
        """Keep the replica's own position."""
        self._position = _pack((clock.entries, *timestamp, confirmed_seq))

    def save_identity(self, replica: str, former: Sequence[FormerLine]) -> None:
        """Keep under which name the replica writes, and under which it wrote before."""
        self._put_meta(REPLICA_KEY, (replica, former))

    def save_trimmed(self, trimmed: VectorClock) -> None:
        """Keep up to where history is forgotten."""
        self._put_meta(TRIMMED_KEY, trimmed.entries)

    def save_members(self, members: Sequence[SavedMember]) -> None:
        """Keep who is a member."""
        self._put_meta(MEMBERS_KEY, members)

    def _put_meta(self, place: bytes, content: object) -> None:
        self._transaction.put(place, sealed(_pack(content)), db=self._tables.meta)

    def flush(self) -> None:
        """Write everything that is staged."""
        tables = self._tables
        self._flush_versions()
        self._flush_history()
        self._flush_held()
        if self._position is not None:
            self._transaction.put(POSITION_KEY, sealed(self._position), db=tables.meta)

    def _flush_history(self) -> None:
        self._write(self._tables.history, {dot_key(dot): sealed(entry) for dot, entry in self._history.items()})
        self._history.clear()

    def _flush_versions(self) -> None:
        places = {key: version_key(key) for key in self._versions}
        self._write(
            self._tables.versions,
            {
                places[key]: encode_versions(key, siblings) if siblings else None
                for key, siblings in self._versions.items()
            },
        )
        if self.overlay is not None and places:
            cursor = self._transaction.cursor(db=self._tables.snapshot)
            found = [(place, DONE) for place, _ in cursor.getmulti(sorted(places.values()))]
            if found:
                cursor.putmulti(found)

    def _write(self, table: Any, records: dict[bytes, bytes | None]) -> None:
        """Put these records, and delete those that are None; in the table's order, which is the cheapest."""
        if not records:
            return
        puts = sorted((key, record) for key, record in records.items() if record is not None)
        if puts:
            self._transaction.cursor(db=table).putmulti(puts)
        for key, record in records.items():
            if record is None:
                self._transaction.delete(key, db=table)


def decode_held(key: bytes, record: bytes) -> HeldWrite:
    """The name of a held write, from its place and its record; raises StoreCorruptedError."""
    content = unsealed(record, f"held write {dot_of_key(key)}")
    write = decode_stored_write(content[HELD_SINCE_BYTES:], dot_of_key(key))
    return HeldWrite(write.dot, write.clock, write.keys, int.from_bytes(content[:HELD_SINCE_BYTES], "big"))


def decode_stored_write(encoded: bytes, dot: Dot) -> Write:
    """A write that this store kept; raises StoreCorruptedError when it is not the write ``dot``."""
    try:
        write = decode_write(encoded)
    except MessageRejectedError as error:
        raise StoreCorruptedError(f"write {dot} in the database is damaged: {error}") from None
    if write.dot != dot:
        raise StoreCorruptedError(f"write {dot} in the database is another one, {write.dot}: the database is damaged")
    return write
