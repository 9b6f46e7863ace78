"""The bodies of requests that write, as typed structs, and the operations that they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from node.checks import MEMBERS_MAX, OPERATIONS_MAX, check_key, members_of, put_of
from node.codec import REQUEST_ID_MAX_CHARACTERS
from node.core.conditions import Condition, IfAbsent, IfShown
from node.core.write import AddMembers, Delete, Increment, Operation, RemoveMembers
from node.errors import InvalidRequestError
from node.http.requests import ACK_TIMEOUT_DEFAULT_SECONDS, ACK_TIMEOUT_MAX_SECONDS, Key
from node.operation_codec import INCREMENT_MAX, MEMBER_MAX_BYTES, TTL_MAX_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.core.vector_clock import VectorClock

CLOCK_MAX_NUMBERS = 4096

Value = Annotated[Raw, Meta(description="any JSON value; it is kept as the text that was sent")]
Ttl = (
    Annotated[float, Meta(gt=0, le=TTL_MAX_MS / 1000, description="seconds after which the value is gone, everywhere")]
    | UnsetType
)
By = Annotated[int, Meta(ge=-INCREMENT_MAX, le=INCREMENT_MAX)]
SetMembers = Annotated[
    list[Raw],
    Meta(
        min_length=1,
        max_length=MEMBERS_MAX,
        description=f"JSON values, each at most {MEMBER_MAX_BYTES} bytes; equal values are one member",
    ),
]


class WriteRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """What every request that writes may say."""

    ack: Annotated[
        Literal["local", "broker", "all"] | UnsetType,
        Meta(description="answer when the write is on this disk, at the broker, or applied by every member"),
    ] = UNSET
    ack_timeout: Annotated[
        float, Meta(ge=0, le=ACK_TIMEOUT_MAX_SECONDS, description="seconds to wait at most for ack; default 5")
    ] = ACK_TIMEOUT_DEFAULT_SECONDS
    request_id: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=REQUEST_ID_MAX_CHARACTERS,
                description="a name for this request: repeated under it, it is applied once, and answered as at first",
            ),
        ]
        | UnsetType
    ) = UNSET


class ConditionalRequest(WriteRequest, kw_only=True):
    """What a request on one key may ask for first: judged at the node that takes it, 409 when it does not hold."""

    if_vc: (
        Annotated[
            list[Annotated[int, Meta(ge=0)]],
            Meta(max_length=CLOCK_MAX_NUMBERS, description="the vc that a read of the key showed"),
        ]
        | UnsetType
    ) = UNSET
    if_absent: Annotated[bool, Meta(description="the key has no value")] = False

    def condition(self, key: str, shown: Callable[[VectorClock], Sequence[int]]) -> Condition | None:
        """The precondition, if there is one. Raises InvalidRequestError."""
        if self.if_vc is not UNSET and self.if_absent:
            raise InvalidRequestError("if_vc and if_absent exclude each other: give one of them")
        if self.if_absent:
            return IfAbsent(key)
        return None if self.if_vc is UNSET else IfShown(key, self.if_vc, shown)


class PutRequest(ConditionalRequest):
    """Give a key a value."""

    key: Key
    value: Value
    ttl: Ttl = UNSET


class DeleteRequest(ConditionalRequest):
    """Remove a key's value."""

    key: Key


class PutOperation(Struct, tag_field="op", tag="put", forbid_unknown_fields=True):
    """Give a key a value."""

    key: Key
    value: Value
    ttl: Ttl = UNSET


class DeleteOperation(Struct, tag_field="op", tag="delete", forbid_unknown_fields=True):
    """Remove a key's value."""

    key: Key


class IncrementOperation(Struct, tag_field="op", tag="incr", forbid_unknown_fields=True):
    """Add to a counter."""

    key: Key
    by: By = 1


class AddOperation(Struct, tag_field="op", tag="sadd", forbid_unknown_fields=True):
    """Add members to a set."""

    key: Key
    members: SetMembers


class RemoveOperation(Struct, tag_field="op", tag="srem", forbid_unknown_fields=True):
    """Remove members from a set."""

    key: Key
    members: SetMembers


BatchOperation = PutOperation | DeleteOperation | IncrementOperation | AddOperation | RemoveOperation


class BatchRequest(WriteRequest):
    """Several changes that take effect together, on every node."""

    ops: Annotated[list[BatchOperation], Meta(min_length=1, max_length=OPERATIONS_MAX)]


class IncrementRequest(WriteRequest):
    """Add to a counter."""

    key: Key
    by: By = 1


class MembersRequest(WriteRequest):
    """Members to add to a set, or to remove from it."""

    key: Key
    members: SetMembers


def operation_of(wanted: BatchOperation, value_max_bytes: int) -> Operation:
    """The operation that a part of a batch asks for. Raises InvalidRequestError, TooLargeError."""
    match wanted:
        case PutOperation(key, value, ttl):
            return put_of(key, value, ttl_seconds(ttl), value_max_bytes)
        case DeleteOperation(key):
            return Delete(check_key(key))
        case IncrementOperation(key, by):
            return Increment(check_key(key), by)
        case AddOperation(key, members):
            return AddMembers(check_key(key), members_of(members))
        case RemoveOperation(key, members):
            return RemoveMembers(check_key(key), members_of(members))


def ttl_seconds(ttl: float | UnsetType) -> float | None:
    """The time to live that a request gives, if it gives one."""
    return None if ttl is UNSET else ttl
