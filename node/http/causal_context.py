"""The causal token: the header ``X-Causal-Context``, and how long a request waits for it.

A token is a vector clock as text, such as ``node1~t5k2m1=3,node2~t5k2m4=1``. Every answer carries one. An
empty token says nothing and asks for nothing; it stands on answers that have nothing to say, such as the
refusal of a token that cannot be read. So a client can keep what every answer gives, merged with what it has.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from node.core.dot import REPLICA_ID
from node.core.vector_clock import VectorClock
from node.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTEXT_HEADER = "X-Causal-Context"
WAIT_HEADER = "X-Causal-Wait"

CONTEXT_ENVIRON_KEY = "HTTP_X_CAUSAL_CONTEXT"
WAIT_ENVIRON_KEY = "HTTP_X_CAUSAL_WAIT"

ENTRIES_MAX = 1024
COUNT_MAX = 2**63 - 1
WAIT_DEFAULT_SECONDS = 5.0
WAIT_MAX_SECONDS = 60.0

EMPTY = VectorClock()

_ENTRY = re.compile(rf"({REPLICA_ID.pattern})=([1-9][0-9]{{0,18}})")
_DECIMAL = re.compile(r"([0-9]{1,20}(\.[0-9]{1,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?")
TOKEN_PATTERN = rf"^({_ENTRY.pattern}(,{_ENTRY.pattern}){{0,{ENTRIES_MAX - 1}}})?$"
"""What a token looks like, for those who describe it; that a replica stands in it once is said in words."""
_RIGHT_FORM = "send what an earlier answer gave, such as node1~t5k2m1=3,node2~t5k2m4=1, or leave the header out"
_SHOWN_CHARACTERS_MAX = 80

# A client repeats its token, so parsing is remembered; long tokens are not, so that the memory has a bound (about
# 4096 times a few KiB).
_REMEMBERED_TOKENS = 4096
_REMEMBERED_CHARACTERS_MAX = 512


def parse_context(text: str, name: str = CONTEXT_HEADER) -> VectorClock:
    """The vector clock that a token means; blanks alone mean the empty clock.

    Strict: each replica once, counts from 1 to 2**63 - 1, at most 1024 entries. Raises InvalidRequestError, which says
    that the token stood in ``name``.
    """
    return _remembered(text, name) if len(text) <= _REMEMBERED_CHARACTERS_MAX else _parse(text, name)


def _parse(text: str, name: str) -> VectorClock:
    if not text.strip(" \t"):
        return EMPTY
    parts = text.split(",", ENTRIES_MAX)
    if len(parts) > ENTRIES_MAX:
        raise InvalidRequestError(f"{name}: more than {ENTRIES_MAX} entries: {_RIGHT_FORM}")
    entries: dict[str, int] = {}
    for part in parts:
        # Blanks around an entry are what proxies leave when they join a repeated header.
        match = _ENTRY.fullmatch(part.strip(" \t"))
        if match is None:
            shown = part[:_SHOWN_CHARACTERS_MAX]
            raise InvalidRequestError(f"{name}: {shown!r} is not <replica id>=<count>: {_RIGHT_FORM}")
        replica, count = match[1], int(match[match.lastindex or 0])
        if count > COUNT_MAX:
            raise InvalidRequestError(f"{name}: the count of {replica} is above {COUNT_MAX}: {_RIGHT_FORM}")
        if replica in entries:
            raise InvalidRequestError(f"{name}: {replica} stands in it twice: {_RIGHT_FORM}")
        entries[replica] = count
    return VectorClock(entries)


_remembered = lru_cache(maxsize=_REMEMBERED_TOKENS)(_parse)


def format_context(clock: VectorClock) -> str:
    """The token for a clock; the empty string for the empty clock."""
    return str(clock)


def context_of(headers: Mapping[str, str], name: str) -> VectorClock:
    """The context that a request brought under ``name``; empty when it brought none, or one that cannot be read.

    For answers that go out whatever the token says; everything else uses ``parse_context``.
    """
    try:
        return parse_context(headers.get(name, ""))
    except InvalidRequestError:
        return EMPTY


def parse_wait(text: str | None) -> float:
    """Seconds that a request may wait for its context: 0 does not wait, absent means 5.

    Raises InvalidRequestError for anything but a decimal number from 0 to 60.
    """
    if text is None:
        return WAIT_DEFAULT_SECONDS
    if _DECIMAL.fullmatch(text) is None or (seconds := float(text)) > WAIT_MAX_SECONDS:
        shown = text[:_SHOWN_CHARACTERS_MAX]
        raise InvalidRequestError(
            f"{WAIT_HEADER}: {shown!r} is not a number of seconds from 0 to {WAIT_MAX_SECONDS:g}, such as 2.5"
        )
    return seconds
