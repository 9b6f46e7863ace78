"""What nodes answer, as typed values.

Each keeps the node's JSON object in ``answer``, for programs that want a key which is not named here, as nodes
may add keys at any time, and as it came in ``text``, because nodes keep numbers word for word and Python's
floats do not.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from client.causal_token import CausalToken

AckLevel = Literal["local", "broker", "all"]
"""How far a write is: on the disk of the node that took it, in every member's queue, applied by every member."""

ACK_LEVELS: tuple[AckLevel, ...] = get_args(AckLevel)
"""From the least to the most."""


class AckReached(msgspec.Struct, frozen=True, kw_only=True):
    """``acked``, when a level was asked for: the one that was reached by the time of the answer."""

    acked: AckLevel | None = None

    def has_reached(self, level: AckLevel) -> bool:
        """Tell whether the write is known to be at this level, or further."""
        return self.acked is not None and ACK_LEVELS.index(self.acked) >= ACK_LEVELS.index(level)


class Written(AckReached, frozen=True, kw_only=True):
    """A write that was accepted; ``vc`` is its clock, one number per node."""

    message: str
    vc: list[int]
    answer: dict[str, Any]
    text: bytes


class Sibling(msgspec.Struct, frozen=True, kw_only=True):
    """One of several concurrent versions of a key, and the node that wrote it."""

    value: Any
    vc: list[int]
    node: str


class StoredText(msgspec.Struct, frozen=True):
    """One value as a JSON text."""

    value: msgspec.Raw


class StoredTexts(StoredText, frozen=True):
    """A value as a JSON text, and its siblings in the same order as in `Value`."""

    siblings: list[StoredText] = []


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """The version of a key that a node shows. ``siblings``, when asked for, has all of them, winner first.

    ``ttl_seconds``: how long it still lives, None for a version without an end.
    """

    key: str
    value: Any
    vc: list[int]
    ttl_seconds: float | None = msgspec.field(default=None, name="ttl")
    siblings: list[Sibling] = []
    answer: dict[str, Any]
    text: bytes

    @property
    def stored(self) -> StoredTexts:
        """The values as JSON texts, word for word as they were written."""
        return msgspec.json.decode(self.text, type=StoredTexts)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One member of the cluster, as the node that was asked knows it.

    ``replica``: the replica id under which it writes, None when it was never heard. ``alive``: it told its clock
    lately, ``silent_seconds`` ago. ``away``: silent for so long that it holds back no history. ``lag_writes``: writes
    that the node has and this member lacks; ``holds_back_writes``: those kept in history for it.
    ``clock_ahead_seconds``: its wall clock against the node's, None when it was never heard.
    """

    node: str
    alive: bool
    replica: str | None = None
    away: bool = False
    silent_seconds: float = 0.0
    lag_writes: int = 0
    holds_back_writes: int = 0
    clock_ahead_seconds: float | None = None
    url: str | None = None


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """The members of the cluster, as the node at the address ``reached_at`` knows them."""

    members: list[Member]
    reached_at: str
    answer: dict[str, Any]
    text: bytes


class MemberRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """The node ``removed`` is out of the cluster for good; ``members`` are those that are left."""

    removed: str
    members: list[Member]
    answer: dict[str, Any]
    text: bytes


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """Writes that were missing at a node and came from ``peer``; ``at`` is the node's time, in seconds since 1970."""

    missing: str
    writes: int
    peer: str = msgspec.field(name="from")
    at: float


class SnapshotProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The last snapshot that a node took from ``peer``: ``taking``, ``adopted``, or ``refused`` for a ``reason``."""

    state: str
    peer: str = msgspec.field(name="from")
    parts: int = 0
    keys: int = 0
    reason: str = ""


class Healing(msgspec.Struct, frozen=True, kw_only=True):
    """What a node repairs.

    ``asking_for``: how often it has asked for missing writes, by the replica that made them. ``catching_up_writes``:
    what it lacked when last looked at since its start, None while it has heard nobody. ``repairs``: the last ones.
    """

    asking_for: dict[str, int] = {}
    catching_up_writes: int | None = None
    repairs: list[Repair] = []
    snapshot: SnapshotProgress | None = None


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is.

    ``clock`` counts the applied writes per replica, ``vc`` the same per node. ``held``, ``outbox``,
    ``missing_writes`` and ``history_writes`` are numbers of writes: waiting for a cause, not yet confirmed by the
    broker, known to be elsewhere and not here, and kept for repair.
    """

    node: str
    incarnation: str
    ready: bool
    vc: list[int]
    clock: dict[str, int]
    held: int
    outbox: int
    broker: str
    members: list[Member] = []
    missing_writes: int = 0
    history_writes: int = 0
    healing: Healing = Healing()
    answer: dict[str, Any]
    text: bytes

    @property
    def token(self) -> CausalToken:
        """The causal token of a session that has seen all that this node has applied."""
        return CausalToken(self.clock)


class HeldWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A write that arrived before one of its causes; dots have the form ``<replica id>:<sequence number>``."""

    dot: str
    vc: list[int] = []
    since: str = ""
    held_seconds: float = 0.0
    keys: list[str] = []
    missing: list[str] = []
    waits_for: str | None = None


class CausalBuffer(msgspec.Struct, frozen=True, kw_only=True):
    """The writes that a node holds; ``count`` may exceed the number listed."""

    held: list[HeldWrite]
    count: int
    answer: dict[str, Any]
    text: bytes
