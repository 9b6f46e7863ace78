"""The last write of a run: everything is well again, so it must be everywhere soon.

Members say at once when they have applied what somebody waits for: an answer to ``ack=all`` does not wait for the
next clock that is told anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.vector_clock import VectorClock
from node.core.write import Put
from tests.simulation.invariants import Invariant, ViolationError
from tests.simulation.requests import WriteRequest

if TYPE_CHECKING:
    from node.core.dot import Dot
    from node.core.effects import RefusalReason
    from node.core.write import Write
    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.world import World

WORK_US = 10_000
"""What all nodes together need for their transactions on the way."""
HOPS = 6
"""Into the queue, out of it, the question, the answer, and room for the slowest of several."""


class LastWrite:
    """A client of its own, with one write."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.acknowledged: list[Write] = []
        self.is_through = False

    def begin(self) -> None:
        """Write at some node."""
        node = self._world.random.choice(self._world.members())
        node.write(WriteRequest(self, (Put("last", b'"last"'),), VectorClock(), 0))

    def accepted(self, node: SimulatedNode, write: Write) -> None:
        """The write is stored: by now everybody is asked."""
        self.acknowledged.append(write)
        node.waiting_for_all.add(self, write)
        within_us = WORK_US * len(self._world.nodes) + HOPS * self._world.plan.network.delay_max_us
        self._world.scheduler.after(within_us, self._must_be_everywhere)

    def repeated(self, node: SimulatedNode, write: Write) -> None:
        """It is asked for once."""

    def is_everywhere(self, dot: Dot) -> None:
        """Every member has said that it has the write."""
        del dot
        self.is_through = True

    def _must_be_everywhere(self) -> None:
        if not self.is_through:
            raise ViolationError(Invariant.ACK_ALL, "the last write was not everywhere soon")

    def refused(self, reason: RefusalReason) -> None:
        """Nothing stands against this write."""
        raise ViolationError(Invariant.NO_STALL, f"the last write was refused: {reason.value}")

    def failed(self) -> None:
        """Nothing fails any more."""

    def answer_lost(self) -> None:
        """Nothing fails any more."""
