"""What clients and operators hand to a node, and what they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from node.core.dot import node_id_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.conditions import Condition
    from node.core.dot import Dot
    from node.core.effects import RefusalReason
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Operation, Write
    from tests.simulation.simulated_node import SimulatedNode


class Waiting(Protocol):
    """Who is told what became of a write."""

    def accepted(self, node: SimulatedNode, write: Write) -> None:
        """The write is stored."""

    def repeated(self, node: SimulatedNode, write: Write) -> None:
        """The write was stored when it was asked for before."""

    def refused(self, reason: RefusalReason) -> None:
        """The node cannot take the write now."""

    def failed(self) -> None:
        """The node could not store the write: nothing of it exists."""

    def answer_lost(self) -> None:
        """The connection broke: the write exists or not."""

    def is_everywhere(self, dot: Dot) -> None:
        """Every member has the write."""


class WriteRequest(NamedTuple):
    """A client's write on its way; ``saw`` is what the oracle knows that the client has seen.

    ``request_id`` is the client's name for it, empty when it has none; ``condition`` must be met.
    """

    client: Waiting
    operations: tuple[Operation, ...]
    context: VectorClock
    saw: int
    request_id: str = ""
    condition: Condition | None = None


class ReadAnswer(NamedTuple):
    """The versions of a place, winner first, and the clock of the node at that moment."""

    versions: Versions
    clock: VectorClock


class RemovalRequest(NamedTuple):
    """An operator takes this node out."""

    node: str


NODES_SHOWN = 16


class _ShownClock:
    """A clock as clients see it: a number for each node, ``node1`` to ``node16``."""

    def __call__(self, clock: VectorClock) -> Sequence[int]:
        numbers = [0] * NODES_SHOWN
        for replica, count in clock.items():
            numbers[int(node_id_of(replica).removeprefix("node")) - 1] += count
        return numbers

    def __repr__(self) -> str:
        """The same in every process, so that traces of one seed are equal."""
        return "shown_clock"


shown_clock = _ShownClock()
