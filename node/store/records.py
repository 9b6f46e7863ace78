"""How state is laid out in the database: keys, records, checksums.

Every record carries a CRC-32 of its content: a damaged record is refused (StoreCorruptedError), never
read as something else or as absent. Records of equal state are equal byte for byte on every node.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from node.core.dot import Dot
from node.core.hybrid_clock import HybridTimestamp
from node.core.vector_clock import VectorClock
from node.core.versions import Version, Versions
from node.errors import StoreCorruptedError

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

LMDB_KEY_MAX_BYTES = 511
_DIGEST_BYTES = hashlib.sha256().digest_size
_CHECKSUM_BYTES = 4
_SEQ_BYTES = 8

# (replica, seq, clock, physical ms, counter, value) of each sibling, winner first, behind the key that they belong to.
_VersionRecord = tuple[str, list[tuple[str, int, dict[str, int], int, int, bytes]]]

_pack = msgspec.msgpack.Encoder().encode
_unpack_versions = msgspec.msgpack.Decoder(_VersionRecord).decode


def version_key(key: str) -> bytes:
    """Where the versions of ``key`` stand: its bytes, so that keys are in byte order.

    LMDB's keys end at 511 bytes; a longer key is cut and told apart by a digest. The record
    holds the whole key.
    """
    encoded = key.encode()
    if len(encoded) <= LMDB_KEY_MAX_BYTES:
        return encoded
    return encoded[: LMDB_KEY_MAX_BYTES - _DIGEST_BYTES] + hashlib.sha256(encoded).digest()


def dot_key(dot: Dot) -> bytes:
    """Where the write that ``dot`` names stands: by replica, then in sequence order."""
    return line_prefix(dot.replica) + dot.seq.to_bytes(_SEQ_BYTES, "big")


def line_prefix(replica: str) -> bytes:
    """How the keys of all writes of ``replica`` begin."""
    return replica.encode() + b"\0"


def dot_of_key(key: bytes) -> Dot:
    """The dot whose ``dot_key`` this is."""
    return Dot(key[: -_SEQ_BYTES - 1].decode(), int.from_bytes(key[-_SEQ_BYTES:], "big"))


def sealed(content: bytes) -> bytes:
    """``content`` behind its checksum."""
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "big") + content


def unsealed(record: bytes, what: str) -> bytes:
    """The content of a sealed record; raises StoreCorruptedError, naming ``what``, when the checksum fails."""
    content = record[_CHECKSUM_BYTES:]
    if zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "big") != record[:_CHECKSUM_BYTES]:
        raise StoreCorruptedError(
            f"the record of {what} is damaged (its checksum fails): restore the data directory, or delete it "
            "to let the node start empty as a new replica"
        )
    return content


def encode_versions(key: str, versions: Versions) -> bytes:
    """The record of a key's siblings."""
    return sealed(
        _pack(
            (
                key,
                [
                    (version.dot.replica, version.dot.seq, version.clock.as_dict(), *version.timestamp, version.value)
                    for version in versions
                ],
            )
        )
    )


def decode_versions(record: bytes, key: str) -> Versions:
    """The siblings in a record; raises StoreCorruptedError when it is not the record of ``key``."""
    content = unsealed(record, f"key {key!r}")
    found, siblings = decoded(_unpack_versions, content, f"key {key!r}")
    if found != key:
        raise StoreCorruptedError(f"the record of key {key!r} belongs to key {found!r}: the database is damaged")
    return tuple(
        [
            Version(Dot(replica, seq), VectorClock.trusted(clock), HybridTimestamp(physical_ms, counter), value)
            for replica, seq, clock, physical_ms, counter, value in siblings
        ]
    )


def decoded(decode: Callable[[bytes], _T], content: bytes, what: str) -> _T:
    """``decode(content)``, with what does not decode reported as damage."""
    try:
        return decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreCorruptedError(f"the record of {what} is damaged: {error}") from None
