"""Carrying out the replica's effects, after the commit that they rest on: answers, messages, acknowledgements."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol, cast

from node import crash_points
from node.ack_room import AckLevel, AckRoom
from node.acknowledgements import AcknowledgementTracker
from node.clocks import exact_wall_ms
from node.codec import HELLO_SUFFIX, encode_hello, encode_message
from node.core.dot import Dot, node_id_of
from node.core.effects import (
    Accepted,
    Acknowledge,
    Applied,
    ConflictArisen,
    ConflictResolved,
    Dropped,
    HeldBack,
    Postponed,
    Publish,
    PublishConfirmed,
    RefusedWrite,
    Reject,
    Repeated,
    Resumed,
    SayHello,
)
from node.core.events import AskEverybody, Confirmed
from node.core.hybrid_clock import skew_ms
from node.refusals import LIMITS, refusal
from node.rejecting import Rejecting
from node.transport.port import OutgoingMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.core.effects import Effect
    from node.core.replica import Replica
    from node.core.write import Write
    from node.crash_points import CrashPoints
    from node.errors import CausalKVError
    from node.event_log.recording import EventLog
    from node.healing import Healing
    from node.inbox import Item
    from node.metrics import NodeMetrics
    from node.story import WriteStory
    from node.submission import Submission
    from node.transport.port import Delivery, Transport
    from node.waiting_room import WaitingRoom

_GENERATION_BITS = 40
# Hellos have numbers of their own, which no message of a replica has.
_FIRST_HELLO = 1 << (_GENERATION_BITS - 1)
# An observation costs as much as applying a write: under load a sample of each commit says enough.
_LAG_SAMPLES_PER_COMMIT = 20


class Gauges(Protocol):
    """Where the replica's counts are shown."""

    held: int
    outbox: int
    unconfirmed_messages: int


def _dropped_item(_item: Item) -> None:
    """Nobody takes it yet."""


def _nothing() -> None:
    """Nobody listens."""


