"""What nodes answer, as typed values.

Each keeps the node's JSON object in ``answer``, for programs that want a key which is not named here, as nodes
may add keys at any time, and as it came in ``text``, because nodes keep numbers word for word and Python's
floats do not.
"""

from __future__ import annotations

from typing import Any

import msgspec

from client.causal_token import CausalToken


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A put or a delete that was accepted; ``vc`` is its clock, one number per node."""

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
    """The version of a key that a node shows. ``siblings``, when asked for, has all of them, winner first."""

    key: str
    value: Any
    vc: list[int]
    siblings: list[Sibling] = []
    answer: dict[str, Any]
    text: bytes

    @property
    def stored(self) -> StoredTexts:
        """The values as JSON texts, word for word as they were written."""
        return msgspec.json.decode(self.text, type=StoredTexts)


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is.

    ``clock`` counts the applied writes per replica, ``vc`` the same per node; ``held`` and ``outbox`` are
    numbers of writes: waiting for a cause, and not yet confirmed by the broker.
    """

    node: str
    incarnation: str
    ready: bool
    vc: list[int]
    clock: dict[str, int]
    held: int
    outbox: int
    broker: str
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
