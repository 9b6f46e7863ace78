"""The replica state machine: ``step(event) -> effects``.

Everything that decides what a replica does is here or below; what it takes (threads, sockets, disks, the
time) stands in the shell. See ``events.py`` for the contract with the caller. This module has the path of a write;
what a replica does besides, so that nothing stays lost, is in ``anti_entropy.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from node.core.anti_entropy import AntiEntropy, AntiEntropyLimits
from node.core.dot import Dot, node_id_of, replica_id
from node.core.effects import (
    Acknowledge,
    Dropped,
    Effect,
    IncarnationTaken,
    Reject,
    Resumed,
)
from node.core.events import (
    AskEverybody,
    Confirmed,
    ControlUp,
    Echoed,
    EndOfTransaction,
    Event,
    Heard,
    HelloReceived,
    LocalWrite,
    PublisherDown,
    PublisherUp,
    Received,
    RemoveMember,
    Tick,
)
from node.core.local_writes import LocalWriteLimits, LocalWrites
from node.core.publishing import Publishing

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.causal_buffer import CausalBuffer, HeldWrite
    from node.core.delivery import CausalDelivery
    from node.core.members import Members
    from node.core.naming import Start
    from node.core.state import ReplicaState, SavedReplica
    from node.core.vector_clock import VectorClock


class ReplicaLimits(NamedTuple):
    """Bounds on what a replica keeps or sends at a time."""

    publish_window_messages: int = 64
    pack_max_writes: int = 500
    pack_max_bytes: int = 256 * 1024
    clock_max_entries: int = 1_000
    held_max_writes: int = 100_000
    """Held writes in memory; what is held beyond them is on the disk alone."""
    anti_entropy: AntiEntropyLimits = AntiEntropyLimits()
    local_writes: LocalWriteLimits = LocalWriteLimits()


class Replica:
    """One replica, in memory; its durable state comes with every step."""

    def __init__(self, saved: SavedReplica, limits: ReplicaLimits, start: Start) -> None:
        self.replica = saved.replica
        self._limits = limits
        self._start = start
        self._delivery = start.delivery(saved, limits.held_max_writes)
        self._publishing = Publishing(
            saved, limits.publish_window_messages, limits.pack_max_writes, limits.pack_max_bytes
        )
        self._anti_entropy = AntiEntropy(self, saved, limits.anti_entropy, start)
        self._local_writes = LocalWrites(self, saved.requests_since_ms, limits.local_writes)
        upkeep = self._anti_entropy
        self._handlers: dict[type, Callable[[Any, ReplicaState], list[Effect]]] = {
            LocalWrite: self._local_writes.take,
            Received: self._receive,
            Echoed: self._hear_echo,
            EndOfTransaction: self._end_transaction,
            Confirmed: self._confirm,
            PublisherUp: self._open,
            PublisherDown: self._close,
            HelloReceived: upkeep.naming.hello,
            ControlUp: upkeep.control_up,
            Heard: upkeep.hear,
            Tick: self._tick,
            AskEverybody: upkeep.ask_everybody,
            RemoveMember: upkeep.remove_member,
        }

    def rebuilt(self, saved: SavedReplica) -> Replica:
        """The replica as it was last saved, with what this one has learned about its peers."""
        replica = Replica(saved, self._limits, self._start)
        replica._anti_entropy.learn_from(self._anti_entropy, is_same=saved.replica == self.replica)
        return replica

    # ------------------------------------------------------------------------------- looking

    @property
    def clock(self) -> VectorClock:
        """The writes applied here, own ones included."""
        return self._delivery.clock

    @property
    def held(self) -> CausalBuffer:
        """The causal buffer, to look at."""
        return self._delivery.buffer

    @property
    def members(self) -> Members:
        """Who belongs to the cluster, to look at."""
        return self._anti_entropy.members

    @property
    def anti_entropy(self) -> AntiEntropy:
        """Repair, snapshots and trimming, to look at."""
        return self._anti_entropy

    @property
    def delivery(self) -> CausalDelivery:
        """What is applied and held; for the replica's own parts."""
        return self._delivery

    @property
    def publishing(self) -> Publishing:
        """The outboxes; for the replica's own parts."""
        return self._publishing

    def waits_for(self, held: HeldWrite) -> Dot:
        """One dot that a held write waits for; raises ValueError when it waits for none."""
        return self._delivery.waits_for(held)

    @property
    def outbox_writes(self) -> int:
        """Own writes, former incarnations' included, that the transport has not confirmed."""
        return self._publishing.waiting_writes(self._delivery.count)

    @property
    def unconfirmed_messages(self) -> int:
        """Messages on the wire that the transport has not confirmed."""
        return self._publishing.unconfirmed_messages

    # ------------------------------------------------------------------------------- stepping

    def step(self, event: Event, state: ReplicaState) -> list[Effect]:
        """Take one event; change ``state``; return what to do once that is durable, in order."""
        return self._handlers[type(event)](event, state)

    # ----------------------------------------------------------------------------------- name

    def take_new_incarnation(self, reason: str, state: ReplicaState) -> list[Effect]:
        """Write under another name from now on: it is not certain that no dot of the present one is used twice."""
        former = self.replica
        self.replica = replica_id(node_id_of(former), self._start.new_name())
        self._publishing.begin_line(self.replica, self._delivery.count)
        state.save_identity(self.replica, self._publishing.former)
        self._delivery.has_moved = True
        self._anti_entropy.naming.identity.settle()
        return [IncarnationTaken(former, self.replica, reason), Resumed()]

    # ------------------------------------------------------------------------------- delivery

    def _receive(self, event: Received, state: ReplicaState) -> list[Effect]:
        if self.would_outgrow({write.dot.replica for write in event.writes}):
            return [
                Reject(event.delivery, f"more than {self._limits.clock_max_entries} replicas: no clock may grow so")
            ]
        effects = self.note_own(
            max((dot.seq for dot, *_ in event.writes if dot.replica == self.replica), default=0), state
        )
        self._delivery.deliver(event.writes, event.wall_ms, state, effects, self.replica)
        effects.append(Acknowledge(event.delivery))
        return effects

    def note_own(self, seq: int, state: ReplicaState) -> list[Effect]:
        """Somebody knows ``seq`` writes of this replica: a name that wrote more than it knows is not safe any more."""
        own_seq = self._delivery.count(self.replica)
        if seq <= own_seq:
            return []
        return self.take_new_incarnation(
            f"a write {Dot(self.replica, seq)} exists, of which this node knows the first {own_seq} only: its data "
            "directory is an old copy, or another process uses its name",
            state,
        )

    def would_outgrow(self, replicas: set[str]) -> bool:
        """Whether these would make this replica's clock larger than what its peers accept in its own writes."""
        applied = self._delivery.applied
        new = replicas - applied.keys()
        return bool(new) and len(applied) + len(new) > self._limits.clock_max_entries

    def _tick(self, event: Tick, state: ReplicaState) -> list[Effect]:
        return self._local_writes.tick(event, state) + self._anti_entropy.tick(event, state)

    def _hear_echo(self, event: Echoed, state: ReplicaState) -> list[Effect]:
        del state  # own writes are applied already; nothing in them is worth decoding
        return [Dropped(event.last, own_echo=True, writes=event.writes), Acknowledge(event.delivery)]

    # ------------------------------------------------------------------------------ publishing

    def _open(self, event: PublisherUp, state: ReplicaState) -> list[Effect]:
        del event, state
        self._publishing.open()
        return self._anti_entropy.naming.publisher_up()

    def _close(self, event: PublisherDown, state: ReplicaState) -> list[Effect]:
        del event, state
        self._publishing.close()
        return []

    def _confirm(self, event: Confirmed, state: ReplicaState) -> list[Effect]:
        effects = self._publishing.confirm(event.publish_ids)
        if self._publishing.drop_former():
            state.save_identity(self.replica, self._publishing.former)
        return effects

    def _end_transaction(self, event: EndOfTransaction, state: ReplicaState) -> list[Effect]:
        del event
        effects = self._anti_entropy.end_transaction()
        delivery, publishing = self._delivery, self._publishing
        if delivery.has_moved or publishing.must_save:
            self.save_position(state)
        effects += publishing.next_messages(delivery.count, state)
        return effects

    def save_position(self, state: ReplicaState) -> None:
        """Keep how far this replica is."""
        delivery, publishing = self._delivery, self._publishing
        state.save(delivery.clock, delivery.timestamp, publishing.confirmed_seq)
        delivery.has_moved = False
        publishing.saved()
