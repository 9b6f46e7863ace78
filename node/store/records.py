"""How state is laid out in the database: keys, records, checksums.

Every record carries a CRC-32 of its content: a damaged record is refused (StoreCorruptedError), never
read as something else or as absent. Records of equal state are equal byte for byte on every node.
"""

from __future__ import annotations

import hashlib
import struct
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
_KEY_RECORD = "a key"
_CHECKSUM = struct.Struct(">I")
_CHECKSUM_BYTES = _CHECKSUM.size
_SEQ_BYTES = 8

# The key that the record belongs to, the dots of its siblings, winner first, and what else each sibling is: clock,
# timestamp, value. The dots stand apart because mostly nothing else of an old version is needed.
_VersionRecord = tuple[str, list[Dot], list[tuple[dict[str, int], HybridTimestamp, bytes]]]
_DotRecord = tuple[str, list[Dot], msgspec.Raw]

_pack = msgspec.msgpack.Encoder().encode
_unpack_versions = msgspec.msgpack.Decoder(_VersionRecord).decode
_unpack_dots = msgspec.msgpack.Decoder(_DotRecord).decode


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
    return _CHECKSUM.pack(zlib.crc32(content)) + content


def unsealed(record: bytes, what: str) -> bytes:
    """The content of a sealed record; raises StoreCorruptedError, naming ``what``, when the checksum fails."""
    content = record[_CHECKSUM_BYTES:]
    if _CHECKSUM.pack(zlib.crc32(content)) != record[:_CHECKSUM_BYTES]:
        raise StoreCorruptedError(
            f"the record of {what} is damaged (its checksum fails): restore the data directory, or delete it "
            "to let the node start empty as a new replica"
        )
    return content


def encode_versions(key: str, versions: Versions) -> bytes:
    """The record of a key's siblings."""
    dots = [version[0] for version in versions]
    others = [(clock.entries, timestamp, value) for _, clock, timestamp, value in versions]
    return sealed(_pack((key, dots, others)))


def decode_versions(record: bytes, key: str) -> Versions:
    """The siblings in a record; raises StoreCorruptedError when it is not the record of ``key``."""
    content = unsealed(record, _KEY_RECORD)
    found, dots, others = decoded(_unpack_versions, content, _KEY_RECORD)
    if found != key:
        raise _misplaced(found, key)
    return tuple(
        [
            Version(dot, VectorClock.trusted(clock), timestamp, value)
            for dot, (clock, timestamp, value) in zip(dots, others, strict=True)
        ]
    )


def decode_dots(record: bytes, key: str) -> list[Dot]:
    """The dots of the siblings in a record; raises StoreCorruptedError as ``decode_versions`` does."""
    dots: list[Dot]
    found, dots, _ = decoded(_unpack_dots, unsealed(record, _KEY_RECORD), _KEY_RECORD)
    if found != key:
        raise _misplaced(found, key)
    return dots


def key_of_record(record: bytes) -> str:
    """The key whose siblings a record holds; raises StoreCorruptedError."""
    key: str
    key, _, _ = decoded(_unpack_dots, unsealed(record, _KEY_RECORD), _KEY_RECORD)
    return key


def _misplaced(found: str, key: str) -> StoreCorruptedError:
    return StoreCorruptedError(f"the record of key {key!r} belongs to key {found!r}: the database is damaged")


def decoded(decode: Callable[[bytes], _T], content: bytes, what: str) -> _T:
    """``decode(content)``, with what does not decode reported as damage."""
    try:
        return decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreCorruptedError(f"the record of {what} is damaged: {error}") from None
