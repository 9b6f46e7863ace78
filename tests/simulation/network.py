"""A fanout with one durable queue a node, and everything between the calls that may go wrong.

It keeps the duties of a transport (``node/transport/port.py``) except the order of duty 2, on purpose: on
one broker a fanout keeps causal order by itself, and a test that does not reorder proves nothing
about the causal buffer. What is not confirmed may be lost when its sender's connection dies; what is in a queue
stays there until it is acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tests.simulation.coverage import Coverage, Seen

if TYPE_CHECKING:
    from random import Random

    from node.core.write import Write
    from tests.simulation.plan import NetworkPlan
    from tests.simulation.scheduler import Scheduler


class Ticket(NamedTuple):
    """The sender's name for one publish: which start of its replica made it, and that replica's number for it."""

    generation: int
    publish_id: int


class DeliveryTag(NamedTuple):
    """A delivery's name; one of a former connection means nothing any more."""

    epoch: int
    number: int


class Member(Protocol):
    """What the network tells a node."""

    def publisher_up(self) -> None:
        """Publishing is possible."""

    def publisher_down(self) -> None:
        """Publishing is not possible; what was not confirmed is unknown."""

    def publish_confirmed(self, ticket: Ticket) -> None:
        """Every queue has the message."""

    def publish_refused(self, ticket: Ticket) -> None:
        """The broker did not take the message."""

    def delivered(self, tag: DeliveryTag, writes: tuple[Write, ...]) -> None:
        """A message came out of the node's queue."""


class Message(NamedTuple):
    """What travels; ``number`` rises with the order of publishing."""

    number: int
    sender: str
    writes: tuple[Write, ...]


@dataclass(slots=True)
class Transit:
    """A published message on its way into the queues."""

    message: Message
    ticket: Ticket
    epoch: int
    awaited: list[str]
    """The queues that do not have it yet."""
    lost: list[str] = field(default_factory=list)
    refused: bool = False


@dataclass(slots=True)
class Link:
    """One node's publishing connection, its queue and its consumer."""

    member: Member
    publisher_up: bool = False
    publisher_epoch: int = 0
    transits: list[Transit] = field(default_factory=list)
    published_seq: int = 0
    consumer_up: bool = False
    consumer_epoch: int = 0
    delivery_number: int = 0
    ready: list[tuple[Message, bool]] = field(default_factory=list)
    """(message, whether it was delivered before)."""
    unacked: dict[int, Message] = field(default_factory=dict)
    acks_under_way: list[int] = field(default_factory=list)
    latest: dict[str, int] = field(default_factory=dict)
    """By sender: the greatest message number delivered."""


