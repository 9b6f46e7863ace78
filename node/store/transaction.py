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
from node.core.places import key_of
from node.errors import MessageRejectedError, StoreCorruptedError
from node.store.conflicts import Conflicts
from node.store.expiries import Expiries
from node.store.history import History
from node.store.overlay import DONE, Overlay
from node.store.reader import POSITION_KEY, TRIMMED_KEY
from node.store.records import (
    decode_dots,
    decode_versions,
    dot_key,
    dot_of_key,
    encode_versions,
    sealed,
    unsealed,
    version_key,
)
from node.store.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.core.dot import Dot
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.members import SavedMember
    from node.core.places import Place
    from node.core.state import FormerLine
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Write

HELD_SINCE_BYTES = 8
REPLICA_KEY = b"replica"
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
    expiries: Any
    requests_a: Any
    requests_b: Any
    conflicts: Any


class StoreTransaction:
    """Implements ``core.state.ReplicaState`` over an LMDB write transaction; ``flush`` must end it."""

    def __init__(self, transaction: Any, tables: Tables, *, has_overlay: bool) -> None:
        self._transaction = transaction
        self._tables = tables
        self.overlay = Overlay.find(transaction, tables) if has_overlay else None
        """The snapshot that is being merged, if any."""
        self._expiries = Expiries(transaction, tables.expiries)
        self._requests = Requests(transaction, tables.meta, (tables.requests_a, tables.requests_b))
        self.schedule_expiry = self._expiries.schedule
        self.due_expiries = self._expiries.due
        self.forget_expiry = self._expiries.forget
        self.request = self._requests.find
        self.remember_request = self._requests.remember
        self.younger_requests = self._requests.count_younger
        self.forget_older_requests = self._requests.forget_older
        self._conflicts = Conflicts(transaction, tables.conflicts)
        self._records: dict[Place, bytes | None] = {}
        self._versions: dict[Place, Versions] = {}
        self._history = History(transaction, tables.history)
        self.append_history = self._history.append
        self.history = self._history.read
        self.trim_history = self._history.trim
        self._held: dict[Dot, bytes | None] = {}
        self._position: bytes | None = None

    # -------------------------------------------------------------------------- versions of keys

    def expect(self, places: Iterable[Place], request_ids: Iterable[str] = ()) -> None:
        """These places are about to be read, and these requests looked for: read them all at once."""
        self._requests.expect(request_ids)
        wanted = {version_key(place): place for place in places if place not in self._records}
        if not wanted:
            return
        self._records.update(dict.fromkeys(wanted.values()))
        found = self._transaction.cursor(db=self._tables.versions).getmulti(sorted(wanted))
        self._records.update((wanted[key], record) for key, record in found)

    def _record(self, place: Place) -> bytes | None:
        if place not in self._records:
            self._records[place] = self._transaction.get(version_key(place), db=self._tables.versions)
        return self._records[place]

    def versions(self, place: Place) -> Versions:
        """The siblings of a place, winner first; empty when there is none."""
        found = self._versions.get(place)
        if found is None:
            found = self._stored_versions(place)
        if len(found) > 1:
            self._conflicts.seen(place)
        return found

    def _stored_versions(self, place: Place) -> Versions:
        record = self._record(place)
        if self.overlay is not None:
            self._conflicts.seen(place)  # more may stand in the own table than the two together come to
            return self.overlay.versions(place, record)
        return () if record is None else decode_versions(record, place)

    def dots(self, place: Place) -> Sequence[Dot]:
        """The dots of a place's siblings."""
        if place in self._versions or self.overlay is not None:
            return [version.dot for version in self.versions(place)]
        record = self._record(place)
        if record is None:
            return ()
        found = decode_dots(record, place)
        if len(found) > 1:
            self._conflicts.seen(place)
        return found

    def set_versions(self, place: Place, versions: Versions) -> None:
        """Replace the siblings of a place; an empty tuple leaves nothing behind."""
        self._versions[place] = versions

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

    def stage_snapshot(self, entries: Sequence[tuple[Place, Versions]], *, is_first: bool) -> None:
        """Keep a part of a peer's state apart from the own one; the first part replaces what was kept before."""
        table = self._tables.snapshot
        if is_first:
            while self.overlay is not None:
                self._carry_over()
            self._transaction.drop(table, delete=False)
        records = sorted((version_key(place), encode_versions(place, versions)) for place, versions in entries)
        if records:
            self._transaction.cursor(db=table).putmulti(records)
        for place, versions in entries:
            for version in versions:
                if version.expires_ms:
                    self.schedule_expiry(version.expires_ms, version.dot, key_of(place))

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
        self._history.flush()
        self._flush_held()
        self._expiries.flush()
        self._requests.flush()
        if self._position is not None:
            self._transaction.put(POSITION_KEY, sealed(self._position), db=tables.meta)

    def _flush_versions(self) -> None:
        records = {
            version_key(place): encode_versions(place, siblings) if siblings else None
            for place, siblings in self._versions.items()
        }
        self._write(self._tables.versions, records)
        self._conflicts.changed(self._versions)
        if self.overlay is not None and records:
            cursor = self._transaction.cursor(db=self._tables.snapshot)
            found = [(key, DONE) for key, _ in cursor.getmulti(sorted(records))]
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
