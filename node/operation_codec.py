"""The operations of a write as JSON, and the canonical form in which members of sets are compared."""

from __future__ import annotations

import json
from decimal import Context, Decimal
from typing import Annotated

import msgspec

from node.core.dot import Dot, is_replica_id
from node.core.write import AddMembers, Delete, Expire, Increment, Operation, Put, RemoveMembers

KEY_MAX_BYTES = 1024
MEMBER_MAX_BYTES = 1024
OPERATIONS_MAX = 100_000
MEMBERS_MAX = 100_000
SEQ_MAX = 2**63 - 1
# What every JSON reader takes for an exact integer.
INCREMENT_MAX = 2**53 - 1
TTL_MAX_MS = 10 * 366 * 86_400_000

Seq = Annotated[int, msgspec.Meta(ge=1, le=SEQ_MAX)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_MAX_BYTES)]
_Members = Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MEMBERS_MAX)]


class WirePut(msgspec.Struct, tag_field="op", tag="put", frozen=True, gc=False, omit_defaults=True):
    """``Put``; ``ttl_ms`` 0 stands for none."""

    key: Key
    value: msgspec.Raw
    ttl_ms: Annotated[int, msgspec.Meta(ge=0, le=TTL_MAX_MS)] = 0


class WireDelete(msgspec.Struct, tag_field="op", tag="delete", frozen=True, gc=False):
    """``Delete``."""

    key: Key


class WireExpire(msgspec.Struct, tag_field="op", tag="expire", frozen=True, gc=False):
    """``Expire``: the version that write ``seq`` of ``replica`` put."""

    key: Key
    replica: str
    seq: Seq


class WireIncrement(msgspec.Struct, tag_field="op", tag="incr", frozen=True, gc=False):
    """``Increment``."""

    key: Key
    by: Annotated[int, msgspec.Meta(ge=-INCREMENT_MAX, le=INCREMENT_MAX)]


class WireAdd(msgspec.Struct, tag_field="op", tag="sadd", frozen=True, gc=False):
    """``AddMembers``."""

    key: Key
    members: _Members


class WireRemove(msgspec.Struct, tag_field="op", tag="srem", frozen=True, gc=False):
    """``RemoveMembers``."""

    key: Key
    members: _Members


WireOperation = WirePut | WireDelete | WireExpire | WireIncrement | WireAdd | WireRemove

_decode_any = msgspec.json.Decoder().decode
_encode_canonical = msgspec.json.Encoder(order="sorted").encode


def canonical(text: bytes) -> str:
    """The one text for all JSON texts of the same value: no blanks, members of objects in order.

    Raises msgspec.DecodeError, UnicodeDecodeError, RecursionError.
    """
    return _encode_canonical(_decode_any(text)).decode()


def exactly(text: bytes) -> str:
    """As ``canonical``, but for comparing alone: two numbers that differ in any digit are different.

    ``canonical`` holds numbers as programs do, which keep some 17 digits of a fraction.
    """
    return json.dumps(json.loads(text, parse_float=_exact_number), sort_keys=True, default=_marked)


def _exact_number(text: str) -> float | Decimal:
    exact, kept = Decimal(text), float(text)
    return kept if Decimal(repr(kept)) == exact else exact


def _marked(number: Decimal) -> str:
    # Half of a surrogate pair stands in no value: so no text of a user looks like that.
    digits = len(number.as_tuple().digits)
    return f"\ud800{number.normalize(Context(prec=digits))}"


def to_wire(operation: Operation) -> WireOperation:
    """An operation as it is encoded."""
    match operation:
        case Put(key, value, ttl_ms):
            return WirePut(key, msgspec.Raw(value), ttl_ms)
        case Delete(key):
            return WireDelete(key)
        case Expire(key, dot):
            return WireExpire(key, dot.replica, dot.seq)
        case Increment(key, by):
            return WireIncrement(key, by)
        case AddMembers(key, members):
            return WireAdd(key, _raw(members))
        case RemoveMembers(key, members):
            return WireRemove(key, _raw(members))


def _raw(members: tuple[str, ...]) -> list[msgspec.Raw]:
    return [msgspec.Raw(member.encode()) for member in members]


def from_wire(wire: WireOperation) -> Operation:
    """The operation, every rule checked; raises as ``canonical`` does, and msgspec.ValidationError."""
    # A character is at most 4 bytes: short keys need no encoding to know that they fit.
    if len(wire.key) > KEY_MAX_BYTES // 4 and len(wire.key.encode()) > KEY_MAX_BYTES:
        raise msgspec.ValidationError(f"a key is longer than {KEY_MAX_BYTES} bytes")
    if isinstance(wire, WirePut):
        value = bytes(wire.value)
        # Raw is only skipped over: decode once, so that no node ever serves a value that a client cannot read.
        _decode_any(value)
        return Put(wire.key, value, wire.ttl_ms)
    match wire:
        case WireDelete():
            return Delete(wire.key)
        case WireExpire():
            if not is_replica_id(wire.replica):
                raise msgspec.ValidationError(f"{wire.replica[:100]!r} is not a replica id such as node1~t5k2m1")
            return Expire(wire.key, Dot(wire.replica, wire.seq))
        case WireIncrement():
            return Increment(wire.key, wire.by)
        case WireAdd():
            return AddMembers(wire.key, _members(wire.members))
        case WireRemove():
            return RemoveMembers(wire.key, _members(wire.members))


def _members(raw: list[msgspec.Raw]) -> tuple[str, ...]:
    members = tuple([canonical(bytes(each)) for each in raw])
    for member in members:
        if len(member) > MEMBER_MAX_BYTES // 4 and len(member.encode()) > MEMBER_MAX_BYTES:
            raise msgspec.ValidationError(f"a member of a set is longer than {MEMBER_MAX_BYTES} bytes")
    return members
