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
from node.core.hybrid_clock import HybridTimestamp  # noqa: TC001  # msgspec looks it up
from node.core.places import CounterPlace, MemberPlace
from node.core.vector_clock import VectorClock
from node.core.versions import Version, Versions
from node.errors import StoreCorruptedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.places import Place

_T = TypeVar("_T")

LMDB_KEY_MAX_BYTES = 511
_DIGEST_BYTES = hashlib.sha256().digest_size
_KEY_RECORD = "a key"
_CHECKSUM = struct.Struct(">I")
_CHECKSUM_BYTES = _CHECKSUM.size
_SEQ_BYTES = 8


class _StoredVersion(msgspec.Struct, array_like=True, frozen=True, gc=False):
    clock: dict[str, int]
    timestamp: HybridTimestamp
    value: bytes
    expires_ms: int = 0


# The place that the record belongs to (a key stands for its register, several names for a place of another type), the
# dots of its siblings, winner first, and what else each sibling is. The dots stand apart because mostly nothing else
# of an old version is needed.
_VersionRecord = tuple[str | list[str], list[Dot], list[_StoredVersion]]
_DotRecord = tuple[str | list[str], list[Dot], msgspec.Raw]

_pack = msgspec.msgpack.Encoder().encode
_unpack_versions = msgspec.msgpack.Decoder(_VersionRecord).decode
_unpack_dots = msgspec.msgpack.Decoder(_DotRecord).decode

# UTF-8 has no such bytes: what begins with one of the two below is no key, and stands behind all keys.
_NO_TEXT = b"\xff"
COUNTERS = b"\xfe"
_MEMBERS = b"\xff"
# A place of a member has room for the beginnings of both the key and the member.
_SET_KEY_MAX_BYTES = 254
CUT_BYTES = LMDB_KEY_MAX_BYTES - _DIGEST_BYTES
"""Of a place that is longer than LMDB's keys, so much stands at the beginning of its key there."""


def version_key(place: Place) -> bytes:
    """Where the versions of a place stand: for a register its key's bytes, so that keys are in byte order.

    LMDB's keys end at 511 bytes; a longer one is cut and told apart by a digest. The record holds the whole name.
    """
    if isinstance(place, str):
        return cut(place.encode(), LMDB_KEY_MAX_BYTES)
    if isinstance(place, CounterPlace):
        return COUNTERS + cut(place.key.encode(), LMDB_KEY_MAX_BYTES - 1)
    prefix = set_prefix(place.key)
    return prefix + cut(place.member.encode(), LMDB_KEY_MAX_BYTES - len(prefix))


def set_prefix(key: str) -> bytes:
    """How the places of all members of the set ``key`` begin, and of no other one."""
    name = cut(key.encode(), _SET_KEY_MAX_BYTES)
    return _MEMBERS + bytes([len(name)]) + name


def cut(name: bytes, max_bytes: int) -> bytes:
    """``name``, which is UTF-8, or when it is too long, its beginning and a digest of it."""
    if len(name) <= max_bytes:
        return name
    begin, digest = name[: max_bytes - _DIGEST_BYTES], hashlib.sha256(name).digest()
    try:
        (begin + digest).decode()
    except UnicodeDecodeError:
        return begin + digest
    # One digest of many millions makes a text, which another name could be, made on purpose.
    return begin + _NO_TEXT + digest[len(_NO_TEXT) :]


def is_register(place_key: bytes) -> bool:
    """Whether a register stands there, and no other data type."""
    return place_key < COUNTERS


def _names(place: Place) -> str | list[str]:
    match place:
        case CounterPlace(key):
            return ["counter", key]
        case MemberPlace(key, member):
            return ["member", key, member]
    return place


def _place(names: str | list[str]) -> Place:
    match names:
        case str():
            return names
        case ["counter", key]:
            return CounterPlace(key)
        case ["member", key, member]:
            return MemberPlace(key, member)
    raise StoreCorruptedError(f"a record belongs to {names}, which is no place: the database is damaged")


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


def encode_versions(place: Place, versions: Versions) -> bytes:
    """The record of a place's siblings."""
    dots = [version[0] for version in versions]
    others = [(clock.entries, timestamp, value, expires_ms) for _, clock, timestamp, value, expires_ms in versions]
    return sealed(_pack((place if isinstance(place, str) else _names(place), dots, others)))


def decode_versions(record: bytes, place: Place) -> Versions:
    """The siblings in a record; raises StoreCorruptedError when it is not the record of ``place``."""
    found, versions = decode_entry(record)
    if found != place:
        raise _misplaced(found, place)
    return versions


def decode_entry(record: bytes) -> tuple[Place, Versions]:
    """The place that a record belongs to, and its siblings; raises StoreCorruptedError."""
    names, dots, others = decoded(_unpack_versions, unsealed(record, _KEY_RECORD), _KEY_RECORD)
    versions = tuple(
        [
            Version(dot, VectorClock.trusted(other.clock), other.timestamp, other.value, other.expires_ms)
            for dot, other in zip(dots, others, strict=True)
        ]
    )
    return names if isinstance(names, str) else _place(names), versions


def decode_dots(record: bytes, place: Place) -> list[Dot]:
    """The dots of the siblings in a record; raises StoreCorruptedError as ``decode_versions`` does."""
    dots: list[Dot]
    names, dots, _ = decoded(_unpack_dots, unsealed(record, _KEY_RECORD), _KEY_RECORD)
    if names != (place if isinstance(place, str) else _names(place)):
        raise _misplaced(_place(names), place)
    return dots


def place_of_record(record: bytes) -> Place:
    """The place whose siblings a record holds; raises StoreCorruptedError."""
    names, _, _ = decoded(_unpack_dots, unsealed(record, _KEY_RECORD), _KEY_RECORD)
    return _place(names)


def dots_of_record(record: bytes) -> list[Dot]:
    """The dots of the siblings in a record, whatever place it belongs to; raises StoreCorruptedError."""
    dots: list[Dot]
    _, dots, _ = decoded(_unpack_dots, unsealed(record, _KEY_RECORD), _KEY_RECORD)
    return dots


def _misplaced(found: Place, place: Place) -> StoreCorruptedError:
    return StoreCorruptedError(f"the record of {place!r} belongs to {found!r}: the database is damaged")


def decoded(decode: Callable[[bytes], _T], content: bytes, what: str) -> _T:
    """``decode(content)``, with what does not decode reported as damage."""
    try:
        return decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreCorruptedError(f"the record of {what} is damaged: {error}") from None
