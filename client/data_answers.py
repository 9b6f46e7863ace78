"""What nodes answer about data: several keys at once, counters, and sets; as `client.answers`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from client.answers import AckReached

if TYPE_CHECKING:
    from collections.abc import Iterator


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """The version of a key that a node shows; ``vc`` is its clock, one number per node."""

    key: str
    value: Any
    vc: list[int]


class _Row(msgspec.Struct, frozen=True):
    """A place of an answer to ``mget``: a version, or that there is none."""

    key: str
    value: Any = None
    vc: list[int] = []
    missing: bool = False


class WrittenRow(msgspec.Struct, frozen=True):
    """A version with its value as a JSON text, word for word as it was written."""

    key: str
    vc: list[int] = []
    value: msgspec.Raw = msgspec.Raw(b"null")
    missing: bool = False


class _WrittenRows(msgspec.Struct, frozen=True):
    values: list[WrittenRow]


class Cut(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Several keys as they stood together at one node, at the clock ``vc``: no effect is in it without its cause.

    ``cut["x"]`` is the `Version` of a key and raises KeyError when there is none; ``cut.get("x")`` gives None;
    ``"x" in cut`` tells. Iterating gives the versions that there are, in the order of the request.
    """

    values: list[_Row]
    vc: list[int]
    answer: dict[str, Any]
    text: bytes

    @cached_property
    def versions(self) -> dict[str, Version]:
        """The versions that there are, by key."""
        return {row.key: Version(key=row.key, value=row.value, vc=row.vc) for row in self.values if not row.missing}

    @property
    def missing(self) -> list[str]:
        """The keys that have no value."""
        return list(dict.fromkeys(row.key for row in self.values if row.missing))

    @property
    def stored(self) -> list[WrittenRow]:
        """All places of the answer, their values as JSON texts."""
        return msgspec.json.decode(self.text, type=_WrittenRows).values

    def get(self, key: str) -> Version | None:
        """The version of a key, None when there is none."""
        return self.versions.get(key)

    def __getitem__(self, key: str) -> Version:
        return self.versions[key]

    def __contains__(self, key: str) -> bool:
        return key in self.versions

    def __iter__(self) -> Iterator[Version]:
        return iter(self.versions.values())

    def __len__(self) -> int:
        return len(self.versions)


class ScanPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of keys in byte order, with their versions, at the clock ``vc``.

    ``next``: what to give as ``after`` for the next page, None behind the last.
    """

    keys: list[str]
    values: list[Version]
    next: str | None
    vc: list[int]
    answer: dict[str, Any]
    text: bytes

    @property
    def stored(self) -> list[WrittenRow]:
        """The page, its values as JSON texts."""
        return msgspec.json.decode(self.text, type=_WrittenRows).values


class Incremented(AckReached, frozen=True, kw_only=True):
    """An increment that was accepted; ``value`` is what the node counts now, this increment included."""

    message: str
    value: int
    vc: list[int]
    answer: dict[str, Any]
    text: bytes


class CounterValue(msgspec.Struct, frozen=True, kw_only=True):
    """What a node counts under a key; 0 when nobody ever incremented it."""

    key: str
    value: int
    vc: list[int]
    answer: dict[str, Any]
    text: bytes


class _WrittenMembers(msgspec.Struct, frozen=True):
    members: list[msgspec.Raw]


class SetPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the members of a set, in the byte order of their JSON texts; empty for a set that nobody made.

    ``next``: what to give as ``after`` for the next page, None behind the last.
    """

    key: str
    members: list[Any]
    next: str | None
    vc: list[int]
    answer: dict[str, Any]
    text: bytes

    @property
    def stored(self) -> list[msgspec.Raw]:
        """The members as JSON texts."""
        return msgspec.json.decode(self.text, type=_WrittenMembers).members
