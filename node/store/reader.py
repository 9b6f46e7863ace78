"""Reading the store: a causal cut, from any thread."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from node.core.hybrid_clock import HybridTimestamp
from node.core.places import CounterPlace, MemberPlace
from node.core.vector_clock import VectorClock
from node.store.conflicts import named_after
from node.store.history import stored_line
from node.store.overlay import Overlay, from_key
from node.store.records import (
    COUNTERS,
    CUT_BYTES,
    decode_entry,
    decode_versions,
    decoded,
    is_register,
    place_of_record,
    set_prefix,
    unsealed,
    version_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.core.places import Place
    from node.core.versions import Versions
    from node.store.transaction import Tables

POSITION_KEY = b"position"
TRIMMED_KEY = b"trimmed"


class Position(NamedTuple):
    """The replica's own position, as the database keeps it."""

    clock: dict[str, int]
    physical_ms: int
    counter: int
    confirmed_seq: int


_unpack_position = msgspec.msgpack.Decoder(Position).decode
_unpack_trimmed = msgspec.msgpack.Decoder(dict[str, int]).decode


def read_position(transaction: Any, tables: Tables) -> Position:
    """The replica's own position. Raises StoreCorruptedError."""
    record = transaction.get(POSITION_KEY, db=tables.meta)
    return decoded(_unpack_position, unsealed(record or b"", "the replica's position"), "the replica's position")


class StoreReader:
    """One read transaction: everything read through it is one causal cut. Its methods raise StoreCorruptedError."""

    def __init__(self, transaction: Any, tables: Tables, *, has_overlay: bool) -> None:
        self._transaction = transaction
        self._tables = tables
        self._overlay = Overlay.find(transaction, tables) if has_overlay else None

    def versions(self, place: Place) -> Versions:
        """The siblings of a place, winner first; empty when there is none."""
        record = self._transaction.get(version_key(place), db=self._tables.versions)
        if self._overlay is not None:
            return self._overlay.versions(place, record)
        return () if record is None else decode_versions(record, place)

    def counter(self, key: str) -> Versions:
        """The shares of a counter; empty when nobody incremented it."""
        return self.versions(CounterPlace(key))

    def entries(self) -> Iterator[tuple[Place, Versions]]:
        """Every place that holds something, with its siblings: keys in byte order, then counters, then sets."""
        return ((place, versions) for _, place, versions in self._places(b""))

    def counters_and_members(self) -> Iterator[tuple[Place, Versions]]:
        """Of ``entries``, those that are no keys; the members of a set follow each other."""
        return ((place, versions) for _, place, versions in self._places(COUNTERS))

    def scan(self, prefix: str, after: str) -> Iterator[tuple[str, Versions]]:
        """The keys that begin with ``prefix`` and come behind ``after``, in byte order, with their siblings."""
        wanted, behind = prefix.encode(), after.encode()
        first = max(wanted, behind)
        # Long keys are cut in the table, and the digest at their end has no order: their whole group is looked at.
        for place, versions in self._keys_in_order(first[:CUT_BYTES]):
            key = place.encode()
            if key[: len(wanted)] > wanted:
                return
            if key > behind and key.startswith(wanted):
                yield place, versions

    def conflicts(self, after: str) -> Iterator[tuple[str, Versions]]:
        """The keys that hold several versions and stand behind ``after`` in the table, in its order, with them.

        Keys of a snapshot that is being merged are among them when they are carried over.
        """
        for key in named_after(self._transaction, self._tables.conflicts, version_key(after) if after else b""):
            record = self._transaction.get(key, db=self._tables.versions)
            place = None if record is None else place_of_record(record)
            if isinstance(place, str) and len(versions := self.versions(place)) > 1:
                yield place, versions

    def conflict_count(self) -> int:
        """How many keys hold several versions, or did before a snapshot that is being merged."""
        return int(self._transaction.stat(self._tables.conflicts)["entries"])

    def members(self, key: str, after: str) -> Iterator[tuple[str, Versions]]:
        """The members of a set behind ``after``, in the byte order of their JSON texts, with their versions."""
        prefix = set_prefix(key)
        cut_bytes = CUT_BYTES - len(prefix)
        found = self._places(prefix + after.encode()[:cut_bytes])
        of_set = itertools.takewhile(lambda entry: entry[0].startswith(prefix), found)
        for _, group in itertools.groupby(of_set, lambda entry: entry[0][:CUT_BYTES]):
            named = ((place.member, versions) for _, place, versions in group if isinstance(place, MemberPlace))
            for member, versions in sorted(named, key=lambda entry: entry[0].encode()):
                if member.encode() > after.encode():
                    yield member, versions

    def _keys_in_order(self, first: bytes) -> Iterator[tuple[str, Versions]]:
        """The keys from ``first`` on, in byte order also where the table cuts them."""
        registers = itertools.takewhile(lambda entry: is_register(entry[0]), self._places(first))
        for beginning, group in itertools.groupby(registers, lambda entry: entry[0][:CUT_BYTES]):
            # Only what is as long as a cut key can be in another order than the table's.
            if len(beginning) < CUT_BYTES:
                yield from ((place, versions) for _, place, versions in group if isinstance(place, str))
                continue
            # Names alone are kept meanwhile: the values of such a group may be more than memory holds.
            for name in sorted((place for _, place, _ in group if isinstance(place, str)), key=str.encode):
                yield name, self.versions(name)

    def _places(self, first: bytes) -> Iterator[tuple[bytes, Place, Versions]]:
        if self._overlay is not None:
            yield from (entry for entry in self._overlay.entries(first) if entry[2])
            return
        cursor = self._transaction.cursor(db=self._tables.versions)
        for key, record in cursor if from_key(cursor, first) else ():
            yield key, *decode_entry(record)

    def history(self, replica: str, first_seq: int) -> Iterator[bytes]:
        """The applied writes of ``replica`` from ``first_seq`` on, encoded, as far as they are kept without a hole."""
        return stored_line(self._transaction, self._tables.history, replica, first_seq)

    def trimmed(self) -> VectorClock:
        """No write up to here is kept in history."""
        record = self._transaction.get(TRIMMED_KEY, db=self._tables.meta)
        what = "the replica's trimmed"
        return VectorClock({} if record is None else decoded(_unpack_trimmed, unsealed(record, what), what))

    def clock(self) -> VectorClock:
        """The writes that this cut contains."""
        return VectorClock.trusted(read_position(self._transaction, self._tables).clock)

    def timestamp(self) -> HybridTimestamp:
        """The greatest hybrid timestamp in this cut."""
        position = read_position(self._transaction, self._tables)
        return HybridTimestamp(position.physical_ms, position.counter)
