"""Wrong versions of parts of the core, of its simulated caller and of the simulated disk.

Each function stands in for the one that ``defects.py`` names beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import events as core
from node.core import outbox, replica, versions
from node.core.dependency_index import DependencyIndex
from node.core.dot import Dot
from node.core.sequencer import Place, place_of
from node.core.vector_clock import VectorClock
from node.core.versions import Version, Versions
from node.core.write import Operation, Put, Write
from tests.simulation.durable_state import DurableState, Transaction
from tests.simulation.simulated_node import SimulatedNode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.core import causal_buffer
    from node.core.causal_buffer import HeldWrite
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.state import ReplicaState, SavedReplica
    from tests.simulation.network import Ticket

# --------------------------------------------------------------------------------- causal delivery


def only_own_line(dot: Dot, clock: VectorClock, applied: Mapping[str, int]) -> Dot | None:
    """The delivery rule without its cross-origin half."""
    del clock
    return Dot(dot.replica, dot.seq - 1) if place_of(dot, applied) is Place.AFTER_A_GAP else None


def only_other_lines(dot: Dot, clock: VectorClock, applied: Mapping[str, int]) -> Dot | None:
    """The delivery rule without its per-origin half."""
    for origin, count in clock.items():
        if origin != dot.replica and count > applied.get(origin, 0):
            return Dot(origin, count)
    return None


def take_one(index: DependencyIndex[HeldWrite], applied: Dot) -> list[HeldWrite]:
    """An index that gives back one write and loses the others."""
    return _TAKE(index, applied)[:1]


_TAKE = DependencyIndex.take


def receive_twice(self: replica.Replica, event: core.Received, state: ReplicaState) -> list[core.Effect]:
    """A replica that applies duplicates as well, and then goes on as usual."""
    seen = [write for write in event.writes if self.clock.covers(write.dot) and write.dot.replica != self.replica]
    position = dict(self._applied)
    effects: list[core.Effect] = []
    for write in seen:
        self._apply(write, state)
        effects.append(core.Applied(write, None))
    self._applied.update(position)
    return effects + _RECEIVE(self, event, state)


def receive_without_acknowledging(when: type) -> object:
    """A replica that does not acknowledge a message with this effect."""

    def receive(self: replica.Replica, event: core.Received, state: ReplicaState) -> list[core.Effect]:
        effects = _RECEIVE(self, event, state)
        silent = any(isinstance(effect, when) for effect in effects)
        return [effect for effect in effects if not (silent and isinstance(effect, core.Acknowledge))]

    return receive


_RECEIVE = replica.Replica._receive

# ------------------------------------------------------------------------------------ local writes


def write_without_context(self: replica.Replica, event: core.LocalWrite, state: ReplicaState) -> list[core.Effect]:
    """A replica that takes a write at once, whatever its client has seen."""
    return _WRITE(self, event._replace(context=VectorClock()), state)


_WRITE = replica.Replica._write


def write_with_own_entry_only(
    dot: Dot, clock: VectorClock, timestamp: HybridTimestamp, operations: tuple[Operation, ...]
) -> Write:
    """A write whose clock names its own line and no other."""
    return Write(dot, VectorClock({dot.replica: clock[dot.replica]}), timestamp, operations)


def local_time_only(last: HybridTimestamp, remote: HybridTimestamp) -> HybridTimestamp:
    """A hybrid clock that does not learn from remote timestamps."""
    del remote
    return last


# ---------------------------------------------------------------------------------------- versions


def newest_arrival_first(siblings: Versions, write: Write, operation: Put) -> Versions:
    """Siblings in order of arrival."""
    new = Version(write.dot, write.clock, write.timestamp, operation.value)
    return (new, *versions.after_delete(siblings, write))


def put_replaces_all(siblings: Versions, write: Write, operation: Put) -> Versions:
    """A put that takes concurrent versions with it."""
    del siblings
    return (Version(write.dot, write.clock, write.timestamp, operation.value),)


def delete_removes_all(siblings: Versions, write: Write) -> Versions:
    """A delete that takes concurrent versions with it."""
    del siblings, write
    return ()


def rank_by_time_only(version: Version) -> HybridTimestamp:
    """A winner rule without its tie-break."""
    return version.timestamp


# ------------------------------------------------------------------------------------------ outbox


def confirm_up_to(self: outbox.Outbox, publish_id: int) -> list[outbox.Pack]:
    """An outbox that takes each confirmation for one of everything before it."""
    pack = self._in_flight.pop(publish_id, None)
    if pack is None:
        return []
    self.confirmed_seq = max(self.confirmed_seq, pack.last_seq)
    return [pack]


def saved_without_outbox(disk: DurableState) -> SavedReplica:
    """A disk that forgot which own writes are not confirmed."""
    return _SAVED(disk)._replace(confirmed_seq=disk.clock[disk.replica])


def saved_without_held(disk: DurableState) -> SavedReplica:
    """A disk that forgot the held writes."""
    return _SAVED(disk)._replace(held=())


def saved_with_old_clock(disk: DurableState) -> SavedReplica:
    """A disk that forgot the latest own write."""
    saved = _SAVED(disk)
    own = max(0, saved.clock[disk.replica] - 1)
    return saved._replace(
        clock=VectorClock({**saved.clock.as_dict(), disk.replica: own}), confirmed_seq=min(own, saved.confirmed_seq)
    )


_SAVED = DurableState.saved

# ---------------------------------------------------------------------------- the caller's contract

_FINISH = SimulatedNode._finish
_CARRY_OUT = SimulatedNode._carry_out


def before_commit(kind: type) -> tuple[tuple[object, str, object], ...]:
    """A caller that carries out one kind of effect before the commit."""

    def finish(
        self: SimulatedNode, batch: Sequence[core.Event], transaction: Transaction, effects: Sequence[core.Effect]
    ) -> None:
        for effect in effects:
            if isinstance(effect, kind):
                _CARRY_OUT(self, effect)
        _FINISH(self, batch, transaction, effects)

    def carry_out(self: SimulatedNode, effect: core.Effect) -> None:
        if not isinstance(effect, kind):
            _CARRY_OUT(self, effect)

    return (SimulatedNode, "_finish", finish), (SimulatedNode, "_carry_out", carry_out)


def finish_torn(
    self: SimulatedNode, batch: Sequence[core.Event], transaction: Transaction, effects: Sequence[core.Effect]
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
        if isinstance(event, core.LocalWrite) and self._answers(event.request):
            event.request.client.failed()
    self._inbox = [*(event for event in batch if not isinstance(event, core.LocalWrite)), *self._inbox]


def not_held(self: causal_buffer.CausalBuffer, dot: Dot) -> bool:
    """A buffer that does not know what it holds."""
    del self, dot
    return False
