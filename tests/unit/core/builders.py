"""Short ways to say dots, clocks and writes: ``dot("a:3")``, ``clock("a=3 b=1")``, ``write("a:3", after="b=1")``.

Also ``Bench``: a replica with a disk of dicts, stepped as the contract of ``node/core/events.py`` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from node.core.dot import Dot
from node.core.events import Effect, EndOfTransaction, Event, LocalWrite, Received
from node.core.hybrid_clock import HybridTimestamp
from node.core.replica import Replica, ReplicaLimits
from node.core.vector_clock import VectorClock
from node.core.write import Operation, Put, Write
from tests.simulation.durable_state import DurableState

if TYPE_CHECKING:
    from collections.abc import Sequence

E = TypeVar("E")


def dot(text: str) -> Dot:
    """``a:3`` is the third write of replica a."""
    replica, _, seq = text.rpartition(":")
    return Dot(replica, int(seq))


def clock(text: str = "") -> VectorClock:
    """``a=3 b=1``; the empty text is the empty clock."""
    pairs = (entry.split("=") for entry in text.split())
    return VectorClock({replica: int(count) for replica, count in pairs})


def put(key: str, value: str) -> Put:
    """A put of a JSON string."""
    return Put(key, f'"{value}"'.encode())


def write(name: str, *operations: Operation, after: str = "", ms: int = 1_000, counter: int = 0) -> Write:
    """The write that ``name`` names; its own earlier writes and what ``after`` says happened before it."""
    own = dot(name)
    return Write(own, clock(after).merge(VectorClock({own.replica: own.seq})), HybridTimestamp(ms, counter), operations)


class Bench:
    """One replica over one disk."""

    def __init__(self, replica: str = "a", limits: ReplicaLimits | None = None) -> None:
        self.disk = DurableState(replica)
        self._limits = limits if limits is not None else ReplicaLimits()
        self.replica = Replica(self.disk.saved(), self._limits)

    def step(self, *events: Event) -> list[Effect]:
        """Give events in one transaction, commit it, return all effects."""
        transaction = self.disk.begin()
        effects: list[Effect] = []
        for event in (*events, EndOfTransaction()):
            effects += self.replica.step(event, transaction)
        transaction.commit()
        return effects

    def restart(self) -> None:
        """Lose the memory, keep the disk."""
        self.replica = Replica(self.disk.saved(), self._limits)

    def receive(self, *writes: Write, delivery: object = "delivery", now_ms: int = 1_000) -> list[Effect]:
        """One message with these writes arrives."""
        return self.step(Received(delivery, writes, now_ms))

    def write(self, *operations: Operation, context: str = "", now_ms: int = 1_000) -> list[Effect]:
        """A client asks to write."""
        return self.step(LocalWrite("request", operations, clock(context), now_ms))

    def values(self, key: str) -> list[str]:
        """The values of a key, winner first, without their quotes."""
        return [version.value.decode().strip('"') for version in self.disk.versions.get(key, ())]


def only(effects: Sequence[Effect], kind: type[E]) -> list[E]:
    """The effects of one kind, in order."""
    return [effect for effect in effects if isinstance(effect, kind)]
