"""One node: the real replica core, and a caller that keeps the contract of ``node/core/events.py``.

It batches events into one transaction, commits, then carries out the effects one by one. A crash may
fall before the commit, after it, and before every single effect: all memory is gone, the disk stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import effects as todo
from node.core import events as core
from node.core.naming import Start
from node.core.replica import Replica
from tests.simulation.carrying_out import carry_out, window_before
from tests.simulation.coverage import Seen
from tests.simulation.links import DeliveryTag, Hello, Payload, Ticket
from tests.simulation.reopening import Reopening
from tests.simulation.requests import ReadAnswer, WriteRequest
from tests.simulation.snapshot_server import SnapshotServer
from tests.simulation.tracing import describe
from tests.simulation.transaction import Adopted, Transaction
from tests.simulation.trimming_watch import TrimmingWatch
from tests.simulation.waiting_for_all import WaitingForAll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.control import ControlMessage
    from node.core.places import Place
    from node.core.vector_clock import VectorClock
    from tests.simulation.durable_state import DurableState
    from tests.simulation.world import World

WORK_DELAY_MAX_US = 1_000
TRUE_TIME_START_MS = 1_700_000_000_000


class SimulatedNode:
    """A node of the simulated cluster; ``replica`` is None while it is down."""

    def __init__(self, name: str, disk: DurableState, wall_skew_ms: int, world: World) -> None:
        self.name = name
        self.disk = disk
        self.is_fresh = True
        """Whether no process has run on this disk yet."""
        self.is_gone = False
        """Whether the node was taken out of the cluster."""
        self.times_back = 0
        """How often it was taken out, and came back with another disk."""
        self.had_other_disks = self.has_adopted = False
        """Whether its disk was ever lost or replaced; whether it ever merged a snapshot."""
        self.ever_applied = 0
        """The writes (bits, as the oracle counts) that any of this node's disks ever contained."""
        self.replica: Replica | None = None
        self.wall_skew_ms = wall_skew_ms
        self.world = world
        self.process = 0
        """Rises with each start."""
        self.generation = 0
        """Rises with each replica object."""
        self.postponed: list[core.LocalWrite] = []
        self.waiting_for_all = WaitingForAll(self)
        self.snapshots = SnapshotServer(world)
        self.is_publisher_up = False
        self._started_us = 0
        self._inbox: list[core.Event] = []
        self._unanswered: list[WriteRequest] = []
        self._work_planned = False
        self._watch = TrimmingWatch(self)
        self._reopening = Reopening(self)

    # -------------------------------------------------------------------------- start, crash

    def start(self) -> None:
        """Start the process: everything it knows comes from the disk."""
        if self.replica is not None or self.is_gone:
            return
        self.process += 1
        self._started_us = self.world.scheduler.now_us
        start = Start(
            session=self.world.new_name(),
            founding=self.world.founding,
            is_new=self.is_fresh,
            url=f"http://{self.name}",
            steady_ms=self.steady_ms(),
            new_name=self.world.new_name,
        )
        self.is_fresh = False
        if self.disk.held:
            self.world.coverage[Seen.HELD_OVER_RESTART] += 1
        if self.disk.former:
            self.world.coverage[Seen.FORMER_OVER_RESTART] += 1
        self.note(f"starts as {self.disk.replica}")
        self._renew(Replica(self.disk.saved(self.world.plan.limits.held_max_writes), self.world.plan.limits, start))
        self.world.connections.connect_all(self)
        self._tick(self.process)

    def _renew(self, replica: Replica) -> None:
        # A replica numbers its messages from 1: the generation tells those of a former one apart.
        self.generation += 1
        self.replica = replica

    def crash(self, window: Seen) -> None:
        """As ``kill -9`` does: the process is gone, and with it all that is not on the disk."""
        self.note(f"CRASHES: {window}")
        self.world.coverage[window] += 1
        self.replica = None
        self.snapshots.forget()
        self._inbox.clear()
        self.postponed.clear()
        self.waiting_for_all.forget()
        for request in self._unanswered:
            self.world.coverage[Seen.ANSWER_LOST] += 1
            request.client.answer_lost()
        self._unanswered.clear()
        self.world.connections.lose_all(self)
        self.world.restart_later(self)

    @property
    def may_be_stopped(self) -> bool:
        """Whether a fault may end the process now.

        A removed node that comes back must learn of its removal before: only the first process on a fresh disk knows
        that it is not the one that was taken out.
        """
        if not self.times_back:
            return True
        return any(saved.node == self.name and saved.is_member and saved.at_ms for saved in self.disk.members)

    def _crash_here(self, window: Seen) -> bool:
        if self.world.draw_crash() and self.may_be_stopped:
            self.crash(window)
            return True
        return False

    # ---------------------------------------------------------------------------------- time

    def steady_ms(self) -> int:
        """Time since the process started, from a start that means nothing to anybody else."""
        return self.process * 7_919 + (self.world.scheduler.now_us - self._started_us) // 1_000

    def wall_ms(self) -> int:
        """What the node's wall clock shows."""
        tick_ms = self.world.plan.wall_tick_ms
        return TRUE_TIME_START_MS + self.wall_skew_ms + self.world.scheduler.now_us // 1_000 // tick_ms * tick_ms

    def _tick(self, process: int) -> None:
        if self.replica is None or process != self.process:
            return
        self.take(core.Tick(self.steady_ms(), self.wall_ms()))
        self.world.scheduler.after(self.world.plan.tick_us, lambda: self._tick(process))

    # --------------------------------------------------------------- what reaches the node

    def write(self, request: WriteRequest) -> None:
        """A client asks to write."""
        self._unanswered.append(request)
        _, operations, context, _, request_id, condition = request
        self.take(core.LocalWrite(request, operations, context, self.wall_ms(), request_id, condition))

    def read(self, place: Place, context: VectorClock) -> ReadAnswer | None:
        """The committed versions of a place; None while the node lacks something of the context."""
        if self.replica is None or self.replica.clock.missing(context):
            return None
        return ReadAnswer(self.disk.versions.get(place, ()), self.replica.clock)

    def publisher_up(self) -> None:
        """See ``Member``."""
        self.is_publisher_up = True
        self.take(core.PublisherUp())

    def publisher_down(self) -> None:
        """See ``Member``."""
        self.is_publisher_up = False
        self.take(core.PublisherDown())

    def publish_confirmed(self, ticket: Ticket) -> None:
        """See ``Member``."""
        if self._believes(ticket):
            self._reopening.confirmed()
            self.take(core.Confirmed([ticket.publish_id]))

    def _believes(self, ticket: Ticket) -> bool:
        return ticket.generation == self.generation

    def publish_refused(self, ticket: Ticket) -> None:
        """See ``Member``."""
        if self._believes(ticket):
            self._reopening.refused()

    def delivered(self, tag: DeliveryTag, payload: Payload) -> None:
        """See ``Member``."""
        if isinstance(payload, Hello):
            self.take(core.HelloReceived(tag, payload.replica, payload.session))
        elif all(write.dot.replica == self.disk.replica and self.disk.clock.covers(write.dot) for write in payload):
            # As the shell does: what comes back from the fanout is not decoded again.
            self.take(core.Echoed(tag, payload[-1].dot, len(payload)))
        else:
            self.take(core.Received(tag, payload, self.wall_ms()))

    def queue_deleted(self) -> None:
        """See ``Member``."""
        self.world.connections.connect_all(self)

    def control_up(self) -> None:
        """See ``Listener``."""
        self.take(core.ControlUp())

    def told(self, message: ControlMessage) -> None:
        """See ``Listener``."""
        self.take(core.Heard(message, self.steady_ms(), self.wall_ms()))

    def take(self, event: core.Event) -> None:
        """Put an event into the inbox."""
        if self.replica is not None:
            self._inbox.append(event)
            self._plan_work()

    def take_first(self, events: Sequence[core.Event]) -> None:
        """Put events before everything that waits."""
        self._inbox[:0] = events
        self._plan_work()

    def _plan_work(self) -> None:
        if self._inbox and not self._work_planned:
            self._work_planned = True
            self.world.scheduler.after(self.world.random.randint(1, WORK_DELAY_MAX_US), self._work)

    # ---------------------------------------------------------------------- one transaction

    def _work(self) -> None:
        self._work_planned = False
        if self.replica is None or not self._inbox:
            return
        size = self.world.random.randint(1, self.world.plan.batch_max_events)
        batch = self._inbox[:size]
        del self._inbox[:size]
        transaction = self.disk.begin()
        effects: list[todo.Effect] = []
        self._watch.begin()
        for event in (*batch, core.EndOfTransaction()):
            effects += self.replica.step(event, transaction)
            self._watch.stepped(self.replica, event)
        self._finish(batch, transaction, effects)
        self._plan_work()

    def _finish(self, batch: Sequence[core.Event], transaction: Transaction, effects: Sequence[todo.Effect]) -> None:
        """Commit, then carry out the effects in order: points 2 and 3 of the contract."""
        if self._crash_here(Seen.CRASH_BEFORE_COMMIT):
            return
        if self.world.draw_commit_failure():
            self._recover_from_failed_commit(batch)
            return
        self._commit(batch, transaction, effects)
        if self._crash_here(Seen.CRASH_AFTER_COMMIT):
            return
        for effect in effects:
            window = window_before(effect)
            if window is not None and self._crash_here(window):
                return
            self._carry_out(effect)
        self.waiting_for_all.look()

    def _commit(self, batch: Sequence[core.Event], transaction: Transaction, effects: Sequence[todo.Effect]) -> None:
        transaction.commit()
        walls_ms = [event.wall_ms for event in batch if isinstance(event, core.Tick)]
        self.world.checks.committed(self, transaction, effects, walls_ms)
        self._watch.committed(transaction)
        self.has_adopted |= any(isinstance(entry, Adopted) for entry in transaction.log)

    def _recover_from_failed_commit(self, batch: Sequence[core.Event]) -> None:
        """Point 4 of the contract: local writes fail; the replica is made anew, and gets the rest again."""
        self.note("cannot commit")
        self.world.coverage[Seen.COMMIT_FAILED] += 1
        for event in batch:
            if isinstance(event, core.LocalWrite) and self.answers(event.request):
                event.request.client.failed()
        if self.replica is not None:
            self._renew(self.replica.rebuilt(self.disk.saved(self.world.plan.limits.held_max_writes)))
        # Confirmations speak of the former replica's messages, and it is told anew whether it can publish.
        of_the_link = core.PublisherUp | core.PublisherDown | core.Confirmed
        again: list[core.Event] = [event for event in batch if not isinstance(event, of_the_link | core.LocalWrite)]
        again += [event for event in self._inbox if not isinstance(event, of_the_link)]
        self._inbox = [core.PublisherUp(), *again] if self.is_publisher_up else again

    def _carry_out(self, effect: todo.Effect) -> None:
        if self.world.trace is not None:
            self.note(describe(effect))
        carry_out(self, effect)

    def answers(self, request: WriteRequest) -> bool:
        """Take a request off the list; False when it was answered before."""
        waiting = len(self._unanswered)
        self._unanswered = [other for other in self._unanswered if other is not request]
        return len(self._unanswered) < waiting

    def note(self, what: str) -> None:
        """Tell the trace."""
        if self.world.trace is not None:
            self.world.trace(f"{self.world.scheduler.now_us:>9} us  {self.name:6} {what}")
