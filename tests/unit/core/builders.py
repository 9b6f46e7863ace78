"""Short ways to say dots, clocks and writes: ``dot("a:3")``, ``clock("a=3 b=1")``, ``write("a:3", after="b=1")``.

Also ``Bench``: a replica with a disk of dicts, stepped as the contract of ``node/core/events.py`` says.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeVar

from node.core.control import ClockTold
from node.core.dot import Dot, node_id_of
from node.core.events import EndOfTransaction, Event, Heard, LocalWrite, Received, Tick
from node.core.hybrid_clock import HybridTimestamp
from node.core.naming import Start
from node.core.replica import Replica, ReplicaLimits
from node.core.vector_clock import VectorClock
from node.core.write import Operation, Put, Write
from tests.support.dict_state import DictState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.control import ControlMessage, MemberChange
    from node.core.effects import Effect

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


def told(
    sender: str,
    knows: str = "",
    *,
    trimmed: str = "",
    session: str = "",
    changes: tuple[MemberChange, ...] = (),
    asks: str | None = None,
    wall_ms: int = 0,
) -> ClockTold:
    """What replica ``sender`` tells: it has applied ``knows``; its session is named after it unless said."""
    return ClockTold(
        sender,
        session or f"session of {sender}",
        clock(knows),
        clock(trimmed),
        changes,
        f"http://{node_id_of(sender)}",
        wall_ms,
        None if asks is None else clock(asks),
    )


class Bench:
    """One replica over one disk; by default with a name that was made just now, so that it may write at once."""

    def __init__(
        self,
        replica: str = "a",
        limits: ReplicaLimits | None = None,
        *,
        founding: Sequence[str] = (),
        is_new: bool = True,
        disk: DictState | None = None,
    ) -> None:
        self.disk = DictState(replica) if disk is None else disk
        self.node = node_id_of(replica)
        self.now_ms = 0
        self._limits = limits if limits is not None else ReplicaLimits()
        self._founding = tuple(founding) or (self.node,)
        self._names = (f"name{number}" for number in itertools.count(1))
        self._starts = itertools.count(1)
        self.replica = self._start(is_new=is_new)

    def _start(self, *, is_new: bool, is_restored: bool = False) -> Replica:
        self.session = f"{self.node}'s start {next(self._starts)}"
        start = Start(
            self.session,
            self._founding,
            is_new,
            f"http://{self.node}",
            self.now_ms,
            lambda: next(self._names),
            is_restored=is_restored,
        )
        return Replica(self.disk.saved(), self._limits, start)

    def step(self, *events: Event) -> list[Effect]:
        """Give events in one transaction, commit it, return all effects."""
        transaction = self.disk.copy()
        effects: list[Effect] = []
        for event in (*events, EndOfTransaction()):
            effects += self.replica.step(event, transaction)
        self.disk = transaction
        return effects

    def fail(self, *events: Event) -> None:
        """Give events in a transaction that cannot be committed; go on as the contract says."""
        transaction = self.disk.copy()
        for event in (*events, EndOfTransaction()):
            self.replica.step(event, transaction)
        self.replica = self.replica.rebuilt(self.disk.saved())

    def restart(self, *, is_new: bool = True, is_restored: bool = False) -> None:
        """Lose the memory, keep the disk; ``is_new`` spares the question whether the name is safe."""
        self.replica = self._start(is_new=is_new, is_restored=is_restored)

    def receive(self, *writes: Write, delivery: object = "delivery", now_ms: int = 1_000) -> list[Effect]:
        """One message with these writes arrives."""
        return self.step(Received(delivery, writes, now_ms))

    def write(self, *operations: Operation, context: str = "", now_ms: int = 1_000) -> list[Effect]:
        """A client asks to write."""
        return self.step(LocalWrite("request", operations, clock(context), now_ms))

    def hear(self, message: ControlMessage) -> list[Effect]:
        """A control message comes."""
        return self.step(Heard(message, self.now_ms, self.now_ms))

    def tick(self, after_ms: int = 0) -> list[Effect]:
        """So much time passes."""
        self.now_ms += after_ms
        return self.step(Tick(self.now_ms, self.now_ms))

    def values(self, key: str) -> list[str]:
        """The values of a key, winner first, without their quotes."""
        return [version.value.decode().strip('"') for version in self.disk.versions(key)]


def only(effects: Sequence[Effect], kind: type[E]) -> list[E]:
    """The effects of one kind, in order."""
    return [effect for effect in effects if isinstance(effect, kind)]
