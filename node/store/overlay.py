"""A snapshot of a peer between its arrival and the moment when all of it stands in the own table of versions.

Merging a million keys takes seconds, and no reader may see half of it: that would break causal order. So the snapshot
is adopted by one small record, the *overlay*: from that commit on, every read of a key merges what stands in the two
tables. Behind it the keys are carried over, some with each transaction; a key that is written meanwhile is carried over
by that.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from node.core.vector_clock import VectorClock
from node.core.versions import merged
from node.store.conflicts import Conflicts
from node.store.records import (
    decode_entry,
    decode_versions,
    decoded,
    encode_versions,
    place_of_record,
    sealed,
    unsealed,
    version_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.core.places import Place
    from node.core.versions import Versions
    from node.store.transaction import Tables

OVERLAY_KEY = b"overlay"
# Stands for a snapshot's record of a key that was carried over out of turn.
DONE = b"done"
_WHAT = "the snapshot being merged"


class _Record(NamedTuple):
    known_here: dict[str, int]
    known_there: dict[str, int]
    position: bytes


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Record).decode


def from_key(cursor: Any, first: bytes) -> bool:
    """Put a cursor on the first key that is not before ``first``; False: there is none."""
    return bool(cursor.set_range(first) if first else cursor.first())


class Overlay:
    """The overlay as one transaction of the database sees it."""

    def __init__(self, transaction: Any, tables: Tables, record: _Record) -> None:
        self._transaction = transaction
        self._tables = tables
        self._known_here = VectorClock(record.known_here)
        self._known_there = VectorClock(record.known_there)
        self._position = record.position

    @classmethod
    def find(cls, transaction: Any, tables: Tables) -> Overlay | None:
        """The overlay that is in force; None: there is none. Raises StoreCorruptedError."""
        sealed_record = transaction.get(OVERLAY_KEY, db=tables.meta)
        if sealed_record is None:
            return None
        return cls(transaction, tables, decoded(_unpack, unsealed(sealed_record, _WHAT), _WHAT))

    @staticmethod
    def begin(transaction: Any, tables: Tables, known_here: VectorClock, known_there: VectorClock) -> None:
        """Put in force what was staged: it contains exactly the writes of ``known_there``."""
        record = _Record(known_here.as_dict(), known_there.as_dict(), b"")
        transaction.put(OVERLAY_KEY, sealed(_pack(record)), db=tables.meta)

    # ------------------------------------------------------------------------------- reading

    def versions(self, place: Place, record: bytes | None) -> Versions:
        """The siblings of a place; ``record`` is what the own table holds of it. Raises StoreCorruptedError."""
        key = version_key(place)
        own = () if record is None else decode_versions(record, place)
        if key <= self._position:
            return own
        return self._merged(place, own, self._transaction.get(key, db=self._tables.snapshot))

    def _merged(self, place: Place, own: Versions, other_record: bytes | None) -> Versions:
        if other_record == DONE:
            return own
        other = () if other_record is None else decode_versions(other_record, place)
        return merged(own, self._known_here, other, self._known_there)

    def entries(self, first: bytes = b"") -> Iterator[tuple[bytes, Place, Versions]]:
        """Everything from ``first`` (a key of the tables) on, in table order: key there, place, siblings."""
        if first <= self._position:
            cursor = self._transaction.cursor(db=self._tables.versions)
            for key, record in cursor if from_key(cursor, first) else ():
                if key > self._position:
                    break
                yield key, *decode_entry(record)
        yield from self._remaining(max(first, self._position + b"\0" if self._position else b""))

    def _remaining(self, first: bytes) -> Iterator[tuple[bytes, Place, Versions]]:
        """What is not carried over in turn yet; no siblings when the merge leaves none."""
        for key, own_record, other_record in self._union(first):
            record = own_record if other_record is None or other_record == DONE else other_record
            if record is None:
                continue  # it was marked as done, and deleted since
            place = place_of_record(record)
            own = () if own_record is None else decode_versions(own_record, place)
            yield key, place, self._merged(place, own, other_record)

    def _union(self, first: bytes) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
        own = self._transaction.cursor(db=self._tables.versions)
        other = self._transaction.cursor(db=self._tables.snapshot)
        has_own, has_other = from_key(own, first), from_key(other, first)
        while has_own or has_other:
            key = min(cursor.key() for cursor, has in ((own, has_own), (other, has_other)) if has)
            own_record = other_record = None
            if has_own and own.key() == key:
                own_record, has_own = own.value(), own.next()
            if has_other and other.key() == key:
                other_record, has_other = other.value(), other.next()
            yield key, own_record, other_record

    # --------------------------------------------------------------------------- carrying over

    def carry_over(self, max_keys: int) -> bool:
        """Carry some keys over; True when that was the last of them, and the overlay has ended."""
        remaining = self._remaining(self._position + b"\0" if self._position else b"")
        batch = list(itertools.islice(remaining, max_keys))
        puts = [(key, encode_versions(place, versions)) for key, place, versions in batch if versions]
        if puts:
            self._transaction.cursor(db=self._tables.versions).putmulti(puts)
        for key, _, versions in batch:
            if not versions:
                self._transaction.delete(key, db=self._tables.versions)
        Conflicts(self._transaction, self._tables.conflicts).merged((key, versions) for key, _, versions in batch)
        if len(batch) < max_keys:
            self._transaction.delete(OVERLAY_KEY, db=self._tables.meta)
            self._transaction.drop(self._tables.snapshot, delete=False)
            return True
        self._position = batch[-1][0]
        record = _Record(self._known_here.as_dict(), self._known_there.as_dict(), self._position)
        self._transaction.put(OVERLAY_KEY, sealed(_pack(record)), db=self._tables.meta)
        return False
