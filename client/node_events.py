"""What happened to writes at a node, as typed values."""

from __future__ import annotations

from typing import Any

import msgspec

ACCEPTED, DELIVERED = "accepted", "delivered"


class NodeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a write at the node ``node``, at ``at_ms`` by its wall clock (milliseconds since 1970).

    ``kind``: ``accepted`` (and applied in the same moment) and ``confirmed`` (by the broker) where the write was made;
    elsewhere ``delivered`` and ``applied``, and between the two, when it came before one of its causes, ``held``
    (``waits_for`` is the dot of that cause) and ``released`` (after ``held_seconds``). ``number`` grows by 1 with each
    event of a run of the node.

    ``dot`` names the write, which ``replica`` of the node ``origin`` made as its ``seq``-th; ``clock`` is its vector
    clock by replica, ``vc`` the same by node; ``keys`` are the first of those that it touches, ``operations`` what it
    does. All four are empty of a confirmed write of which the node knows nothing but the name any more.
    """

    number: int
    kind: str
    at_ms: float
    node: str
    dot: str
    replica: str
    origin: str
    seq: int
    clock: dict[str, int] = {}
    vc: list[int] = []
    keys: list[str] = []
    keys_left_out: int = 0
    operations: list[str] = []
    waits_for: str | None = None
    held_seconds: float | None = None


class _Texts(msgspec.Struct):
    events: list[msgspec.Raw]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one run of a node, the oldest first; ``next`` is ``since`` for what comes behind them.

    ``dropped``: how many between ``since`` and the first one here the node no longer keeps; None: nobody knows,
    because the process was started anew since. ``more``: there are further events already.
    """

    node: str
    replica: str
    run: str
    events: list[NodeEvent]
    next: str
    dropped: int | None
    more: bool = False
    reached_at: str
    answer: dict[str, Any]
    text: bytes

    @property
    def texts(self) -> list[msgspec.Raw]:
        """The events as JSON, word for word, in the same order."""
        return msgspec.json.decode(self.text, type=_Texts).events
