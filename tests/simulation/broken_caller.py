"""Wrong versions of the simulated caller: what a shell around the core may get wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import effects as todo
from node.core import events as core
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.snapshot_server import SnapshotServer
from tests.simulation.transaction import Adopted, Transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.control import SnapshotGiven, SnapshotWanted
    from node.core.vector_clock import VectorClock
    from tests.simulation.durable_state import DurableState
    from tests.simulation.links import Ticket

_FINISH = SimulatedNode._finish
_CARRY_OUT = SimulatedNode._carry_out


def before_commit(kind: type) -> tuple[tuple[object, str, object], ...]:
    """A caller that carries out one kind of effect before the commit."""

    def finish(
        self: SimulatedNode, batch: Sequence[core.Event], transaction: Transaction, effects: Sequence[todo.Effect]
    ) -> None:
        for effect in effects:
            if isinstance(effect, kind):
                _CARRY_OUT(self, effect)
        _FINISH(self, batch, transaction, effects)

    def carry_out(self: SimulatedNode, effect: todo.Effect) -> None:
        if not isinstance(effect, kind):
            _CARRY_OUT(self, effect)

    return (SimulatedNode, "_finish", finish), (SimulatedNode, "_carry_out", carry_out)


def finish_torn(
    self: SimulatedNode, batch: Sequence[core.Event], transaction: Transaction, effects: Sequence[todo.Effect]
) -> None:
    """A store whose transactions are not atomic: a crash leaves the values without the position."""
    _FINISH(self, batch, transaction, effects)
    if self.replica is None and not transaction.committed:
        transaction._position = None
        transaction.commit()


def believe_all(self: SimulatedNode, ticket: Ticket) -> bool:
    """A caller that gives a replica the outcomes of its predecessor's messages."""
    del self, ticket
    return True


def refused_is_confirmed(self: SimulatedNode, ticket: Ticket) -> None:
    """A caller that hears a refusal as a confirmation."""
    self.publish_confirmed(ticket)


def go_on_after_failed_commit(self: SimulatedNode, batch: Sequence[core.Event]) -> None:
    """A caller that keeps the replica whose transaction failed."""
    for event in batch:
        if isinstance(event, core.LocalWrite) and self.answers(event.request):
            event.request.client.failed()
    self._inbox = [*(event for event in batch if not isinstance(event, core.LocalWrite)), *self._inbox]


def forget_postponed(self: SimulatedNode, effect: todo.Effect) -> None:
    """A caller that does not give again what was postponed."""
    if not isinstance(effect, todo.Resumed):
        _CARRY_OUT(self, effect)


def part_of_the_moment(self: SnapshotServer, disk: DurableState, wanted: SnapshotWanted) -> SnapshotGiven | None:
    """A giver that reads each part from the disk as it is by then, under the clock of the first one."""
    part = _PART(self, disk, wanted)
    if part is None:
        return None
    entries = tuple((key, disk.versions[key]) for key, _ in part.entries if key in disk.versions)
    return part._replace(entries=entries)


_PART = SnapshotServer.part


def adopt_clock_only(self: Transaction, known_here: VectorClock, known_there: VectorClock) -> None:
    """A store that merges nothing."""
    del known_here
    self._staged = {}
    self.log.append(Adopted(known_there))
