"""Control messages as JSON. Anything may come in: what is not valid raises, is counted and dropped by the caller."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Annotated

import msgspec

from node.codec import CLOCK_MAX_ENTRIES, check_nesting, decode_write
from node.core.control import (
    ClockTold,
    ControlMessage,
    HelloSeen,
    MemberChange,
    RepairGiven,
    RepairWanted,
    SnapshotGiven,
    SnapshotWanted,
)
from node.core.dot import is_replica_id, node_id_of
from node.core.hybrid_clock import COUNTER_MAX, PHYSICAL_MS_MAX, HybridTimestamp
from node.core.members import NODES_MAX
from node.core.vector_clock import SequenceRange, VectorClock
from node.errors import MessageRejectedError
from node.operation_codec import Seq
from node.senders import ANYBODY
from node.snapshot_codec import decode_entries
from node.transport.topology import is_node_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.core.write import Write
    from node.senders import SenderRule

FORMAT = 1
RANGES_MAX = 64
WRITES_MAX = 10_000
NAME_MAX_CHARACTERS = 64

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Clock = Annotated[dict[str, Seq], msgspec.Meta(max_length=CLOCK_MAX_ENTRIES)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX_CHARACTERS)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=PHYSICAL_MS_MAX)]
Timestamp = tuple[Milliseconds, Annotated[int, msgspec.Meta(ge=0, le=COUNTER_MAX)]]


class _Control(msgspec.Struct, tag_field="kind", frozen=True, omit_defaults=True):
    format: int
    sender: str


class _Clock(_Control, tag="clock", frozen=True):
    session: Name
    vector_clock: Clock
    trimmed: Clock
    members: Annotated[list[tuple[str, Milliseconds, bool, str]], msgspec.Meta(max_length=NODES_MAX)]
    url: Annotated[str, msgspec.Meta(max_length=2048)]
    wall_ms: Milliseconds
    asks: Clock | None = None


class _HelloSeen(_Control, tag="hello seen", frozen=True):
    session: Name
    replica: str
    seen: Count


class _RepairWanted(_Control, tag="repair wanted", frozen=True):
    request: Name
    origin: str
    ranges: Annotated[list[tuple[Seq, Seq]], msgspec.Meta(min_length=1, max_length=RANGES_MAX)]


class _RepairGiven(_Control, tag="repair given", frozen=True):
    request: Name
    origin: str
    writes: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=WRITES_MAX)]


class _SnapshotWanted(_Control, tag="snapshot wanted", frozen=True):
    request: Name
    part: Count


class _SnapshotGiven(_Control, tag="snapshot given", frozen=True):
    request: Name
    part: Count
    vector_clock: Clock
    timestamp: Timestamp
    is_last: bool
    crc32: Count
    entries: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(
    _Clock | _HelloSeen | _RepairWanted | _RepairGiven | _SnapshotWanted | _SnapshotGiven
).decode

# --------------------------------------------------------------------------------------- encoding


def encode_control(message: ClockTold | HelloSeen | RepairWanted | SnapshotWanted) -> bytes:
    """The body of a small control message."""
    match message:
        case ClockTold():
            wire: _Control = _Clock(
                FORMAT,
                message.sender,
                message.session,
                message.clock.as_dict(),
                message.trimmed.as_dict(),
                list(message.changes),
                message.url,
                message.wall_ms,
                None if message.asks is None else message.asks.as_dict(),
            )
        case HelloSeen():
            wire = _HelloSeen(FORMAT, *message)
        case RepairWanted():
            ranges = [(first, last) for first, last in message.ranges]
            wire = _RepairWanted(FORMAT, message.sender, message.request, message.origin, ranges)
        case SnapshotWanted():
            wire = _SnapshotWanted(FORMAT, *message)
    return _encode(wire)


def encode_repair(sender: str, wanted: RepairWanted, entries: Sequence[bytes]) -> bytes:
    """The body of an answer that carries these encoded writes."""
    return _encode(_RepairGiven(FORMAT, sender, wanted.request, wanted.origin, [msgspec.Raw(each) for each in entries]))


def encode_snapshot_part(
    sender: str,
    wanted: SnapshotWanted,
    clock: VectorClock,
    timestamp: HybridTimestamp,
    entries: Iterable[bytes],
    *,
    is_last: bool,
) -> bytes:
    """The body of an answer that carries these keys, encoded by ``encode_entry``, in byte order."""
    content = b"[" + b",".join(entries) + b"]"
    return _encode(
        _SnapshotGiven(
            FORMAT,
            sender,
            wanted.request,
            wanted.part,
            clock.as_dict(),
            timestamp,
            is_last,
            zlib.crc32(content),
            msgspec.Raw(content),
        )
    )


# --------------------------------------------------------------------------------------- decoding


def decode_control(body: bytes, *, user_id: str | None = None, senders: SenderRule = ANYBODY) -> ControlMessage:
    """The message in a body.

    Raises MessageRejectedError when it breaks a rule, or does not come from the sender that it names.
    """
    try:
        wire = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageRejectedError(f"not a control message: {error}") from None
    if wire.format != FORMAT:
        raise MessageRejectedError(f"control message of format {wire.format}: this node reads format {FORMAT}")
    _check(wire.sender)
    _check_node(node_id_of(wire.sender))
    senders.check(wire.sender, user_id)
    match wire:
        case _Clock():
            return _clock_told(wire)
        case _HelloSeen():
            _check(wire.replica)
            return HelloSeen(wire.sender, wire.session, wire.replica, wire.seen)
        case _RepairWanted():
            _check(wire.origin)
            return RepairWanted(wire.sender, wire.request, wire.origin, _ranges(wire.ranges))
        case _RepairGiven():
            _check(wire.origin)
            return RepairGiven(wire.sender, wire.request, wire.origin, tuple(_write(bytes(raw)) for raw in wire.writes))
        case _SnapshotWanted():
            return SnapshotWanted(wire.sender, wire.request, wire.part)
    return _snapshot_given(wire)


def _write(encoded: bytes) -> Write:
    check_nesting(encoded)
    return decode_write(encoded)


def _clock_told(wire: _Clock) -> ClockTold:
    for node, _, _, replica in wire.members:
        _check_node(node)
        if replica:
            _check(replica)
    return ClockTold(
        wire.sender,
        wire.session,
        _vector_clock(wire.vector_clock),
        _vector_clock(wire.trimmed),
        tuple(MemberChange(*each) for each in wire.members),
        wire.url,
        wire.wall_ms,
        None if wire.asks is None else _vector_clock(wire.asks),
    )


def _snapshot_given(wire: _SnapshotGiven) -> SnapshotGiven:
    content = bytes(wire.entries)
    if zlib.crc32(content) != wire.crc32:
        raise MessageRejectedError("a part of a snapshot whose checksum fails")
    return SnapshotGiven(
        wire.sender,
        wire.request,
        wire.part,
        _vector_clock(wire.vector_clock),
        HybridTimestamp(*wire.timestamp),
        decode_entries(content, _vector_clock),
        wire.is_last,
    )


def _vector_clock(entries: dict[str, int]) -> VectorClock:
    for replica in entries:
        _check(replica)
    return VectorClock(entries)


# Replica ids that were checked: all messages name the same few.
_KNOWN: set[str] = set()
_KNOWN_MAX = 10_000


def _check(replica: str) -> None:
    if replica in _KNOWN:
        return
    if not is_replica_id(replica):
        raise MessageRejectedError(f"{replica[:100]!r} is not a replica id such as node1~t5k2m1")
    if len(_KNOWN) >= _KNOWN_MAX:
        _KNOWN.clear()
    _KNOWN.add(replica)


def _check_node(node: str) -> None:
    """Whoever talks becomes a member, and a member has a queue: its name must be one that a queue can have."""
    if not is_node_id(node):
        raise MessageRejectedError(f"{node[:100]!r} is not a node id that a member can have")


def _ranges(pairs: list[tuple[int, int]]) -> tuple[SequenceRange, ...]:
    for first, last in pairs:
        if last < first:
            raise MessageRejectedError(f"{first} to {last} is no range")
    return tuple(SequenceRange(first, last) for first, last in pairs)
