"""When versions end, as the database keeps it: by the node that took the put, then by time.

Records that outlive their version are no harm: they are looked at when they are due, and go.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from node.core.dot import Dot, node_id_of
from node.core.expiry import Expiring
from node.store.records import dot_key, dot_of_key, sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIME_BYTES = 8


class Expiries:
    """The table of expiries in one write transaction; what is new is staged until ``flush``."""

    def __init__(self, transaction: Any, table: Any) -> None:
        self._transaction = transaction
        self._table = table
        self._staged: dict[bytes, bytes] = {}

    def schedule(self, expires_ms: int, dot: Dot, key: str) -> None:
        """Version ``dot`` of a key ends then."""
        self._staged[_place(expires_ms, dot)] = sealed(key.encode())

    def due(self, node: str, after: Expiring | None, until_ms: int, max_entries: int) -> Sequence[Expiring]:
        """The versions put at ``node`` that end until then, behind ``after``, in order."""
        self.flush()
        prefix = node.encode() + b"\0"
        cursor = self._transaction.cursor(db=self._table)
        first = prefix if after is None else _place(after.expires_ms, after.dot) + b"\0"
        if not cursor.set_range(first):
            return []
        last = prefix + until_ms.to_bytes(_TIME_BYTES, "big") + b"\xff"
        within = itertools.takewhile(lambda item: item[0] <= last, cursor)
        return [_expiring(place, len(prefix), record) for place, record in itertools.islice(within, max_entries)]

    def forget(self, expiring: Expiring) -> None:
        """That version needs no end any more."""
        place = _place(expiring.expires_ms, expiring.dot)
        self._staged.pop(place, None)
        self._transaction.delete(place, db=self._table)

    def flush(self) -> None:
        """Write what is staged."""
        if self._staged:
            self._transaction.cursor(db=self._table).putmulti(sorted(self._staged.items()))
            self._staged.clear()


def _place(expires_ms: int, dot: Dot) -> bytes:
    return node_id_of(dot.replica).encode() + b"\0" + expires_ms.to_bytes(_TIME_BYTES, "big") + dot_key(dot)


def _expiring(place: bytes, prefix_bytes: int, record: bytes) -> Expiring:
    time = place[prefix_bytes : prefix_bytes + _TIME_BYTES]
    dot = dot_of_key(place[prefix_bytes + _TIME_BYTES :])
    return Expiring(int.from_bytes(time, "big"), dot, unsealed(record, "an expiry").decode())
