"""What a watch tells: changes, the end of the initial state, and that it has to begin anew."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from client.causal_token import CausalToken  # noqa: TC001  # msgspec reads the annotations


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """``token``: a watch ``since`` it goes on behind this event; see `Change`."""

    token: CausalToken
    answer: dict[str, Any]
    text: bytes


class Change(_Told, frozen=True, kw_only=True):
    """One operation of a write that took effect, or, when ``initial``, a part of the state at the beginning.

    ``op``: ``put`` (with ``value`` and perhaps ``ttl_seconds``), ``delete``, ``expire``, ``incr`` (``by``), ``sadd``
    or ``srem`` (``members``); of the initial state also ``counter`` (``value``) and ``set`` (``members``, at most
    1000; a larger set is several events). ``vc`` is the write's clock with one number per node, ``clock`` by replica;
    ``dot`` names the write, ``node`` wrote it, at the hybrid ``timestamp`` (milliseconds since 1970, counter).

    The changes of one batch come together, and only the last of them has a new ``token``: who keeps the token after
    each change, and goes on from it, gets a batch again from its beginning, or not at all. Parts of the initial
    state have the token from before: what was read of it is worth nothing until its end.
    """

    op: str
    key: str
    value: Any = None
    by: int | None = None
    members: list[Any] = []
    ttl_seconds: float | None = msgspec.field(default=None, name="ttl")
    initial: bool = False
    node: str | None = None
    dot: str | None = None
    vc: list[int] = []
    clock: dict[str, int] = {}
    timestamp: tuple[int, int] | None = None


class InitialStateEnd(_Told, frozen=True, kw_only=True):
    """All of the state at the beginning was told, ``keys`` in number; what follows are changes to it."""

    keys: int | None = None


class Reset(_Told, frozen=True, kw_only=True):
    """Changes were missed: forget what the watch told before.

    With ``initial=True`` the whole state follows; else read it at a session that has seen ``token``.
    """

    error: str = ""


WatchEvent: TypeAlias = Change | InitialStateEnd | Reset
