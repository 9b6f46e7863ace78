"""Merging the lines of history into one order that contradicts no happened-before.

The hybrid timestamp grows along happened-before, so the order by (timestamp, replica id) is a linear extension of it.
The vector clocks have the last word all the same: a forged timestamp must not show an effect before its cause.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from node.core.dot import Dot
from node.errors import StoreCorruptedError
from node.store.transaction import decode_stored_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.core.hybrid_clock import HybridTimestamp
    from node.core.vector_clock import SequenceRange, VectorClock
    from node.core.write import Write
    from node.store.reader import StoreReader


class Step(NamedTuple):
    """A write, and the position (everything up to and with it) of whoever follows the order."""

    write: Write
    position: VectorClock


class _Head(NamedTuple):
    """The next write of a line; compares by its first two fields, and no two lines have the same replica."""

    timestamp: HybridTimestamp
    replica: str
    write: Write
    rest: Iterator[Write]


def merged(lines: Mapping[str, Iterator[Write]], position: VectorClock) -> Iterator[Step]:
    """The writes of ``lines`` (by replica, each in sequence) in a linear extension of happened-before.

    What happened before them must be in ``position`` or among them. Raises StoreCorruptedError when it is not.
    """
    heads: list[_Head] = []
    for line in lines.values():
        _push(heads, line)
    early: list[_Head] = []
    while heads:
        head = heapq.heappop(heads)
        if not _is_next(head.write, position):
            early.append(head)
            continue
        position = position.advanced_to(head.write.dot)
        yield Step(head.write, position)
        _push(heads, head.rest)
        for waiting in early:
            heapq.heappush(heads, waiting)
        early.clear()
    if early:
        raise StoreCorruptedError(f"history lacks what happened before {early[0].write.dot}: the database is damaged")


def _push(heads: list[_Head], line: Iterator[Write]) -> None:
    write = next(line, None)
    if write is not None:
        heapq.heappush(heads, _Head(write.timestamp, write.dot.replica, write, line))


def _is_next(write: Write, position: VectorClock) -> bool:
    own = write.dot.replica
    known = position.entries
    for replica, count in write.clock.items():  # noqa: SIM110  # all() with a generator takes twice as long
        if count > known.get(replica, 0) and replica != own:
            return False
    return True


def is_forgotten(cut: StoreReader, after: VectorClock) -> bool:
    """Whether history does not reach back to all that follows ``after``."""
    return any(after[replica] < last_seq for replica, last_seq in cut.trimmed().items())


def steps_between(cut: StoreReader, after: VectorClock, until: VectorClock) -> Iterator[Step]:
    """The writes that ``until`` covers and ``after`` does not; both are covered by the cut, and nothing is forgotten.

    Read as they are asked for: memory is one write for each replica that has some. Raises StoreCorruptedError.
    """
    lines = {replica: _line(cut, replica, dots) for replica, dots in after.missing(until).items()}
    return merged(lines, after)


def _line(cut: StoreReader, replica: str, dots: SequenceRange) -> Iterator[Write]:
    """These writes of a replica, each read when it is asked for."""
    entries = cut.history(replica, dots.first)
    for seq in range(dots.first, dots.last + 1):
        entry = next(entries, None)
        if entry is None:
            raise StoreCorruptedError(f"history lacks {Dot(replica, seq)}: the database is damaged")
        yield decode_stored_write(entry, Dot(replica, seq))
