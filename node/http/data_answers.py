"""The bodies of answers about keys, counters and sets, as typed structs."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from node.http.answers import ShownClock  # noqa: TC001  # msgspec looks it up

Acked = Annotated[
    Literal["local", "broker", "all"] | UnsetType,
    Meta(description="when ack was given: how far the write had come by the time of this answer"),
]


Ttl = Annotated[float, Meta(ge=0, description="seconds until the value is gone, if it was put with a ttl")] | UnsetType


class WriteDone(Struct):
    """A write is applied and durable at this node, and on its way to the others."""

    message: str
    vc: ShownClock
    acked: Acked = UNSET


class Conflict(Struct):
    """The precondition does not hold here; the key's current version, or that there is none."""

    error: str
    key: str
    value: Raw | UnsetType = UNSET
    vc: ShownClock | UnsetType = UNSET
    missing: Literal[True] | UnsetType = UNSET


class Incremented(Struct):
    """An increment is applied and durable at this node, and on its way to the others."""

    message: str
    value: Annotated[int, Meta(description="what the counter stands at here, this increment included")]
    vc: ShownClock
    acked: Acked = UNSET


class Counter(Struct):
    """What a counter stands at; 0 when nobody incremented it."""

    key: str
    value: int
    vc: ShownClock


class SetMembers(Struct):
    """Members of a set, in the byte order of their JSON texts."""

    key: str
    members: list[Raw]
    next: Annotated[str | None, Meta(description="give it as `after` to get the members that follow; null: no more")]
    vc: ShownClock


class KeyValue(Struct):
    """A key and its winning value."""

    key: str
    value: Raw
    vc: ShownClock


class Entry(Struct):
    """A key, and its winning value or that it has none."""

    key: str
    value: Raw | UnsetType = UNSET
    vc: ShownClock | UnsetType = UNSET
    missing: Literal[True] | UnsetType = UNSET


class Values(Struct):
    """The values of several keys at the same moment, in the order of the keys."""

    values: list[Entry]
    vc: ShownClock


class Scanned(Struct):
    """Keys in byte order, with their values, at the same moment."""

    keys: list[str]
    values: Annotated[list[KeyValue], Meta(description="the values of these keys, in their order")]
    next: Annotated[str | None, Meta(description="give it as `after` to get the keys that follow; null: no more")]
    vc: ShownClock


class Sibling(Struct):
    """One of the concurrent values of a key."""

    value: Raw
    vc: ShownClock
    node: Annotated[str, Meta(description="the node that accepted it")]


class Found(Struct):
    """A key's value; with ``siblings=true`` all its concurrent values, the winner first."""

    key: str
    value: Raw
    vc: ShownClock
    siblings: list[Sibling] | UnsetType = UNSET
    ttl: Ttl = UNSET


class KeyInConflict(Struct):
    """A key with several concurrent values, the winner first."""

    key: str
    siblings: list[Sibling]


class Conflicts(Struct):
    """Keys with several concurrent values, at the same moment."""

    conflicts: list[KeyInConflict]
    next: Annotated[str | None, Meta(description="give it as `after` to get the keys that follow; null: no more")]
    count: Annotated[int, Meta(ge=0, description="keys with several versions in all, also where these are equal")]
    vc: ShownClock


class NotFound(Struct):
    """The key has no value here."""

    error: str
    key: str
