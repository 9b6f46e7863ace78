"""Watches what one node forgets: who held history back when it was decided, and who lacks what is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import events as core
from tests.simulation.transaction import Adopted

if TYPE_CHECKING:
    from node.core.replica import Replica
    from node.core.vector_clock import VectorClock
    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.transaction import Transaction


class TrimmingWatch:
    """One transaction at a time."""

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        self._pinning: set[str] | None = None
        self._before: VectorClock = node.disk.trimmed

    def begin(self) -> None:
        """A transaction begins."""
        self._pinning = None
        self._before = self._node.disk.trimmed

    def stepped(self, replica: Replica, event: core.Event) -> None:
        """The replica took an event; at a tick it has decided what is forgotten."""
        if isinstance(event, core.Tick):
            now = self._pinning_at(replica, event.steady_ms)
            self._pinning = now if self._pinning is None else self._pinning & now

    def _pinning_at(self, replica: Replica, now_ms: int) -> set[str]:
        """The members that hold history back at this moment, as this replica must see it."""
        members = replica.members
        names = {name for name in members.others if not members.is_away(name, now_ms)}
        kept = sum(count - self._before[origin] for origin, count in replica.clock.items())
        if kept > self._node.world.plan.limits.anti_entropy.history_max_writes:
            names = {name for name in names if members.is_alive(name, now_ms)}
        return names

    def committed(self, transaction: Transaction) -> None:
        """What was decided is durable; what came by a snapshot never was in the history, and says nothing."""
        if self._pinning is not None and not any(isinstance(entry, Adopted) for entry in transaction.log):
            world = self._node.world
            world.checks.trimmed(self._node.disk, world.by_name, self._pinning, self._before)
