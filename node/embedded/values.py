"""Values as Python objects: what becomes of them in a write, and what reads give back."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from node.checks import MEMBERS_MAX, check_key, check_value, members_of
from node.core.dot import node_id_of
from node.core.write import AddMembers, Delete, Increment, Put, RemoveMembers
from node.errors import InvalidRequestError
from node.operation_codec import INCREMENT_MAX, TTL_MAX_MS, canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions

Ack = Literal["local", "broker", "all"]
"""How far a write is: on this replica's disk, in every member's queue, applied by every member."""

_SHOWN_CHARACTERS_MAX = 80


class Written(NamedTuple):
    """A write that is durable here. ``vc``: its clock, one number for each node; ``acked``: how far it is known to be.

    ``dot`` names it; ``token`` covers it: a session with this token sees it, at any node.
    """

    vc: list[int]
    acked: Ack
    dot: str
    token: str


class Incremented(NamedTuple):
    """As ``Written``; ``value`` is what the counter stands at here, this increment included."""

    value: int
    vc: list[int]
    acked: Ack
    dot: str
    token: str


class Version(NamedTuple):
    """One value of a key. ``vc``: its clock, which ``if_vc`` takes; ``node``: who wrote it.

    ``ttl_seconds``: until it is gone, None when it stays.
    """

    value: Any
    vc: list[int]
    node: str
    ttl_seconds: float | None


def text_of(value: Any) -> msgspec.Raw:
    """A Python object as a JSON text. Raises InvalidRequestError for what JSON does not have."""
    try:
        # Strict where JSON is: no NaN, which other encoders write as null or as a text that nobody can read.
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"{repr(value)[:_SHOWN_CHARACTERS_MAX]} is no JSON value ({error}): use None, bool, int, float, str, list, "
            "dict with str keys"
        ) from None
    return msgspec.Raw(text)


object_of: Callable[[bytes], Any] = msgspec.json.Decoder().decode
"""A JSON text as a Python object."""


def key_of(key: str) -> str:
    """The key, checked. Raises InvalidRequestError."""
    return check_key(text_in(key, "the key"))


def text_in(text: str, what: str) -> str:
    """A text that UTF-8 can carry. Raises InvalidRequestError."""
    if not isinstance(text, str):
        raise InvalidRequestError(f"{what} is {_shown(text)}: use a str")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{what} is {_shown(text)}, a lone surrogate: use Unicode text") from None
    return text


def _shown(value: object) -> str:
    return ascii(value)[:_SHOWN_CHARACTERS_MAX]


def number_in(value: float, what: str, maximum: float) -> float:
    """A number above 0. Raises InvalidRequestError."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not 0 < value <= maximum:
        raise InvalidRequestError(f"{what} is {_shown(value)}: use seconds above 0, at most {maximum:g}")
    return value


def put(key: str, value: Any, ttl_seconds: float | None, value_max_bytes: int) -> Put:
    """A put. Raises InvalidRequestError, TooLargeError."""
    ttl_ms = 0
    if ttl_seconds is not None:
        ttl_ms = max(1, round(number_in(ttl_seconds, "ttl_seconds", TTL_MAX_MS / 1000) * 1000))
    return Put(key_of(key), check_value(text_of(value), value_max_bytes), ttl_ms)


def delete(key: str) -> Delete:
    """A delete. Raises InvalidRequestError."""
    return Delete(key_of(key))


def increment(key: str, by: int) -> Increment:
    """An increment. Raises InvalidRequestError."""
    if not isinstance(by, int) or isinstance(by, bool) or abs(by) > INCREMENT_MAX:
        raise InvalidRequestError(f"by is {_shown(by)}: use an int from -{INCREMENT_MAX} to {INCREMENT_MAX}")
    return Increment(key_of(key), int(by))


def addition(key: str, members: Iterable[Any]) -> AddMembers:
    """An addition to a set. Raises InvalidRequestError."""
    return AddMembers(key_of(key), _members(members))


def removal(key: str, members: Iterable[Any]) -> RemoveMembers:
    """A removal from a set. Raises InvalidRequestError."""
    return RemoveMembers(key_of(key), _members(members))


def _members(members: Iterable[Any]) -> tuple[str, ...]:
    # A text is an iterable of texts, which nobody means.
    if isinstance(members, str | bytes | dict):
        raise InvalidRequestError(f"the members are {_shown(members)}: use a list of them")
    found = list(members)
    if not 1 <= len(found) <= MEMBERS_MAX:
        raise InvalidRequestError(f"{len(found)} members are given: use 1 to {MEMBERS_MAX} at a time")
    return members_of(map(text_of, found))


def shown_versions(versions: Versions, shown: Callable[[VectorClock], list[int]], now_ms: int) -> list[Version]:
    """Versions as readers get them, each value once: that two nodes wrote the same is no conflict to anybody."""
    different: dict[str, Version] = {}
    for each in versions:
        ttl_seconds = max(0, each.expires_ms - now_ms) / 1000 if each.expires_ms else None
        version = Version(object_of(each.value), shown(each.clock), node_id_of(each.dot.replica), ttl_seconds)
        different.setdefault(canonical(each.value), version)
    return list(different.values())
