"""History: the applied writes, encoded, by replica and in sequence order."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from node.codec import encode_write
from node.core.dot import Dot
from node.errors import StoreCorruptedError
from node.store.records import dot_key, dot_of_key, line_prefix, sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.core.write import Write


def stored_line(transaction: Any, table: Any, replica: str, first_seq: int) -> Iterator[bytes]:
    """What the database has of a replica's line from ``first_seq`` on, encoded, up to its first hole."""
    cursor = transaction.cursor(db=table)
    if not cursor.set_key(dot_key(Dot(replica, first_seq))):
        return
    for seq, (key, record) in zip(itertools.count(first_seq), cursor, strict=False):
        if not key.startswith(line_prefix(replica)) or dot_of_key(key).seq != seq:
            return
        yield unsealed(record, "a write in history")


class History:
    """The table of history in one write transaction; what is new is staged until ``flush``."""

    def __init__(self, transaction: Any, table: Any) -> None:
        self._transaction = transaction
        self._table = table
        self._staged: dict[Dot, bytes] = {}

    def append(self, write: Write) -> None:
        """Keep an applied write for publishing and repair."""
        self._staged[write.dot] = encode_write(write)

    def read(self, replica: str, first_seq: int, max_writes: int, max_bytes: int) -> list[bytes]:
        """The applied writes of ``replica`` from ``first_seq`` on, encoded, without a hole."""
        entries: list[bytes] = []
        size_bytes = 0
        is_staged = Dot(replica, first_seq) in self._staged
        stored = iter(()) if is_staged else stored_line(self._transaction, self._table, replica, first_seq)
        for seq in range(first_seq, first_seq + max_writes):
            entry = self._staged.get(Dot(replica, seq)) or next(stored, None)
            if entry is None:
                break
            size_bytes += len(entry)
            if entries and size_bytes > max_bytes:
                break
            entries.append(entry)
        if not entries:
            raise StoreCorruptedError(f"history lacks {replica}:{first_seq}: the database is damaged")
        return entries

    def trim(self, replica: str, last_seq: int, max_writes: int) -> int:
        """Forget the first ``max_writes`` of the kept writes of ``replica`` up to ``last_seq``; returns how many."""
        if any(dot.replica == replica and dot.seq <= last_seq for dot in self._staged):
            self.flush()
        prefix = line_prefix(replica)
        cursor = self._transaction.cursor(db=self._table)
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

    def flush(self) -> None:
        """Write what is staged, in the table's order, which is the cheapest."""
        if self._staged:
            records = sorted((dot_key(dot), sealed(entry)) for dot, entry in self._staged.items())
            self._transaction.cursor(db=self._table).putmulti(records)
            self._staged.clear()
