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
from node.core.dot import Dot
from node.errors import MessageRejectedError, StoreCorruptedError
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
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Write

HELD_SINCE_BYTES = 8
POSITION_KEY = b"position"

_pack = msgspec.msgpack.Encoder().encode


class Tables(NamedTuple):
    """The named databases of the environment; each field's name is its name there."""

    meta: Any
    versions: Any
    history: Any
    held: Any


class StoreTransaction:
    """Implements ``core.state.ReplicaState`` over an LMDB write transaction; ``flush`` must end it."""

    def __init__(self, transaction: Any, tables: Tables) -> None:
        self._transaction = transaction
        self._tables = tables
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
        return () if record is None else decode_versions(record, key)

    def dots(self, key: str) -> Sequence[Dot]:
        """The dots of a key's siblings."""
        staged = self._versions.get(key)
        if staged is not None:
            return [version.dot for version in staged]
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

    def _stored_held(self, dot: Dot) -> bytes:
        record = self._transaction.get(dot_key(dot), db=self._tables.held)
        if record is None:
            raise StoreCorruptedError(f"held write {dot} is missing: the database is damaged")
        return unsealed(record, f"held write {dot}")

    # ----------------------------------------------------------------------------------- the end

    def save(self, clock: VectorClock, timestamp: HybridTimestamp, confirmed_seq: int) -> None:
        """Keep the replica's own position."""
        self._position = _pack((clock.entries, *timestamp, confirmed_seq))

    def flush(self) -> None:
        """Write everything that is staged."""
        tables = self._tables
        self._write(
            tables.versions,
            {
                version_key(key): encode_versions(key, versions) if versions else None
                for key, versions in self._versions.items()
            },
        )
        self._write(tables.history, {dot_key(dot): sealed(entry) for dot, entry in self._history.items()})
        self._write(
            tables.held,
            {dot_key(dot): None if content is None else sealed(content) for dot, content in self._held.items()},
        )
        if self._position is not None:
            self._transaction.put(POSITION_KEY, sealed(self._position), db=tables.meta)

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


def decode_stored_write(encoded: bytes, dot: Dot) -> Write:
    """A write that this store kept; raises StoreCorruptedError when it is not the write ``dot``."""
    try:
        write = decode_write(encoded)
    except MessageRejectedError as error:
        raise StoreCorruptedError(f"write {dot} in the database is damaged: {error}") from None
    if write.dot != dot:
        raise StoreCorruptedError(f"write {dot} in the database is another one, {write.dot}: the database is damaged")
    return write
