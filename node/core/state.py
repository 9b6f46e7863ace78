"""What the replica reads and writes: a store transaction in a node, dicts in the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.causal_buffer import HeldWrite
    from node.core.dot import Dot
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Write


class SavedReplica(NamedTuple):
    """What a replica needs to go on after a restart.

    ``clock`` counts the applied writes, own ones included; ``timestamp`` is the greatest hybrid timestamp
    seen; own writes above ``confirmed_seq`` are the outbox; ``held`` is the causal buffer's content.
    """

    replica: str
    clock: VectorClock
    timestamp: HybridTimestamp
    confirmed_seq: int
    held: tuple[HeldWrite, ...] = ()


class ReplicaState(Protocol):
    """One transaction over a replica's durable state: all of it happens, or nothing.

    Reads see what the same transaction wrote.
    """

    def versions(self, key: str) -> Versions:
        """The siblings of a key, winner first; empty when it has no value."""

    def dots(self, key: str) -> Sequence[Dot]:
        """The dots of a key's siblings: all that most writes need to know of them, and cheaper to read."""

    def set_versions(self, key: str, versions: Versions) -> None:
        """Replace the siblings of a key; an empty tuple leaves nothing behind."""

    def append_history(self, write: Write) -> None:
        """Keep an applied write for publishing and repair."""

    def history(self, replica: str, first_seq: int, max_writes: int, max_bytes: int) -> Sequence[object]:
        """The applied writes of ``replica`` from ``first_seq`` on, without a hole, as the transport wants them.

        At most ``max_writes``, and no more than ``max_bytes`` unless the first alone is larger.
        """

    def hold(self, write: Write, since_ms: int) -> None:
        """Keep a write that cannot be applied yet."""

    def take_held(self, dot: Dot) -> Write:
        """Give back a held write, which is kept no longer."""

    def save(self, clock: VectorClock, timestamp: HybridTimestamp, confirmed_seq: int) -> None:
        """Keep the replica's own position."""
