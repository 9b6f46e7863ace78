"""The replica state machine: ``step(event) -> effects``.

Everything that decides what a replica does is here or below; what it takes (threads, sockets, disks, the
time) stands in the shell. See ``events.py`` for the contract with the caller.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from node.core.causal_buffer import CausalBuffer, HeldWrite
from node.core.dependency_index import first_missing
from node.core.dot import Dot
from node.core.events import (
    Accepted,
    Acknowledge,
    Applied,
    Confirmed,
    Dropped,
    Echoed,
    Effect,
    EndOfTransaction,
    Event,
    HeldBack,
    LocalWrite,
    Publish,
    PublishConfirmed,
    PublisherDown,
    PublisherUp,
    Received,
    RefusalReason,
    RefusedWrite,
    Reject,
)
from node.core.hybrid_clock import next_local, observed
from node.core.outbox import Outbox
from node.core.vector_clock import VectorClock
from node.core.versions import after_delete, after_put
from node.core.write import Put, Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.state import ReplicaState, SavedReplica


class ReplicaLimits(NamedTuple):
    """Bounds on what a replica keeps or sends at a time."""

    outbox_max_writes: int = 1_000_000
    publish_window_messages: int = 64
    pack_max_writes: int = 500
    pack_max_bytes: int = 256 * 1024
    clock_max_entries: int = 1_000


class Replica:
    """One replica, in memory; its durable state comes with every step."""

    def __init__(self, saved: SavedReplica, limits: ReplicaLimits) -> None:
        self.replica = saved.replica
        self._limits = limits
        self._applied = saved.clock.as_dict()
        self._clock: VectorClock | None = saved.clock
        self._timestamp = saved.timestamp
        self._moved = False
        self._outbox = Outbox(saved.confirmed_seq, limits.publish_window_messages)
        self._buffer = CausalBuffer()
        for held in saved.held:
            missing = first_missing(held.dot, held.clock, self._applied)
            if missing is None:
                raise ValueError(f"the saved state holds {held.dot} back although nothing is missing before it")
            self._buffer.hold(held, missing)

    # ------------------------------------------------------------------------------- looking

    @property
    def clock(self) -> VectorClock:
        """The writes applied here, own ones included."""
        if self._clock is None:
            self._clock = VectorClock(self._applied)
        return self._clock

    @property
    def held(self) -> CausalBuffer:
        """The causal buffer, to look at."""
        return self._buffer

    def waits_for(self, held: HeldWrite) -> Dot:
        """One dot that a held write waits for; raises ValueError when it waits for none."""
        missing = first_missing(held.dot, held.clock, self._applied)
        if missing is None:
            raise ValueError(f"{held.dot} is not held back by anything")
        return missing

    @property
    def outbox_writes(self) -> int:
        """Own writes that the transport has not confirmed."""
        return self._own_seq - self._outbox.confirmed_seq

    @property
    def unconfirmed_messages(self) -> int:
        """Messages on the wire that the transport has not confirmed."""
        return self._outbox.in_flight_messages

    @property
    def _own_seq(self) -> int:
        return self._applied.get(self.replica, 0)

    # ------------------------------------------------------------------------------- stepping

    def step(self, event: Event, state: ReplicaState) -> list[Effect]:
        """Take one event; change ``state``; return what to do once that is durable, in order."""
        match event:
            case LocalWrite():
                return self._write(event, state)
            case Received():
                return self._receive(event, state)
            case Echoed():
                return self._hear_echo(event)
            case EndOfTransaction():
                return self._end_transaction(state)
            case Confirmed():
                return self._confirm(event)
            case PublisherUp():
                self._outbox.open()
            case PublisherDown():
                self._outbox.close()
        return []

    # ---------------------------------------------------------------------------- local write

    def _write(self, event: LocalWrite, state: ReplicaState) -> list[Effect]:
        if event.context and (missing := self.clock.missing(event.context)):
            return [RefusedWrite(event.request, RefusalReason.CONTEXT_NOT_REACHED, missing)]
        if self.outbox_writes >= self._limits.outbox_max_writes:
            return [RefusedWrite(event.request, RefusalReason.OUTBOX_FULL, {})]
        dot = Dot(self.replica, self._own_seq + 1)
        write = Write(dot, self.clock.advanced_to(dot), next_local(self._timestamp, event.now_ms), event.operations)
        effects: list[Effect] = [Accepted(event.request, write)]
        self._apply(write, state)
        self._clock = write.clock
        self._release_after(dot, state, effects)
        return effects

    def _apply(self, write: Write, state: ReplicaState) -> None:
        covers = write.clock.covers
        for operation in write.operations:
            dots = state.dots(operation.key)
            # Mostly a write covers all that is there; only siblings that survive it are worth reading whole.
            survivors = state.versions(operation.key) if dots and not all(map(covers, dots)) else ()
            if isinstance(operation, Put):
                state.set_versions(operation.key, after_put(survivors, write, operation))
            elif dots:
                state.set_versions(operation.key, after_delete(survivors, write))
        state.append_history(write)
        self._applied[write.dot.replica] = write.dot.seq
        self._clock = None
        self._moved = True
        self._timestamp = observed(self._timestamp, write.timestamp)

    # ------------------------------------------------------------------------------- delivery

    def _receive(self, event: Received, state: ReplicaState) -> list[Effect]:
        own_seqs = [dot.seq for dot, *_ in event.writes if dot.replica == self.replica]
        if own_seqs and max(own_seqs) > self._own_seq:
            return [self._reject_forged(event.delivery)]
        if self._would_outgrow(event.writes):
            return [
                Reject(event.delivery, f"more than {self._limits.clock_max_entries} replicas: no clock may grow so")
            ]
        effects: list[Effect] = []
        applied, buffer = self._applied, self._buffer
        for write in event.writes:
            dot = write.dot
            if dot.seq <= applied.get(dot.replica, 0) or (buffer and dot in buffer):
                effects.append(Dropped(dot, own_echo=dot.replica == self.replica))
                continue
            missing = first_missing(dot, write.clock, applied)
            if missing is None:
                self._apply(write, state)
                effects.append(Applied(write, None))
                self._release_after(dot, state, effects)
            else:
                buffer.hold(HeldWrite(dot, write.clock, write.keys, event.now_ms), missing)
                state.hold(write, event.now_ms)
                effects.append(HeldBack(write, missing))
        effects.append(Acknowledge(event.delivery))
        return effects

    def _would_outgrow(self, writes: Sequence[Write]) -> bool:
        """Whether these would make this replica's clock larger than what its peers accept in its own writes."""
        new = {write.dot.replica for write in writes} - self._applied.keys()
        return bool(new) and len(self._applied) + len(new) > self._limits.clock_max_entries

    def _hear_echo(self, event: Echoed) -> list[Effect]:
        """Own writes are applied already; nothing in them is worth decoding."""
        if max(event.seqs) > self._own_seq:
            return [self._reject_forged(event.delivery)]
        last = Dot(self.replica, event.seqs[-1])
        return [Dropped(last, own_echo=True, writes=len(event.seqs)), Acknowledge(event.delivery)]

    def _reject_forged(self, delivery: object) -> Reject:
        return Reject(
            delivery, f"names writes of {self.replica} after {self._own_seq}, its last: it made no such write"
        )

    def _release_after(self, dot: Dot, state: ReplicaState, effects: list[Effect]) -> None:
        """Apply every held write that only waited for ``dot``, and for what that lets through in turn."""
        if not self._buffer:
            return
        freed = deque(self._buffer.release(dot, self._applied))
        while freed:
            held = freed.popleft()
            released = state.take_held(held.dot)
            self._apply(released, state)
            effects.append(Applied(released, held.since_ms))
            freed.extend(self._buffer.release(held.dot, self._applied))

    # ------------------------------------------------------------------------------ publishing

    def _end_transaction(self, state: ReplicaState) -> list[Effect]:
        if self._moved:
            state.save(self.clock, self._timestamp, self._outbox.confirmed_seq)
            self._moved = False
        effects: list[Effect] = []
        limits = self._limits
        while (first := self._outbox.next_seq(self._own_seq)) is not None:
            entries = state.history(self.replica, first, limits.pack_max_writes, limits.pack_max_bytes)
            pack = self._outbox.sent(first, first + len(entries) - 1)
            effects.append(Publish(pack.publish_id, pack.first_seq, pack.last_seq, entries))
        return effects

    def _confirm(self, event: Confirmed) -> list[Effect]:
        packs = [pack for publish_id in event.publish_ids for pack in self._outbox.confirm(publish_id)]
        self._moved = self._moved or bool(packs)
        return [PublishConfirmed(pack.first_seq, pack.last_seq) for pack in packs]
