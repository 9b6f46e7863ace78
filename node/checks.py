"""What may be asked for, whichever way it comes in: keys, values, members, and the operations made of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from node.core.write import Put
from node.errors import InvalidRequestError, TooLargeError
from node.operation_codec import KEY_MAX_BYTES, MEMBER_MAX_BYTES, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

NESTING_MAX = 128
KEYS_MAX = 1000
"""Keys in one read."""
OPERATIONS_MAX = 1000
"""Operations in one write."""
MEMBERS_MAX = 1000
"""Members in one operation."""
_SHOWN_CHARACTERS_MAX = 80
_NUMBERS_THAT_ARE_KEPT = "up to 4300 digits and 1.8e308 every reader holds, beyond that send a text"


def check_key(key: str) -> str:
    """The key, when it is not empty and not too long. Raises InvalidRequestError."""
    if not key:
        raise InvalidRequestError(f"the key is empty: a key is 1 to {KEY_MAX_BYTES} bytes of UTF-8")
    # Four bytes are the most that a character takes.
    if len(key) * 4 > KEY_MAX_BYTES and (size := len(key.encode())) > KEY_MAX_BYTES:
        raise InvalidRequestError(f"the key has {size} bytes: a key is 1 to {KEY_MAX_BYTES} bytes of UTF-8")
    return key


def check_cursor(text: str, name: str) -> str:
    """The beginning or the end of keys, when it is not too long. Raises InvalidRequestError."""
    if (size := len(text.encode())) > KEY_MAX_BYTES:
        raise InvalidRequestError(f"{name} has {size} bytes: at most {KEY_MAX_BYTES} are taken")
    return text


def check_value(raw: msgspec.Raw, max_bytes: int) -> bytes:
    """The value as it was written, once it is known to be JSON that every replica and client can read.

    It is kept word for word, not re-encoded: so 1.10 stays 1.10, and integers beyond 64 bits stay exact.
    Raises TooLargeError, InvalidRequestError.
    """
    value = bytes(raw)
    if len(value) > max_bytes:
        raise TooLargeError(f"the value has {len(value)} bytes: at most {max_bytes} are taken")
    try:
        decoded = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        right = _NUMBERS_THAT_ARE_KEPT if "out of range" in str(error) else "send JSON in UTF-8"
        raise InvalidRequestError(f"the value is not right: {said(error)}: {right}") from None
    _check_nesting(value, decoded)
    refuse_names_given_twice(value)
    return value


def put_of(key: str, value: msgspec.Raw, ttl_seconds: float | None, value_max_bytes: int) -> Put:
    """A put, its value and key checked; a time to live is at least a millisecond. Raises as ``check_value`` does."""
    ttl_ms = 0 if ttl_seconds is None else max(1, round(ttl_seconds * 1000))
    return Put(check_key(key), check_value(value, value_max_bytes), ttl_ms)


def members_of(raw: Iterable[msgspec.Raw]) -> tuple[str, ...]:
    """Members in their canonical form, each once, in order. Raises InvalidRequestError."""
    return tuple(dict.fromkeys(_member(bytes(each)) for each in raw))


def _member(text: bytes) -> str:
    try:
        member = canonical(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(f"a member is not right: {said(error)}: send JSON values in UTF-8") from None
    if len(member.encode()) > MEMBER_MAX_BYTES:
        raise InvalidRequestError(f"a member of a set has at most {MEMBER_MAX_BYTES} bytes: {member[:80]!r} has more")
    check_nesting(text)
    refuse_names_given_twice(text)
    return member


def refuse_names_given_twice(text: bytes) -> None:
    """Raise InvalidRequestError when an object in a JSON text has two members of one name.

    Readers differ in which of the two they show: no two of them would see the same value.
    """
    if b"{" in text:
        json.loads(text, object_pairs_hook=_refuse_names_given_twice, parse_int=str, parse_float=str)


def _refuse_names_given_twice(members: list[tuple[str, object]]) -> None:
    twice = name_given_twice(members)
    if twice is not None:
        raise InvalidRequestError(f"an object has {twice[:_SHOWN_CHARACTERS_MAX]!r} twice: use it once")


def name_given_twice(members: list[tuple[str, object]]) -> str | None:
    """The first name that an object, as a list of its members, has twice."""
    names = [name for name, _ in members]
    return None if len(set(names)) == len(names) else next(name for name in names if names.count(name) > 1)


def check_nesting(text: bytes) -> None:
    """Raise InvalidRequestError when a JSON text nests deeper than every replica can read."""
    _check_nesting(text, msgspec.json.decode(text))


def _check_nesting(text: bytes, decoded: Any) -> None:
    # Most values have fewer brackets than levels are allowed, which settles it without a walk.
    if text.count(b"[") + text.count(b"{") > NESTING_MAX and _nests_deeper(decoded, NESTING_MAX):
        raise InvalidRequestError(f"the value nests deeper than {NESTING_MAX} levels: use fewer")


def _nests_deeper(value: Any, levels: int) -> bool:
    """Whether a JSON value has more than ``levels`` arrays and objects inside each other."""
    layer = [value]
    for _ in range(levels + 1):
        containers = [item for item in layer if isinstance(item, list | dict)]
        if not containers:
            return False
        layer = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
    return True


def said(error: Exception) -> str:
    """What is wrong with a JSON text, from the error that reading it raised."""
    if isinstance(error, RecursionError):
        return f"it nests deeper than {NESTING_MAX} levels"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error)
