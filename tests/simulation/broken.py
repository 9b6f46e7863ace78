"""Wrong versions of parts of the core: delivery, local writes, versions, outbox, and what is saved.

Each function stands in for the one that ``defects.py`` names beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import effects as todo
from node.core import events as core
from node.core import local_writes, outbox, replica, versions
from node.core.delivery import CausalDelivery
from node.core.dependency_index import DependencyIndex
from node.core.dot import Dot
from node.core.sequencer import Standing, standing_of
from node.core.vector_clock import VectorClock
from node.core.versions import Version, Versions
from node.core.write import Operation, Put, Write
from tests.simulation.durable_state import DurableState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.core import causal_buffer
    from node.core.causal_buffer import HeldWrite
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.state import ReplicaState, SavedReplica

# --------------------------------------------------------------------------------- causal delivery


def only_own_line(dot: Dot, clock: VectorClock, applied: Mapping[str, int]) -> Dot | None:
    """The delivery rule without its cross-origin half."""
    del clock
    return Dot(dot.replica, dot.seq - 1) if standing_of(dot, applied) is Standing.AFTER_A_GAP else None


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


def deliver_twice(  # noqa: PLR0917  # as what it stands in for
    self: CausalDelivery,
    writes: Sequence[Write],
    now_ms: int,
    state: ReplicaState,
    effects: list[todo.Effect],
    own_replica: str,
) -> None:
    """A delivery that applies duplicates as well, and then goes on as usual."""
    position = dict(self.applied)
    for write in writes:
        if self.clock.covers(write.dot) and write.dot.replica != own_replica:
            self.apply(write, state)
            effects.append(todo.Applied(write, None))
    self.applied.update(position)
    _DELIVER(self, writes, now_ms, state, effects, own_replica)


_DELIVER = CausalDelivery.deliver


def receive_without_acknowledging(when: type) -> object:
    """A replica that does not acknowledge a message with this effect."""

    def receive(self: replica.Replica, event: core.Received, state: ReplicaState) -> list[todo.Effect]:
        effects = _RECEIVE(self, event, state)
        silent = any(isinstance(effect, when) for effect in effects)
        return [effect for effect in effects if not (silent and isinstance(effect, todo.Acknowledge))]

    return receive


_RECEIVE = replica.Replica._receive


def not_held(self: causal_buffer.CausalBuffer, dot: Dot) -> bool:
    """A buffer that does not know what it holds."""
    del self, dot
    return False


# ------------------------------------------------------------------------------------ local writes


def write_without_context(
    self: local_writes.LocalWrites, event: core.LocalWrite, state: ReplicaState
) -> list[todo.Effect]:
    """A replica that takes a write at once, whatever its client has seen."""
    return _WRITE(self, event._replace(context=VectorClock()), state)


_WRITE = local_writes.LocalWrites.take


def write_with_own_entry_only(
    dot: Dot, clock: VectorClock, timestamp: HybridTimestamp, operations: tuple[Operation, ...], request_id: str
) -> Write:
    """A write whose clock names its own line and no other."""
    return Write(dot, VectorClock({dot.replica: clock[dot.replica]}), timestamp, operations, request_id)


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


# ------------------------------------------------------------------------------------ what is saved


def saved_without_outbox(disk: DurableState, held_max_writes: int) -> SavedReplica:
    """A disk that forgot which own writes are not confirmed."""
    return _SAVED(disk, held_max_writes)._replace(confirmed_seq=disk.clock[disk.replica])


def saved_without_former(disk: DurableState, held_max_writes: int) -> SavedReplica:
    """A disk that forgot what former incarnations had not published."""
    return _SAVED(disk, held_max_writes)._replace(former=())


def saved_without_held(disk: DurableState, held_max_writes: int) -> SavedReplica:
    """A disk that forgot the held writes."""
    return _SAVED(disk, held_max_writes)._replace(held=(), holds_more=False)


def saved_with_old_clock(disk: DurableState, held_max_writes: int) -> SavedReplica:
    """A disk that forgot the latest own write."""
    saved = _SAVED(disk, held_max_writes)
    own = max(0, saved.clock[disk.replica] - 1)
    return saved._replace(
        clock=VectorClock({**saved.clock.as_dict(), disk.replica: own}), confirmed_seq=min(own, saved.confirmed_seq)
    )


_SAVED = DurableState.saved
