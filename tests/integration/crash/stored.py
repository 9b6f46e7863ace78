"""What a node's store holds, read past the node: the raw records of its tables, as any process may read them.

The node's own way to its records is under test here, so this one shares nothing with it but the file format: a
checksum of four bytes, then JSON (history) or MessagePack (versions).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import lmdb
import msgspec

from tests.support.load import counter_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Records = dict[bytes, bytes]

_CHECKSUM_BYTES = 4
_SEQ_BYTES = 8
_MAP_BYTES = 64 * 2**30


class StoredWrite(NamedTuple):
    """One write in a history; ``value`` is None for a delete. ``rank`` decides the winner among siblings.

    An increment has the name of its counter (``counter_key``) for a key, and the name of its request for a value: no
    other write may have the same.
    """

    replica: str
    seq: int
    clock: Mapping[str, int]
    rank: tuple[int, int, str]
    key: str
    value: str | None

    def covers(self, other: StoredWrite) -> bool:
        """Whether ``other`` is this write or happened before it, by this write's own clock."""
        return self.clock.get(other.replica, 0) >= other.seq


class Tables(NamedTuple):
    """Raw records of a store, whole or from some place on."""

    versions: Records
    history: Records


def read_tables(data_dir: Path, after: Mapping[str, int]) -> Tables:
    """All versions, and what history holds beyond ``after`` (a count of writes by replica).

    The node may be running: this is one read transaction, and it leaves nothing open behind it.
    """
    with lmdb.open(str(data_dir), readonly=True, create=False, max_dbs=8, map_size=_MAP_BYTES) as environment:
        tables = {name: environment.open_db(name.encode(), create=False) for name in Tables._fields}
        with environment.begin() as transaction:
            versions = {bytes(key): bytes(record) for key, record in transaction.cursor(db=tables["versions"])}
            history = {}
            cursor = transaction.cursor(db=tables["history"])
            is_there = cursor.first()
            while is_there:
                key = bytes(cursor.key())
                replica, seq = _dot(key)
                if seq <= after.get(replica, 0):
                    is_there = cursor.set_range(_dot_key(replica, after[replica] + 1))
                    continue
                history[key] = bytes(cursor.value())
                is_there = cursor.next()
    return Tables(versions, history)


def _dot_key(replica: str, seq: int) -> bytes:
    return replica.encode() + b"\0" + seq.to_bytes(_SEQ_BYTES, "big")


def _dot(key: bytes) -> tuple[str, int]:
    return key[: -_SEQ_BYTES - 1].decode(), int.from_bytes(key[-_SEQ_BYTES:], "big")


def decode_history(history: Records) -> list[StoredWrite]:
    """The writes of a history, by replica and in sequence; each must stand under its own name."""
    writes = []
    for key, record in history.items():
        write: dict[str, Any] = json.loads(record[_CHECKSUM_BYTES:])
        (operation,) = write["ops"]  # the load makes no batches
        replica, seq = write["replica"], write["seq"]
        assert _dot(key) == (replica, seq)
        rank = (*write["timestamp"], replica)
        named, value = operation["key"], operation.get("value")
        if operation["op"] == "incr":
            assert operation["by"] == 1
            named, value = counter_key(named), write["request_id"]
        writes.append(StoredWrite(replica, seq, write["vector_clock"], rank, named, value))
    return writes


def decode_versions(versions: Records) -> dict[str, list[tuple[str, int, Any]]]:
    """(replica, seq, value) of the siblings of each key, winner first; of a counter, its shares."""
    shown = {}
    for record in versions.values():
        names, dots, others = msgspec.msgpack.decode(record[_CHECKSUM_BYTES:])
        key = names if isinstance(names, str) else counter_key(names[1])
        assert all(expires_ms == 0 for *_, expires_ms in others), "the load puts for good"
        shown[key] = [(*dot, json.loads(value)) for dot, (_, _, value, _) in zip(dots, others, strict=True)]
    return shown
