"""A write: what one client request changes, and everything that happened before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from node.core.dot import Dot
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.vector_clock import VectorClock


class Put(NamedTuple):
    """Set a key to a value; ``value`` is the JSON text as UTF-8 bytes, which no replica ever re-encodes."""

    key: str
    value: bytes


class Delete(NamedTuple):
    """Remove every version of a key that the write's clock covers."""

    key: str


Operation = Put | Delete


class Write(NamedTuple):
    """One write; its operations take effect together.

    ``clock`` is the writer's vector clock *with this write included*: ``clock[dot.replica] == dot.seq``.
    The other entries say exactly which writes happened before it.
    ``encoded`` is the write as it travels and as history keeps it; empty until the shell has encoded it.
    """

    dot: Dot
    clock: VectorClock
    timestamp: HybridTimestamp
    operations: tuple[Operation, ...]
    encoded: bytes = b""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that this write touches, in order, without repetition."""
        return tuple(dict.fromkeys(operation.key for operation in self.operations))
