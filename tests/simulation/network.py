"""A fanout with one durable queue a node, and everything between the calls that may go wrong.

It keeps the duties of a transport (``node/transport/port.py``) except the order of duty 2, on purpose: on
one broker a fanout keeps causal order by itself, and a test that does not reorder proves nothing
about the causal buffer. A hello alone keeps its place behind what its sender published. What is not confirmed may be
lost when its sender's connection dies; what is in a queue stays there until it is acknowledged, unless a fault of
the broker (``broker_faults.py``) takes it away, or the queue is full and drops its oldest.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.simulation.coverage import Coverage, Seen
from tests.simulation.links import DeliveryTag, Hello, Link, Member, Message, Payload, Ticket, Transit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from node.core.dot import Dot
    from node.core.write import Write
    from tests.simulation.plan import NetworkPlan
    from tests.simulation.scheduler import Scheduler


class Network:
    """The broker and all connections to it."""

    def __init__(self, plan: NetworkPlan, scheduler: Scheduler, random: Random, coverage: Coverage) -> None:
        self._plan = plan
        self._scheduler = scheduler
        self._random = random
        self._coverage = coverage
        self.links: dict[str, Link] = {}
        self._messages = 0
        self.calm = False
        """True: no faults of its own any more, only delay and reordering."""
        self.confirmed: set[Dot] = set()
        """The writes that were in every queue, and whose senders were told so."""
        self.last_activity_us = 0
        """When something was published or delivered last."""

    def join(self, name: str, member: Member) -> None:
        """A node exists; its queue does once it is declared."""
        self.links.setdefault(name, Link(member))

    def declare(self, names: Iterable[str]) -> None:
        """Make sure that these queues exist."""
        for name in names:
            if name in self.links:
                self.links[name].is_declared = True

    def _chance(self, probability: float) -> bool:
        return not self.calm and self._random.random() < probability

    def _delay_us(self) -> int:
        delay_us = self._random.randint(1, self._plan.delay_max_us)
        return delay_us * self._random.randint(2, 10) if self._chance(self._plan.slow_chance) else delay_us

    # -------------------------------------------------------------------------- connections

    def connect_publisher(self, name: str) -> None:
        """Make publishing possible."""
        link = self.links[name]
        if not link.publisher_up:
            link.publisher_up, link.publisher_silent = True, False
            link.member.publisher_up()

    def connect_consumer(self, name: str) -> None:
        """Begin to hand out what is in the queue."""
        link = self.links[name]
        if not link.consumer_up:
            self.declare([name])
            link.consumer_up, link.consumer_silent = True, False
            self._hand_out(link)

    def lose_publisher(self, name: str) -> None:
        """Cut the publishing connection: each copy under way arrives or not; no confirmation comes."""
        link = self.links[name]
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
        link = self.links[name]
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
        return len(self.links[name].transits)

    def waiting(self, name: str) -> int:
        """How many messages are in a queue, delivered and unacknowledged ones included."""
        return len(self.links[name].ready) + len(self.links[name].unacked)

    # --------------------------------------------------------------------------- publishing

    def publish(self, name: str, ticket: Ticket, writes: tuple[Write, ...]) -> None:
        """Send to every queue; dropped silently when the publisher is down."""
        link = self.links[name]
        if not link.publisher_up:
            return
        dots = {write.dot for write in writes}
        self._coverage[Seen.REPUBLISHED] += bool(dots & link.published)
        self._coverage[Seen.PACKED] += len(writes) > 1
        link.published |= dots
        transit = self._send(name, writes, ticket)
        if self._chance(self._plan.refuse_chance):
            transit.refused = True
            # Some queues may have it all the same: a refusal promises nothing about them.
            transit.lost.extend(queue for queue in self.links if self._random.random() < 0.7)

    def say_hello(self, name: str, hello: Hello) -> None:
        """Send a hello to every queue, behind everything that its sender published; nobody confirms it."""
        if self.links[name].publisher_up:
            self._send(name, hello, None)

    def _send(self, name: str, payload: Payload, ticket: Ticket | None) -> Transit:
        link = self.links[name]
        self.last_activity_us = self._scheduler.now_us
        self._messages += 1
        message = Message(self._messages, name, payload)
        declared = [queue for queue, other in self.links.items() if other.is_declared]
        transit = Transit(message, ticket, link.publisher_epoch, declared)
        if link.publisher_silent:
            transit.lost.extend(declared)
            transit.epoch = -1  # nobody hears of it: the connection is dead
        if ticket is not None:
            link.transits.append(transit)
        for queue in declared:
            delay_us = self._behind(self.links[queue].arrives_us, message)
            self._scheduler.after(delay_us, partial(self._arrive, transit, queue))
        if not declared:
            self._scheduler.after(self._delay_us(), partial(self._answer_publisher, transit))
        return transit

    def _behind(self, latest_us: dict[str, int], message: Message) -> int:
        """A delay; that of a hello lets it arrive after everything of its sender that is on the way."""
        now_us, last_us = self._scheduler.now_us, latest_us.get(message.sender, 0)
        at_us = now_us + self._delay_us()
        if message.is_hello:
            at_us = max(at_us, last_us + 1)
        latest_us[message.sender] = max(at_us, last_us)
        return at_us - now_us

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
        link = self.links[transit.message.sender]
        if transit.ticket is None or transit.epoch != link.publisher_epoch or link.publisher_silent:
            return
        link.transits.remove(transit)
        if transit.refused:
            self._coverage[Seen.PUBLISH_REFUSED] += 1
            link.member.publish_refused(transit.ticket)
        else:
            if not isinstance(transit.message.payload, Hello):
                self.confirmed.update(write.dot for write in transit.message.payload)
            link.member.publish_confirmed(transit.ticket)

    # ---------------------------------------------------------------------------- consuming

    def _enqueue(self, queue: str, message: Message) -> None:
        link = self.links[queue]
        if not link.is_declared:
            self._coverage[Seen.NO_QUEUE] += 1
            return
        self.last_activity_us = self._scheduler.now_us
        link.ready.append((message, False))
        self._hand_out(link)
        while len(link.ready) > self._plan.queue_max_messages:
            self._coverage[Seen.QUEUE_FULL] += 1
            link.ready.pop(0)

    def _hand_out(self, link: Link) -> None:
        """Send as many messages as the consumer may have unacknowledged."""
        while link.consumer_up and link.ready:
            if len(link.unacked) >= self._plan.prefetch_messages:
                self._coverage[Seen.PREFETCH_FULL] += 1
                return
            message, again = link.ready.pop(self._draw_index(link))
            if again:
                self._coverage[Seen.REDELIVERED] += 1
            link.delivery_number += 1
            tag = DeliveryTag(link.consumer_epoch, link.delivery_number)
            link.unacked[tag.number] = message
            self._scheduler.after(self._behind(link.delivers_us, message), partial(self._deliver, link, tag, message))

    def _draw_index(self, link: Link) -> int:
        if len(link.ready) == 1 or self._random.random() >= self._plan.shuffle_chance:
            return 0
        index = self._random.randrange(len(link.ready))
        return 0 if link.ready[index][0].is_hello else index

    def _deliver(self, link: Link, tag: DeliveryTag, message: Message) -> None:
        if tag.epoch != link.consumer_epoch or link.consumer_silent:
            return
        self.last_activity_us = self._scheduler.now_us
        if message.number < link.latest.get(message.sender, 0):
            self._coverage[Seen.REORDERED] += 1
        link.latest[message.sender] = max(message.number, link.latest.get(message.sender, 0))
        link.member.delivered(tag, message.payload)

    def payload(self, name: str, tag: DeliveryTag) -> Payload | None:
        """What an unacknowledged delivery contains; None when its connection is gone."""
        link = self.links[name]
        message = link.unacked.get(tag.number) if tag.epoch == link.consumer_epoch else None
        return None if message is None else message.payload

    def acknowledge(self, name: str, tag: DeliveryTag) -> None:
        """Take a message out of the queue, once the broker hears of it."""
        link = self.links[name]
        if tag.epoch == link.consumer_epoch:
            link.acks_under_way.append(tag.number)
            self._scheduler.after(self._delay_us(), partial(self._acknowledged, link, tag))

    def _acknowledged(self, link: Link, tag: DeliveryTag) -> None:
        if tag.epoch != link.consumer_epoch or link.consumer_silent:
            return
        link.acks_under_way.remove(tag.number)
        link.unacked.pop(tag.number, None)
        self._hand_out(link)
