"""The content of snapshots as JSON: places with all of their siblings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec

from node.codec import CLOCK_MAX_ENTRIES, check_nesting
from node.core.dot import Dot
from node.core.hybrid_clock import COUNTER_MAX, PHYSICAL_MS_MAX, HybridTimestamp
from node.core.places import CounterPlace, MemberPlace
from node.core.versions import Version, Versions
from node.errors import MessageRejectedError
from node.operation_codec import KEY_MAX_BYTES, MEMBER_MAX_BYTES, TTL_MAX_MS, Key, Seq, canonical

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.places import Place
    from node.core.vector_clock import VectorClock

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=PHYSICAL_MS_MAX)]
_Expiry = Annotated[int, msgspec.Meta(ge=0, le=PHYSICAL_MS_MAX + TTL_MAX_MS)]


class _EntryVersion(msgspec.Struct, array_like=True, frozen=True, gc=False):
    replica: str
    seq: Seq
    vector_clock: Annotated[dict[str, Seq], msgspec.Meta(max_length=CLOCK_MAX_ENTRIES)]
    physical_ms: Milliseconds
    counter: Annotated[int, msgspec.Meta(ge=0, le=COUNTER_MAX)]
    value: msgspec.Raw
    expires_ms: _Expiry = 0


# A register is named by its key; a counter by ["counter", key]; a member of a set by ["member", key, member].
_Place = Key | Annotated[list[str], msgspec.Meta(min_length=2, max_length=3)]
_Entry = tuple[_Place, list[_EntryVersion]]


_encode = msgspec.json.Encoder().encode
_decode_entries = msgspec.json.Decoder(list[_Entry]).decode
_decode_any = msgspec.json.Decoder().decode
# Far more digits than a counter can reach, and few enough to be read quickly.
_INTEGER = re.compile(rb"-?[0-9]{1,40}")


def encode_entry(place: Place, versions: Versions) -> bytes:
    """One place of a snapshot with its siblings."""
    wire = [_wire_version(version) for version in versions]
    match place:
        case CounterPlace(key):
            return _encode((("counter", key), wire))
        case MemberPlace(key, member):
            return _encode((("member", key, member), wire))
    return _encode((place, wire))


def _wire_version(version: Version) -> tuple[object, ...]:
    dot, clock, timestamp, value, expires_ms = version
    wire = (dot.replica, dot.seq, clock.entries, timestamp.physical_ms, timestamp.counter, msgspec.Raw(value))
    # What knows no expiry can be read by a node of an earlier version.
    return (*wire, expires_ms) if expires_ms else wire


def decode_entries(
    content: bytes, vector_clock: Callable[[dict[str, int]], VectorClock]
) -> tuple[tuple[Place, Versions], ...]:
    """The places in a JSON list of entries; ``vector_clock`` checks and makes clocks. Raises MessageRejectedError."""
    try:
        return tuple(_entry(*each, vector_clock) for each in _decode_entries(content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageRejectedError(f"not a part of a snapshot: {error}") from None


def _entry(
    wire: str | list[str], versions: list[_EntryVersion], vector_clock: Callable[[dict[str, int]], VectorClock]
) -> tuple[Place, Versions]:
    place = _place(wire)
    entry = (place, tuple([_version(each, vector_clock) for each in versions]))
    if isinstance(place, CounterPlace) and any(_INTEGER.fullmatch(version.value) is None for version in entry[1]):
        raise MessageRejectedError(f"counter {place.key[:100]!r} has a share that is no whole number")
    return entry


def _place(wire: str | list[str]) -> Place:
    match wire:
        case str(key):
            place: Place = key
        case ["counter", key]:
            place = CounterPlace(key)
        case ["member", key, member] if len(member) <= MEMBER_MAX_BYTES and canonical(member.encode()) == member:
            place = MemberPlace(key, member)
        case _:
            raise MessageRejectedError("a snapshot names a place that does not exist")
    if not 0 < len(key.encode()) <= KEY_MAX_BYTES:
        raise MessageRejectedError(f"a snapshot names a place whose key is empty or longer than {KEY_MAX_BYTES} bytes")
    if isinstance(place, MemberPlace) and len(place.member.encode()) > MEMBER_MAX_BYTES:
        raise MessageRejectedError(f"a snapshot names a member that is longer than {MEMBER_MAX_BYTES} bytes")
    return place


def _version(wire: _EntryVersion, vector_clock: Callable[[dict[str, int]], VectorClock]) -> Version:
    value = bytes(wire.value)
    check_nesting(value)
    _decode_any(value)  # Raw is only skipped over
    return Version(
        Dot(wire.replica, wire.seq),
        vector_clock(wire.vector_clock),
        HybridTimestamp(wire.physical_ms, wire.counter),
        value,
        wire.expires_ms,
    )
