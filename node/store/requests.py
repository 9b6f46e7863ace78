"""Remembered requests, as the database keeps them: two generations, of which the older one goes whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from node.core.dot import Dot
from node.core.requests import RememberedRequest
from node.core.vector_clock import VectorClock
from node.store.records import LMDB_KEY_MAX_BYTES, cut, decoded, sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GENERATIONS_KEY = b"requests"
_WHAT = "a remembered request"


class Generations(NamedTuple):
    """Which of the two tables is the younger generation, and since when, by the wall clock."""

    younger: int = 0
    since_ms: int = 0


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[Dot, dict[str, int], bytes]).decode
_unpack_generations = msgspec.msgpack.Decoder(Generations).decode


def read_generations(transaction: Any, meta: Any) -> Generations:
    """What the database says of the generations. Raises StoreCorruptedError."""
    record = transaction.get(GENERATIONS_KEY, db=meta)
    what = "the generations of requests"
    return Generations() if record is None else decoded(_unpack_generations, unsealed(record, what), what)


class Requests:
    """The remembered requests in one write transaction; what is new is staged until ``flush``."""

    def __init__(self, transaction: Any, meta: Any, tables: Sequence[Any]) -> None:
        self._transaction = transaction
        self._meta = meta
        self._tables = tables
        self._read_generations: Generations | None = None
        self._staged: dict[bytes, RememberedRequest] = {}
        # What was read of each table already, and how many entries the younger one has.
        self._records: tuple[dict[bytes, bytes | None], ...] = ({}, {})
        self._younger_entries: int | None = None

    @property
    def _generations(self) -> Generations:
        # Most transactions have no named request, and need not look.
        if self._read_generations is None:
            self._read_generations = read_generations(self._transaction, self._meta)
        return self._read_generations

    def expect(self, request_ids: Iterable[str]) -> None:
        """These are about to be looked for: read them all at once."""
        places = sorted({_place(request_id) for request_id in request_ids})
        if places:
            for table, records in zip(self._tables, self._records, strict=True):
                records.update(dict.fromkeys(places))
                records.update(self._transaction.cursor(db=table).getmulti(places))

    def find(self, request_id: str) -> RememberedRequest | None:
        """What a request came to, if it is remembered. Raises StoreCorruptedError."""
        return self._in_younger(request_id) or self._read(request_id, 1 - self._generations.younger)

    def _in_younger(self, request_id: str) -> RememberedRequest | None:
        staged = self._staged.get(_place(request_id))
        return staged or self._read(request_id, self._generations.younger)

    def _read(self, request_id: str, generation: int) -> RememberedRequest | None:
        place, records = _place(request_id), self._records[generation]
        if place not in records:
            records[place] = self._transaction.get(place, db=self._tables[generation])
        record = records[place]
        if record is None:
            return None
        dot, clock, digest = decoded(_unpack, unsealed(record, _WHAT), _WHAT)
        return RememberedRequest(dot, VectorClock.trusted(clock), digest)

    def remember(self, request_id: str, remembered: RememberedRequest) -> None:
        """Keep what a request came to, in the younger generation; the first one counts, from now on."""
        if self._in_younger(request_id) is None:
            older = self._read(request_id, 1 - self._generations.younger)
            self._staged[_place(request_id)] = older or remembered

    def count_younger(self) -> int:
        """How many requests the younger generation holds."""
        if self._younger_entries is None:
            table = self._tables[self._generations.younger]
            self._younger_entries = int(self._transaction.stat(table)["entries"])
        return self._younger_entries + len(self._staged)

    def forget_older(self, now_ms: int) -> None:
        """Forget the older generation, and begin a new one."""
        self.flush()
        younger = 1 - self._generations.younger
        self._transaction.drop(self._tables[younger], delete=False)
        self._records[younger].clear()
        self._younger_entries = 0
        self._read_generations = Generations(younger, now_ms)
        self._transaction.put(GENERATIONS_KEY, sealed(_pack(self._read_generations)), db=self._meta)

    def flush(self) -> None:
        """Write what is staged."""
        if not self._staged:
            return
        records = [
            (place, sealed(_pack((dot, clock.entries, digest)))) for place, (dot, clock, digest) in self._staged.items()
        ]
        younger = self._generations.younger
        self._transaction.cursor(db=self._tables[younger]).putmulti(sorted(records))
        self._records[younger].update(records)
        self._younger_entries = None
        self._staged.clear()


def _place(request_id: str) -> bytes:
    return cut(request_id.encode(), LMDB_KEY_MAX_BYTES)
