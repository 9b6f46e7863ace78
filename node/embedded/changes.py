"""What a watch tells: changes, the end of the initial state, and that it has to begin anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct

from node.embedded.values import object_of
from node.watch import events

if TYPE_CHECKING:
    from node.watch.events import CounterState, SetState


class Change(Struct, frozen=True, kw_only=True):
    """One operation of a write that took effect, or, when ``initial``, a part of the state at the beginning.

    ``op``: ``put`` (with ``value`` and perhaps ``ttl_seconds``), ``delete``, ``expire``, ``incr`` (``by``), ``sadd``
    or ``srem`` (``members``); of the initial state also ``counter`` (``value``) and ``set`` (``members``, at most
    1000; a larger set is several events). ``vc`` is the write's clock with one number per node, ``clock`` by replica;
    ``dot`` names the write, ``node`` wrote it, at the hybrid ``timestamp`` (milliseconds since 1970, counter).

    ``token``: a watch ``since`` it goes on behind this change. The changes of one batch come together, and only the
    last of them has a new one. Parts of the initial state have none.
    """

    token: str = ""
    op: str
    key: str
    value: Any = None
    by: int | None = None
    members: list[Any] = []
    ttl_seconds: float | None = None
    initial: bool = False
    node: str | None = None
    dot: str | None = None
    vc: list[int]
    clock: dict[str, int] = {}
    timestamp: tuple[int, int] | None = None


class InitialStateEnd(Struct, frozen=True, kw_only=True):
    """All of the state at the beginning was told, ``keys`` in number; what follows are changes to it."""

    token: str
    keys: int


class Reset(Struct, frozen=True, kw_only=True):
    """Changes were missed: history does not reach back to what was read last. Forget what the watch told before.

    With ``initial=True`` the whole state follows; else read it again.
    """

    token: str
    error: str


WatchEvent = Change | InitialStateEnd | Reset
"""What a watch gives."""


def change_from(told: events.Change | CounterState | SetState, token: str) -> Change:
    """A change as Python objects."""
    if isinstance(told, events.CounterState):
        return Change(op=told.op, key=told.key, value=told.value, vc=told.vc, initial=True, token=token)
    members = [] if told.members is UNSET else [object_of(bytes(member)) for member in told.members]
    if isinstance(told, events.SetState):
        return Change(op=told.op, key=told.key, members=members, vc=told.vc, initial=True, token=token)
    return Change(
        op=told.op,
        key=told.key,
        value=None if told.value is UNSET else object_of(bytes(told.value)),
        by=None if told.by is UNSET else told.by,
        members=members,
        ttl_seconds=None if told.ttl is UNSET else told.ttl,
        initial=told.initial is True,
        node=told.node,
        dot=told.dot,
        vc=told.vc,
        clock=told.clock,
        timestamp=told.timestamp,
        token=token,
    )
