"""When versions end, as the database keeps it: by the node that took the put, then by time.

Records that outlive their version are no harm: they are looked at when they are due, and go.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from node.core.dot import Dot, node_id_of
from node.core.expiry import Expiring
from node.store.records import LMDB_KEY_MAX_BYTES, cut, decoded, dot_key, sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIME_BYTES = 8
_WHAT = "an expiry"

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[int, Dot, str]).decode


class Expiries:
    """The table of expiries in one write transaction; what is new is staged until ``flush``."""

    def __init__(self, transaction: Any, table: Any) -> None:
        self._transaction = transaction
        self._table = table
        self._staged: dict[bytes, bytes] = {}

    def schedule(self, expires_ms: int, dot: Dot, key: str) -> None:
        """Version ``dot`` of a key ends then."""
        expiring = Expiring(expires_ms, dot, key)
        self._staged[_place(expiring)] = sealed(_pack(expiring))

    def due(self, node: str, after: Expiring | None, until_ms: int, max_entries: int) -> Sequence[Expiring]:
        """The versions put at ``node`` that end until then, behind ``after``, in order. Raises StoreCorruptedError."""
        self.flush()
        prefix = _prefix(node)
        cursor = self._transaction.cursor(db=self._table)
        if not cursor.set_range(prefix if after is None else _place(after) + b"\0"):
            return []
        last = prefix + until_ms.to_bytes(_TIME_BYTES, "big") + b"\xff"
        within = itertools.takewhile(lambda item: item[0] <= last, cursor)
        return [_expiring(record) for _, record in itertools.islice(within, max_entries)]

    def forget(self, expiring: Expiring) -> None:
        """That version needs no end any more."""
        place = _place(expiring)
        self._staged.pop(place, None)
        self._transaction.delete(place, db=self._table)

    def flush(self) -> None:
        """Write what is staged."""
        if self._staged:
            self._transaction.cursor(db=self._table).putmulti(sorted(self._staged.items()))
            self._staged.clear()


def _prefix(node: str) -> bytes:
    return node.encode() + b"\0"


def _place(expiring: Expiring) -> bytes:
    """By node, then by time; the key belongs to it, for one write may put several that end together."""
    expires_ms, dot, key = expiring
    place = _prefix(node_id_of(dot.replica)) + expires_ms.to_bytes(_TIME_BYTES, "big") + dot_key(dot)
    return place + cut(key.encode(), LMDB_KEY_MAX_BYTES - len(place))


def _expiring(record: bytes) -> Expiring:
    return Expiring(*decoded(_unpack, unsealed(record, _WHAT), _WHAT))
