"""From lines to a cluster: batches of puts and additions, and one increment for each counter.

Doing it again is harmless: puts and additions have the same effect twice, and each increment has a request id that
follows from the export and its line, which nodes remember for an hour at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from client.errors import InvalidRequestError, TransferFileError
from client.operations import Operation, PutOp, SAddOp
from client.transfer.lines import CounterLine, KeyLine, LineReader, SetLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from client.session import Session
    from client.transfer.lines import Header

BATCH_MAX_OPERATIONS = 1_000
BATCH_MAX_BYTES = 1024 * 1024
# What stands around a value in a batch.
OVERHEAD_BYTES = 40
MEMBERS_MAX = 1_000
# The largest step of a counter: beyond it not every JSON reader is exact.
INCREMENT_MAX = 2**53 - 1
# What was nearly over is over in a moment: a node takes no 0.
TTL_MIN_SECONDS = 0.001


@dataclass(slots=True)
class Imported:
    """How much was written; ``siblings``: keys of which only the winner was, ``outside``: lines outside the prefix."""

    keys: int = 0
    counters: int = 0
    members: int = 0
    siblings: int = 0
    outside: int = 0


class Importer:
    """One import into a cluster."""

    def __init__(self, session: Session, prefix: str, node: str | None) -> None:
        self.imported = Imported()
        self._session = session
        self._prefix = prefix
        self._node = node
        self._header: Header | None = None
        self._batch: list[Operation] = []
        self._batch_bytes = 0
        self._batch_lines: tuple[int, int] = (0, 0)

    def read(self, reader: LineReader, show: Callable[[LineReader], None]) -> Imported:
        """Write everything that the reader has; ``show`` is called after each batch.

        Raises TransferFileError for a line that is wrong, and the errors of `client.errors`; what was written before
        stays, and the same import can be repeated.
        """
        self._header = reader.header()
        for line in reader.lines():
            key = line.key if isinstance(line, KeyLine) else line.set if isinstance(line, SetLine) else line.counter
            if not key.startswith(self._prefix):
                self.imported.outside += 1
            elif isinstance(line, KeyLine):
                self._put(line, reader)
            elif isinstance(line, SetLine):
                self._add_members(line, reader)
            else:
                self._count(line, reader.number)
            if not self._batch:
                show(reader)
        self._flush()
        show(reader)
        return self.imported

    def _put(self, line: KeyLine, reader: LineReader) -> None:
        ttl_seconds = None if line.ttl is None else max(line.ttl, TTL_MIN_SECONDS)
        self._add(PutOp(line.key, line.value, ttl_seconds), len(line.key) + len(bytes(line.value)), reader)
        self.imported.keys += 1
        self.imported.siblings += bool(line.siblings)

    def _add_members(self, line: SetLine, reader: LineReader) -> None:
        for start in range(0, len(line.members), MEMBERS_MAX):
            some = line.members[start : start + MEMBERS_MAX]
            size_bytes = len(line.set) + sum(len(bytes(member)) + 1 for member in some)
            self._add(SAddOp(line.set, some), size_bytes, reader)
            self.imported.members += len(some)

    def _add(self, operation: PutOp[Any] | SAddOp[Any], content_bytes: int, reader: LineReader) -> None:
        size_bytes = content_bytes + OVERHEAD_BYTES
        if self._batch and self._batch_bytes + size_bytes > BATCH_MAX_BYTES:
            self._flush()
        self._batch_lines = (self._batch_lines[0] if self._batch else reader.number, reader.number)
        self._batch.append(operation)
        self._batch_bytes += size_bytes
        if len(self._batch) >= BATCH_MAX_OPERATIONS:
            self._flush()

    def _flush(self) -> None:
        if not self._batch:
            return
        first, last = self._batch_lines
        try:
            self._session.batch(self._batch, node=self._node)
        except InvalidRequestError as error:
            raise TransferFileError(f"lines {first} to {last}: a node refuses: {error}") from None
        self._batch, self._batch_bytes = [], 0

    def _count(self, line: CounterLine, number: int) -> None:
        """Add what the counter stood at; in several steps where one would be too large."""
        left, step = line.value, 0
        while left:
            by = max(-INCREMENT_MAX, min(INCREMENT_MAX, left))
            export_id = "" if self._header is None else self._header.export_id
            try:
                self._session.incr(line.counter, by, node=self._node, request_id=f"import-{export_id}-{number}-{step}")
            except InvalidRequestError as error:
                raise TransferFileError(f"line {number}: a node refuses: {error}") from None
            left, step = left - by, step + 1
        self.imported.counters += 1
