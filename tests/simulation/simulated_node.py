"""One node: the real replica core, and a caller that keeps the contract of ``node/core/events.py``.

It batches events into one transaction, commits, then carries out the effects one by one. A crash may
fall before the commit, after it, and before every single effect: all memory is gone, the disk stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from node.core import events as core
from node.core.replica import Replica
from tests.simulation.checks import Invariant, ViolationError
from tests.simulation.coverage import Seen
from tests.simulation.network import DeliveryTag, Ticket
from tests.simulation.tracing import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Operation, Write
    from tests.simulation.clients import Client
    from tests.simulation.durable_state import DurableState, Transaction
    from tests.simulation.world import World

WORK_DELAY_MAX_US = 1_000
REOPEN_DELAY_MIN_US = 10_000
REOPEN_DELAY_MAX_US = 500_000
TRUE_TIME_START_MS = 1_700_000_000_000


class WriteRequest(NamedTuple):
    """A client's write on its way; ``saw`` is what the oracle knows that the client has seen."""

    client: Client
    operations: tuple[Operation, ...]
    context: VectorClock
    saw: int


class ReadAnswer(NamedTuple):
    """The siblings of a key, winner first, and the clock of the node at that moment."""

    versions: Versions
    clock: VectorClock


class SimulatedNode:
    """A node of the simulated cluster; ``replica`` is None while it is down."""

    def __init__(self, name: str, disk: DurableState, wall_skew_ms: int, world: World) -> None:
        self.name = name
        self.disk = disk
        self.replica: Replica | None = None
        self._world = world
        self._wall_skew_ms = wall_skew_ms
        self._generation = 0
        self._inbox: list[core.Event] = []
        self._unanswered: list[WriteRequest] = []
        self._work_planned = False
        self._publisher_up = False
        self._reopening = False
        self._reopen_delay_us = REOPEN_DELAY_MIN_US

    # -------------------------------------------------------------------------- start, crash

    def start(self) -> None:
        """Start the process: everything it knows comes from the disk."""
        self._load()
        if self.disk.held:
            self._world.coverage[Seen.HELD_OVER_RESTART] += 1
        self._note("starts")
        self._world.reconnect(self.name)

    def _load(self) -> None:
        # A replica numbers its messages from 1 on, so what becomes of a former replica's messages must not
        # reach the next one: the generation tells them apart.
        self._generation += 1
        self._reopening = False
        self.replica = Replica(self.disk.saved(), self._world.plan.limits)

    def crash(self, window: Seen) -> None:
        """As ``kill -9`` does: the process is gone, and with it all that is not on the disk."""
        self._note(f"CRASHES: {window}")
        self._world.coverage[window] += 1
        self.replica = None
        self._inbox.clear()
        for request in self._unanswered:
            self._world.coverage[Seen.ANSWER_LOST] += 1
            request.client.answer_lost()
        self._unanswered.clear()
        self._world.disconnect(self.name)
        self._world.restart_later(self)

    def _crash_here(self, window: Seen) -> bool:
        if self._world.draw_crash():
            self.crash(window)
            return True
        return False

    # --------------------------------------------------------------- what reaches the node

    def write(self, request: WriteRequest) -> None:
        """A client asks to write."""
        self._unanswered.append(request)
        self._take(core.LocalWrite(request, request.operations, request.context, self._wall_ms()))

    def read(self, key: str, context: VectorClock) -> ReadAnswer | None:
        """The committed siblings of a key; None while the node lacks something of the context."""
        if self.replica is None or self.replica.clock.missing(context):
            return None
        return ReadAnswer(self.disk.versions.get(key, ()), self.replica.clock)

    def publisher_up(self) -> None:
        """See ``Member``."""
        self._publisher_up = True
        self._take(core.PublisherUp())

    def publisher_down(self) -> None:
        """See ``Member``."""
        self._publisher_up = False
        self._take(core.PublisherDown())

    def publish_confirmed(self, ticket: Ticket) -> None:
        """See ``Member``."""
        if self._believes(ticket):
            self._reopen_delay_us = REOPEN_DELAY_MIN_US
            self._take(core.Confirmed([ticket.publish_id]))

    def _believes(self, ticket: Ticket) -> bool:
        return ticket.generation == self._generation

    def publish_refused(self, ticket: Ticket) -> None:
        """See ``Member``: a little later it goes out again, with everything else that is unconfirmed.

        One reopening is planned at a time, later each time until something is confirmed: with one for each
        refusal, every round of messages would bring about several more.
        """
        if not self._believes(ticket):
            return
        self._take(core.PublisherDown())
        if self._reopening:
            return
        self._reopening = True
        generation = self._generation

        def open_again() -> None:
            if generation == self._generation:
                self._reopening = False
                if self._publisher_up:
                    self._take(core.PublisherUp())

        self._world.scheduler.after(self._world.random.randint(1, self._reopen_delay_us), open_again)
        self._reopen_delay_us = min(2 * self._reopen_delay_us, REOPEN_DELAY_MAX_US)

    def delivered(self, tag: DeliveryTag, writes: tuple[Write, ...]) -> None:
        """See ``Member``."""
        if all(write.dot.replica == self.disk.replica for write in writes):
            # As the shell does: what comes back from the fanout is not decoded again.
            self._take(core.Echoed(tag, [write.dot.seq for write in writes]))
        else:
            self._take(core.Received(tag, writes, self._wall_ms()))

    def _take(self, event: core.Event) -> None:
        if self.replica is not None:
            self._inbox.append(event)
            self._plan_work()

    def _plan_work(self) -> None:
        if self._inbox and not self._work_planned:
            self._work_planned = True
            self._world.scheduler.after(self._world.random.randint(1, WORK_DELAY_MAX_US), self._work)

    def _wall_ms(self) -> int:
        ticks = self._world.scheduler.now_us // 1000 // self._world.plan.wall_tick_ms
        return TRUE_TIME_START_MS + self._wall_skew_ms + ticks * self._world.plan.wall_tick_ms

    # ---------------------------------------------------------------------- one transaction

    def _work(self) -> None:
        self._work_planned = False
        if self.replica is None or not self._inbox:
            return
        size = self._world.random.randint(1, self._world.plan.batch_max_events)
        batch = self._inbox[:size]
        del self._inbox[:size]
        transaction = self.disk.begin()
        effects: list[core.Effect] = []
        for event in (*batch, core.EndOfTransaction()):
            effects += self.replica.step(event, transaction)
        self._finish(batch, transaction, effects)
        self._plan_work()

    def _finish(self, batch: Sequence[core.Event], transaction: Transaction, effects: Sequence[core.Effect]) -> None:
        """Commit, then carry out the effects in order: points 2 and 3 of the contract."""
        if self._crash_here(Seen.CRASH_BEFORE_COMMIT):
            return
        if self._world.draw_commit_failure():
            self._recover_from_failed_commit(batch)
            return
        self._commit(transaction, effects)
        if self._crash_here(Seen.CRASH_AFTER_COMMIT):
            return
        for effect in effects:
            if self._crash_here(_window_before(effect)):
                return
            self._carry_out(effect)

    def _commit(self, transaction: Transaction, effects: Sequence[core.Effect]) -> None:
        transaction.commit()
        applying = [effect for effect in effects if isinstance(effect, core.Accepted | core.Applied)]
        clients_saw = {effect.write.dot: effect.request.saw for effect in applying if isinstance(effect, core.Accepted)}
        self._world.checks.committed(self.disk, transaction, clients_saw)
        self._world.checks.announced(transaction, [effect.write for effect in applying])

    def _recover_from_failed_commit(self, batch: Sequence[core.Event]) -> None:
        """Point 4 of the contract: local writes fail; the replica is made anew, and gets the rest again."""
        self._note("cannot commit")
        self._world.coverage[Seen.COMMIT_FAILED] += 1
        for event in batch:
            if isinstance(event, core.LocalWrite) and self._answers(event.request):
                event.request.client.failed()
        self._load()
        # Confirmations speak of the former replica's messages, and it is told anew whether it can publish.
        again: list[core.Event] = [event for event in batch if isinstance(event, core.Received | core.Echoed)]
        again += [event for event in self._inbox if isinstance(event, core.LocalWrite | core.Received | core.Echoed)]
        self._inbox = [core.PublisherUp(), *again] if self._publisher_up else again

    # ------------------------------------------------------------------------------ effects

    def _carry_out(self, effect: core.Effect) -> None:
        self._note_effect(effect)
        match effect:
            case core.Accepted(request, write) if self._answers(request):
                request.client.accepted(write)
            case core.RefusedWrite(request, reason, _) if self._answers(request):
                request.client.refused(reason)
            case core.Publish(publish_id, _, _, entries):
                ticket = Ticket(self._generation, publish_id)
                self._world.network.publish(self.name, ticket, cast("tuple[Write, ...]", tuple(entries)))
            case core.Acknowledge(tag):
                self._world.network.acknowledge(self.name, tag)
            case core.Reject(_, reason):
                raise ViolationError(Invariant.NOTHING_LOST, f"{self.name} rejected a sound message: {reason}")
            case core.HeldBack():
                self._world.coverage[Seen.HELD] += 1
            case core.Applied(_, held_since_ms):
                self._world.coverage[Seen.RELEASED] += held_since_ms is not None
            case core.Dropped(_, own_echo, _):
                self._world.coverage[Seen.OWN_ECHO if own_echo else Seen.DUPLICATE_DROPPED] += 1

    def _answers(self, request: WriteRequest) -> bool:
        """Take a request off the list; False when it was answered before."""
        waiting = len(self._unanswered)
        self._unanswered = [other for other in self._unanswered if other is not request]
        return len(self._unanswered) < waiting

    # -------------------------------------------------------------------------------- trace

    def _note(self, what: str) -> None:
        if self._world.trace is not None:
            self._world.trace(f"{self._world.scheduler.now_us:>9} us  {self.name:6} {what}")

    def _note_effect(self, effect: core.Effect) -> None:
        if self._world.trace is not None:
            self._note(describe(effect))


def _window_before(effect: core.Effect) -> Seen:
    match effect:
        case core.Accepted():
            return Seen.CRASH_BEFORE_ANSWER
        case core.Publish():
            return Seen.CRASH_BEFORE_PUBLISH
        case core.Acknowledge():
            return Seen.CRASH_BEFORE_ACK
        case _:
            return Seen.CRASH_BETWEEN_EFFECTS