class Network:
    """The broker and all connections to it."""

    def __init__(self, plan: NetworkPlan, scheduler: Scheduler, random: Random, coverage: Coverage) -> None:
        self._plan = plan
        self._scheduler = scheduler
        self._random = random
        self._coverage = coverage
        self._links: dict[str, Link] = {}
        self._messages = 0
        self.calm = False
        """True: no faults of its own any more, only delay and reordering."""

    def join(self, name: str, member: Member) -> None:
        """Declare a member's queue; it is connected by ``connect``."""
        self._links[name] = Link(member)

    def _chance(self, probability: float) -> bool:
        return not self.calm and self._random.random() < probability

    def _delay_us(self) -> int:
        delay_us = self._random.randint(1, self._plan.delay_max_us)
        return delay_us * self._random.randint(2, 10) if self._random.random() < self._plan.slow_chance else delay_us

    # -------------------------------------------------------------------------- connections

    def connect_publisher(self, name: str) -> None:
        """Make publishing possible."""
        link = self._links[name]
        if not link.publisher_up:
            link.publisher_up = True
            link.member.publisher_up()

    def connect_consumer(self, name: str) -> None:
        """Begin to hand out what is in the queue."""
        link = self._links[name]
        if not link.consumer_up:
            link.consumer_up = True
            self._hand_out(link)

    def lose_publisher(self, name: str) -> None:
        """Cut the publishing connection: each copy under way arrives or not; no confirmation comes."""
        link = self._links[name]
        if not link.publisher_up:
            return
        link.publisher_up = False
        link.publisher_epoch += 1
        for transit in link.transits:
            for queue in transit.awaited:
                if self._random.random() < 0.5:
                    transit.lost.append(queue)
                    self._coverage[Seen.COPY_LOST] += 1
            if not transit.awaited:
                self._coverage[Seen.CONFIRM_LOST] += 1
        link.transits.clear()
        link.member.publisher_down()

    def lose_consumer(self, name: str) -> None:
        """Cut the consuming connection: acknowledgements under way arrive or not; the rest comes again."""
        link = self._links[name]
        if not link.consumer_up:
            return
        link.consumer_up = False
        link.consumer_epoch += 1
        for number in link.acks_under_way:
            if self._random.random() < 0.5:
                link.unacked.pop(number, None)
        link.acks_under_way.clear()
        link.ready[:0] = [(message, True) for message in link.unacked.values()]
        link.unacked.clear()

    def unconfirmed(self, name: str) -> int:
        """How many messages of a node are on the wire."""
        return len(self._links[name].transits)

    def waiting(self) -> dict[str, int]:
        """How many messages are in each queue, delivered and unacknowledged ones included."""
        return {name: len(link.ready) + len(link.unacked) for name, link in self._links.items()}

    # --------------------------------------------------------------------------- publishing

    def publish(self, name: str, ticket: Ticket, writes: tuple[Write, ...]) -> None:
        """Send to every queue; dropped silently when the publisher is down."""
        link = self._links[name]
        if not link.publisher_up:
            return
        if writes[0].dot.seq <= link.published_seq:
            self._coverage[Seen.REPUBLISHED] += 1
        if len(writes) > 1:
            self._coverage[Seen.PACKED] += 1
        link.published_seq = max(link.published_seq, writes[-1].dot.seq)
        self._messages += 1
        message = Message(self._messages, name, writes)
        transit = Transit(message, ticket, link.publisher_epoch, list(self._links))
        link.transits.append(transit)
        if self._chance(self._plan.refuse_chance):
            transit.refused = True
            # Some queues may have it all the same: a refusal promises nothing about them.
            transit.lost.extend(queue for queue in self._links if self._random.random() < 0.7)
        for queue in self._links:
            self._scheduler.after(self._delay_us(), partial(self._arrive, transit, queue))

    def _arrive(self, transit: Transit, queue: str) -> None:
        transit.awaited.remove(queue)
        if queue not in transit.lost:
            self._enqueue(queue, transit.message)
            if self._chance(self._plan.duplicate_chance):
                self._coverage[Seen.DUPLICATED] += 1
                self._scheduler.after(self._delay_us(), partial(self._enqueue, queue, transit.message))
        if not transit.awaited:
            self._scheduler.after(self._delay_us(), partial(self._answer_publisher, transit))

    def _answer_publisher(self, transit: Transit) -> None:
        link = self._links[transit.message.sender]
        if transit.epoch != link.publisher_epoch:
            return
        link.transits.remove(transit)
        if transit.refused:
            self._coverage[Seen.PUBLISH_REFUSED] += 1
            link.member.publish_refused(transit.ticket)
        else:
            link.member.publish_confirmed(transit.ticket)

    # ---------------------------------------------------------------------------- consuming

    def _enqueue(self, queue: str, message: Message) -> None:
        link = self._links[queue]
        link.ready.append((message, False))
        self._hand_out(link)

    def _hand_out(self, link: Link) -> None:
        """Send as many messages as the consumer may have unacknowledged."""
        while link.consumer_up and link.ready:
            if len(link.unacked) >= self._plan.prefetch_messages:
                self._coverage[Seen.PREFETCH_FULL] += 1
                return
            shuffle = len(link.ready) > 1 and self._random.random() < self._plan.shuffle_chance
            message, again = link.ready.pop(self._random.randrange(len(link.ready)) if shuffle else 0)
            if again:
                self._coverage[Seen.REDELIVERED] += 1
            link.delivery_number += 1
            tag = DeliveryTag(link.consumer_epoch, link.delivery_number)
            link.unacked[tag.number] = message
            self._scheduler.after(self._delay_us(), partial(self._deliver, link, tag, message))

    def _deliver(self, link: Link, tag: DeliveryTag, message: Message) -> None:
        if tag.epoch != link.consumer_epoch:
            return
        if message.number < link.latest.get(message.sender, 0):
            self._coverage[Seen.REORDERED] += 1
        link.latest[message.sender] = max(message.number, link.latest.get(message.sender, 0))
        link.member.delivered(tag, message.writes)

    def acknowledge(self, name: str, tag: DeliveryTag) -> None:
        """Take a message out of the queue, once the broker hears of it."""
        link = self._links[name]
        if tag.epoch == link.consumer_epoch:
            link.acks_under_way.append(tag.number)
            self._scheduler.after(self._delay_us(), partial(self._acknowledged, link, tag))

    def _acknowledged(self, link: Link, tag: DeliveryTag) -> None:
        if tag.epoch != link.consumer_epoch:
            return
        link.acks_under_way.remove(tag.number)
        link.unacked.pop(tag.number, None)
        self._hand_out(link)
