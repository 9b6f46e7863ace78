"""What happens in a lesson, as values: no text layout, no I/O. Each has a JSON form with its ``kind``."""

from __future__ import annotations

from typing import Any

import msgspec


class Moment(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=str.lower):
    """One thing to show."""


class Title(Moment, frozen=True):
    """What the lesson is about; ``keys`` are those that it uses, new for each run."""

    text: str
    keys: list[str]


class Step(Moment, frozen=True):
    """The next step begins."""

    text: str


class Why(Moment, frozen=True):
    """Why the last things happened as they did."""

    text: str


class Note(Moment, frozen=True):
    """Something that was done at, or is seen of, a node."""

    node: str
    text: str


class Stored(Moment, frozen=True):
    """A node took a write; ``vc`` is the write's vector clock."""

    node: str
    key: str
    value: Any
    vc: list[int]


class Shown(Moment, frozen=True):
    """What a node shows for a key; ``vc`` None: nothing."""

    node: str
    key: str
    value: Any = None
    vc: list[int] | None = None


class Version(msgspec.Struct, frozen=True):
    """One of several concurrent versions, and the node that wrote it."""

    value: Any
    vc: list[int]
    node: str


class Versions(Moment, frozen=True):
    """All versions of a key that a node has, the winner first."""

    node: str
    key: str
    versions: list[Version]


class Held(Moment, frozen=True):
    """A write in a node's causal buffer; ``waits_for`` is the dot of the write that it waits for."""

    node: str
    dot: str
    keys: list[str]
    waits_for: str


class Clocks(Moment, frozen=True):
    """The nodes' vector clocks side by side: by node, how many writes of each node it has applied."""

    clocks: dict[str, dict[str, int]]