class EffectRunner:
    """Acts for the replica; on the replica's thread only."""

    def __init__(
        self,
        *,
        transport: Transport,
        healing: Healing,
        waiting_room: WaitingRoom,
        ack_room: AckRoom,
        story: WriteStory,
        metrics: NodeMetrics,
        crash_points: CrashPoints,
        gauges: Gauges,
        held_on_disk: Callable[[], int],
        ahead_max_ms: int,
        event_log: EventLog | None = None,
    ) -> None:
        self._transport = transport
        self._healing = healing
        self._waiting_room = waiting_room
        self._ack_room = ack_room
        self._story = story
        self._metrics = metrics
        self._crash_points = crash_points
        self._gauges = gauges
        self._held_on_disk = held_on_disk
        self._ahead_max_ms = ahead_max_ms
        self._event_log = event_log
        self._acknowledgements = AcknowledgementTracker()
        # The replica numbers its messages from 1; after a rebuild it starts again, and answers to
        # earlier messages must not be taken for answers to the new ones.
        self._generation = 0
        self._lag_samples_left = 0
        self._now_ms = 0
        self._tally: Counter[str] = Counter()
        self._applied_by_origin: Counter[str] = Counter()
        self._settled: list[Delivery] = []
        self._hellos = 0
        self._awaited: Dot | None = None
        self._postponed: list[Submission] = []
        self.again: Callable[[Item], None] = _dropped_item
        """Puts something before the replica again; to be set before the first effect."""
        self.moved: Callable[[], None] = _nothing
        """Told after each commit; it must return at once."""
        self._handlers: dict[type, Callable[[Any], None]] = {
            Accepted: self._accepted,
            Acknowledge: self._settle,
            Applied: self._applied,
            ConflictArisen: self._conflict_arisen,
            ConflictResolved: self._conflict_resolved,
            Dropped: self._dropped,
            HeldBack: self._held_back,
            Publish: self._publish,
            PublishConfirmed: self._confirmed,
            RefusedWrite: self._refused,
            Reject: Rejecting(transport, self._acknowledgements, metrics).reject,
            Postponed: self._postpone,
            Repeated: self._repeated,
            Resumed: self._resume,
            SayHello: self._say_hello,
            **healing.handlers,
        }

    def new_generation(self) -> None:
        """The replica was rebuilt: whatever the transport still answers belongs to the one before."""
        self._generation += 1

    def confirmed(self, answer: Confirmed) -> Confirmed:
        """The transport's message numbers as the replica knows them."""
        mask = (1 << _GENERATION_BITS) - 1
        numbers = [n & mask for n in answer.publish_ids if n >> _GENERATION_BITS == self._generation]
        return Confirmed([number for number in numbers if number < _FIRST_HELLO])

    def position(self, replica: Replica) -> None:
        """Show where the replica stands."""
        # What is on the disk alone is counted there: a look that costs nothing to nodes that hold little.
        self._gauges.held = self._held_on_disk() if replica.delivery.has_shelf else len(replica.held)
        self._gauges.outbox = replica.outbox_writes
        self._gauges.unconfirmed_messages = replica.unconfirmed_messages
        self._waiting_room.advance(replica.clock)
        self.moved()
        self._ack_room.advance(replica)

    def run(self, effects: Sequence[Effect], replica: Replica) -> None:
        """Do all of it, in order; the clock is shown before anybody is answered."""
        self.position(replica)
        self._lag_samples_left = _LAG_SAMPLES_PER_COMMIT
        self._tally.clear()
        now_ms = exact_wall_ms()
        self._now_ms = int(now_ms)
        if self._event_log is not None:
            # First: who is answered finds the event of its write.
            self._event_log.committed(effects, now_ms)
        self._story.begin()
        self._healing.began(replica)
        for effect in effects:
            self._handlers[type(effect)](effect)
        if self._settled:
            self._acknowledge()
        if self._awaited is not None:
            self.again(AskEverybody(self._awaited, self._now_ms))
            self._awaited = None
        self._count()

    @property
    def is_asked(self) -> bool:
        """Whether a request waits, or soon will, until its write is safe beyond this disk."""
        return self._ack_room.waiting_requests > 0

    @property
    def is_story_cut(self) -> bool:
        """Whether lines were left out of the log, and it does not say so yet."""
        return self._story.is_cut

    def finish_story(self) -> None:
        """Say how many lines were left out of the log, if any."""
        self._story.flush()

    def _count(self) -> None:
        """Count once a transaction: a metric costs about as much as applying a write."""
        tally, metrics = self._tally, self._metrics
        metrics.writes_accepted(tally.pop("accepted", 0))
        metrics.dropped(tally.pop("duplicates", 0), own_echo=False)
        metrics.dropped(tally.pop("own echoes", 0), own_echo=True)
        if tally:
            metrics.conflicts(arisen=tally["conflicts arisen"], resolved=tally["conflicts resolved"])
        for replica, writes in self._applied_by_origin.items():
            metrics.applied(node_id_of(replica), writes)
        self._applied_by_origin.clear()

    def settle_unread(self, delivery: Delivery) -> None:
        """Acknowledge a delivery that the replica never sees."""
        self._settled.append(delivery)
        self._acknowledge()

    def _settle(self, effect: Acknowledge) -> None:
        self._settled.append(effect.delivery)

    def _dropped(self, effect: Dropped) -> None:
        self._tally["own echoes" if effect.own_echo else "duplicates"] += effect.writes

    def _conflict_arisen(self, effect: ConflictArisen) -> None:
        self._tally["conflicts arisen"] += 1
        self._story.conflict_arisen(effect.key, effect.dot)

    def _conflict_resolved(self, effect: ConflictResolved) -> None:
        self._tally["conflicts resolved"] += 1
        self._story.conflict_resolved(effect.key, effect.dot)

    def _held_back(self, effect: HeldBack) -> None:
        self._metrics.held_back()
        self._story.delivered(effect.write)
        self._story.held(effect.write, effect.waits_for)

    def _confirmed(self, effect: PublishConfirmed) -> None:
        self._metrics.published(effect.last_seq - effect.first_seq + 1)
        self._story.published(effect.replica, effect.first_seq, effect.last_seq)

    def _accepted(self, effect: Accepted) -> None:
        self._tally["accepted"] += 1
        if effect.request is not None:
            self._answer(cast("Submission", effect.request), effect.write)
        self._story.accepted(effect.write)

    def _repeated(self, effect: Repeated) -> None:
        self._answer(cast("Submission", effect.request), effect.write)

    def _answer(self, submission: Submission, write: Write) -> None:
        if submission.waiter is not None:
            self._ack_room.watch(submission.waiter, write.dot)
            if submission.waiter.level is AckLevel.ALL:
                self._awaited = write.dot
        submission.succeed(write)

    def _refused(self, effect: RefusedWrite) -> None:
        submission = cast("Submission", effect.request)
        if effect.reason in LIMITS:
            self._metrics.limit_reached(LIMITS[effect.reason])
        submission.fail(refusal(effect, submission, self._waiting_room))

    def _publish(self, effect: Publish) -> None:
        self._transport.publish(
            OutgoingMessage(
                publish_id=self._generation << _GENERATION_BITS | effect.publish_id,
                message_id=str(Dot(effect.replica, effect.first_seq)),
                body=encode_message(effect.replica, cast("Sequence[bytes]", effect.entries)),
                sender=effect.replica,
                headers={"writes": effect.last_seq - effect.first_seq + 1},
            )
        )

    def _say_hello(self, effect: SayHello) -> None:
        self._hellos += 1
        self._transport.publish(
            OutgoingMessage(
                publish_id=self._generation << _GENERATION_BITS | _FIRST_HELLO + self._hellos,
                message_id=f"{effect.replica}{HELLO_SUFFIX}",
                body=encode_hello(effect.replica, effect.session),
                sender=effect.replica,
            )
        )

    def _postpone(self, effect: Postponed) -> None:
        self._postponed.append(cast("Submission", effect.write.request))

    def _resume(self, effect: Resumed) -> None:
        del effect
        postponed, self._postponed = self._postponed, []
        for submission in postponed:
            self.again(submission)

    def turn_away(self, error: CausalKVError) -> None:
        """The replica takes nothing any more: answer those who were to be heard again."""
        postponed, self._postponed = self._postponed, []
        for submission in postponed:
            submission.fail(error)

    def _applied(self, effect: Applied) -> None:
        write, held_since_ms = effect
        held_seconds = None
        self._applied_by_origin[write.dot.replica] += 1
        if held_since_ms is not None:
            held_seconds = max(0.0, (self._now_ms - held_since_ms) / 1000)
            self._metrics.released(held_seconds)
        if self._lag_samples_left:
            self._lag_samples_left -= 1
            lag_seconds = (self._now_ms - write.timestamp.physical_ms) / 1000
            self._metrics.replication_lag(node_id_of(write.dot.replica), lag_seconds)
            if skew_ms(write.timestamp, self._now_ms) > self._ahead_max_ms:
                self._healing.timestamp_ahead(write, self._now_ms)
        if held_since_ms is None:
            self._story.delivered(write)
        self._story.applied(write, held_seconds)

    def _acknowledge(self) -> None:
        self._crash_points.passing(crash_points.BEFORE_ACKNOWLEDGE)
        tags: dict[int, list[int]] = {}
        for delivery in self._settled:
            tags.setdefault(delivery.connection_epoch, []).append(delivery.tag)
        self._settled.clear()
        for epoch, settled_tags in tags.items():
            for acknowledgement in self._acknowledgements.settle(epoch, settled_tags):
                self._transport.acknowledge(
                    acknowledgement.connection_epoch, acknowledgement.tag, multiple=acknowledgement.multiple
                )
