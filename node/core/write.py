"""A write: what one client request changes, and everything that happened before it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from node.core.places import CounterPlace, MemberPlace

if TYPE_CHECKING:
    from node.core.dot import Dot
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.places import Place
    from node.core.vector_clock import VectorClock

_FINGERPRINT_BYTES = 16


class Put(NamedTuple):
    """Set a key to a value; ``value`` is the JSON text as UTF-8 bytes, which no replica ever re-encodes.

    ``ttl_ms``: the version expires so long after the write's timestamp; 0: never.
    """

    key: str
    value: bytes
    ttl_ms: int = 0

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that this changes."""
        return (self.key,)


class Delete(NamedTuple):
    """Remove every version of a key that the write's clock covers."""

    key: str

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that this changes."""
        return (self.key,)


class Expire(NamedTuple):
    """Remove exactly the version ``dot`` of a key, whose time is over."""

    key: str
    dot: Dot

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that this changes."""
        return (self.key,)


class Increment(NamedTuple):
    """Add ``by`` to the counter ``key``."""

    key: str
    by: int

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that this changes."""
        return (CounterPlace(self.key),)


class AddMembers(NamedTuple):
    """Add members, canonical JSON texts, to the set ``key``."""

    key: str
    members: tuple[str, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that this changes."""
        return tuple(MemberPlace(self.key, member) for member in self.members)


class RemoveMembers(NamedTuple):
    """Remove members from the set ``key``: all of their additions that the write's clock covers."""

    key: str
    members: tuple[str, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that this changes."""
        return tuple(MemberPlace(self.key, member) for member in self.members)


Operation = Put | Delete | Expire | Increment | AddMembers | RemoveMembers


class Write(NamedTuple):
    """One write; its operations take effect together.

    ``clock`` is the writer's vector clock *with this write included*: ``clock[dot.replica] == dot.seq``.
    The other entries say exactly which writes happened before it.
    ``request_id`` is the client's name for the request; empty when it gave none.
    ``encoded`` is the write as it travels and as history keeps it; empty until the shell has encoded it.
    """

    dot: Dot
    clock: VectorClock
    timestamp: HybridTimestamp
    operations: tuple[Operation, ...]
    request_id: str = ""
    encoded: bytes = b""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that this write touches, in order, without repetition."""
        return tuple(dict.fromkeys(operation.key for operation in self.operations))


def fingerprint(operations: tuple[Operation, ...]) -> bytes:
    """A digest that tells whether two requests ask for the same."""
    digest = hashlib.blake2b(digest_size=_FINGERPRINT_BYTES)
    for operation in operations:
        for field in (type(operation).__name__, *operation):
            # Values may be large, and their text as Python shows it several times as large.
            content = field if isinstance(field, bytes) else repr(field).encode()
            digest.update(b"%d:" % len(content) + content)
    return digest.digest()
