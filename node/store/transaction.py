"""One write transaction of the store: the replica's durable state, as the core sees it."""

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
    """Implements ``core.state.ReplicaState`` over an LMDB write transaction."""

    def __init__(self, transaction: Any, tables: Tables) -> None:
        self._get = transaction.get
        self._put = transaction.put
        self._transaction = transaction
        self._tables = tables
        self._versions = tables.versions
        self._placed = ""
        self._place_of_key = b""

    def versions(self, key: str) -> Versions:
        """The siblings of a key, winner first; empty when it has no value."""
        record = self._get(self._place(key), db=self._versions)
        return () if record is None else decode_versions(record, key)

    def dots(self, key: str) -> list[Dot]:
        """The dots of a key's siblings."""
        record = self._get(self._place(key), db=self._versions)
        return [] if record is None else decode_dots(record, key)

    def set_versions(self, key: str, versions: Versions) -> None:
        """Replace the siblings of a key; an empty tuple leaves nothing behind."""
        if versions:
            self._put(self._place(key), encode_versions(key, versions), db=self._versions)
        else:
            self._transaction.delete(self._place(key), db=self._versions)

    def _place(self, key: str) -> bytes:
        """The database's key for ``key``; the last one is remembered, since a key is read and then written."""
        if key != self._placed:
            self._placed, self._place_of_key = key, version_key(key)
        return self._place_of_key

    def append_history(self, write: Write) -> None:
        """Keep an applied write for publishing and repair."""
        self._put(dot_key(write.dot), sealed(encode_write(write)), db=self._tables.history)

    def history(self, replica: str, first_seq: int, max_writes: int, max_bytes: int) -> list[bytes]:
        """The applied writes of ``replica`` from ``first_seq`` on, encoded, without a hole."""
        cursor = self._transaction.cursor(db=self._tables.history)
        if not cursor.set_key(dot_key(Dot(replica, first_seq))):
            raise StoreCorruptedError(f"history lacks {replica}:{first_seq}: the database is damaged")
        line = line_prefix(replica)
        entries: list[bytes] = []
        size_bytes = 0
        last_key = b""
        for key, record in itertools.islice(cursor, max_writes):
            size_bytes += len(record)
            if not key.startswith(line) or (entries and size_bytes > max_bytes):
                break
            entries.append(unsealed(record, "a write in history"))
            last_key = key
        # Keys are sorted and unique: as many entries as numbers means that there is no hole.
        if dot_of_key(last_key).seq == first_seq + len(entries) - 1:
            return entries
        return self._up_to_the_hole(replica, first_seq, entries)

    def _up_to_the_hole(self, replica: str, first_seq: int, entries: list[bytes]) -> list[bytes]:
        for n in range(len(entries)):
            if self._get(dot_key(Dot(replica, first_seq + n)), db=self._tables.history) is None:
                return entries[:n]
        return entries

    def hold(self, write: Write, since_ms: int) -> None:
        """Keep a write that cannot be applied yet."""
        content = since_ms.to_bytes(HELD_SINCE_BYTES, "big") + encode_write(write)
        self._put(dot_key(write.dot), sealed(content), db=self._tables.held)

    def take_held(self, dot: Dot) -> Write:
        """Give back a held write, which is kept no longer."""
        record = self._transaction.pop(dot_key(dot), db=self._tables.held)
        if record is None:
            raise StoreCorruptedError(f"held write {dot} is missing: the database is damaged")
        return decode_stored_write(unsealed(record, f"held write {dot}")[HELD_SINCE_BYTES:], dot)

    def save(self, clock: VectorClock, timestamp: HybridTimestamp, confirmed_seq: int) -> None:
        """Keep the replica's own position."""
        self._put(POSITION_KEY, sealed(_pack((clock.entries, *timestamp, confirmed_seq))), db=self._tables.meta)


def decode_stored_write(encoded: bytes, dot: Dot) -> Write:
    """A write that this store kept; raises StoreCorruptedError when it is not the write ``dot``."""
    try:
        write = decode_write(encoded)
    except MessageRejectedError as error:
        raise StoreCorruptedError(f"write {dot} in the database is damaged: {error}") from None
    if write.dot != dot:
        raise StoreCorruptedError(f"write {dot} in the database is another one, {write.dot}: the database is damaged")
    return write
