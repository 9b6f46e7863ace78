"""Where versions stand: each data type has a keyspace of its own, so that a key never holds two types.

A *place* is what versions belong to. The register of a key is one place, named by the key alone; so is a counter.
Of a set, each member is a place of its own: adding puts a version there, removing deletes the versions that the
remover has seen, and so an addition that is concurrent with the removal survives it. That is an add-wins set, by the
same rules as everything else (Baquero, Almeida, Shoker 2014).
"""

from __future__ import annotations

from typing import NamedTuple


class CounterPlace(NamedTuple):
    """The counter ``key``: one version for each replica that incremented it, with the sum of its increments."""

    key: str


class MemberPlace(NamedTuple):
    """One member of the set ``key``; ``member`` is its canonical JSON text."""

    key: str
    member: str


Place = str | CounterPlace | MemberPlace
"""A plain string is the register of that key."""


def key_of(place: Place) -> str:
    """The key that clients know."""
    return place if isinstance(place, str) else place.key
