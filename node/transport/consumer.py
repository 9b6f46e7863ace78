"""The consuming side of the link: this node's own queue, acknowledged by the node, delivered in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from node.transport.acknowledgements import DeliveryTracker
from node.transport.amqp import plain_text, short_text
from node.transport.declaration import Declaration
from node.transport.mailbox import Mailbox
from node.transport.port import Delivery
from node.transport.rejected_copies import RejectedCopy, copy_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from node.transport.amqp import Channel, Frame, Method, Properties, Session
    from node.transport.connection_thread import Companion
    from node.transport.declaration import QueueConflicts
    from node.transport.port import TransportListener
    from node.transport.topology import Topology


@dataclass(frozen=True, slots=True)
class DeliveryWithHeaders(Delivery):
    """A delivery that also keeps the headers, which only a copy of a rejected message needs."""

    headers: Mapping[str, object] | None = None


class Consumer:
    """Hands deliveries to the listener, and its acknowledgements to the broker."""

    def __init__(
        self,
        *,
        node_id: str,
        queue: str,
        prefetch_messages: int,
        topology: Callable[[str], Topology],
        conflicts: QueueConflicts,
        listener: TransportListener,
        add_copy: Callable[[RejectedCopy], None],
        companions: Sequence[Companion] = (),
    ) -> None:
        """``add_copy`` takes the copy of a rejected delivery; ``release`` is expected when it is safe."""
        self._add_copy = add_copy
        self._companions = companions
        self._node_id = node_id
        self._queue = queue
        self._prefetch_messages = prefetch_messages
        self._topology = topology
        self._conflicts = conflicts
        self._listener = listener
        self._commands: Mailbox[Callable[[], None]] = Mailbox()
        self._deliveries = DeliveryTracker()
        self._channel: Channel | None = None
        self._last_epoch = 0
        self._epoch: int | None = None
        self.is_finishing = False

    @property
    def is_up(self) -> bool:
        """Whether the queue is being consumed."""
        return self._epoch is not None

    def is_current(self, epoch: int) -> bool:
        """Whether deliveries of this epoch can still be acknowledged. From any thread."""
        return epoch == self._epoch

    def acknowledge(self, epoch: int, tag: int, *, multiple: bool) -> None:
        """See Transport. From any thread."""
        self._commands.put(partial(self._acknowledge, epoch, tag, multiple=multiple))

    def reject(self, delivery: Delivery, reason: str) -> None:
        """See Transport; the acknowledgement comes by ``release``. From any thread."""
        self._commands.put(partial(self._reject, delivery, reason))

    def release(self, epoch: int, tag: int) -> None:
        """The copy of a rejected delivery is safe. From any thread."""
        self._commands.put(partial(self._release, epoch, tag))

    # --------------------------------------------------------------------- in the I/O thread

    def opened(self, session: Session) -> None:
        """See Role."""
        topology = self._topology(session.server_version)
        Declaration(
            session.connection,
            topology,
            self._conflicts,
            on_done=lambda: self._open_channel(session),
            on_failed=session.fail,
        ).start()

    def lost(self, reason: str | None) -> None:
        """See Role."""
        was_up, self._epoch = self.is_up, None
        self._commands.close()
        self._channel = None
        for companion in self._companions:
            companion.lost()
        if was_up and reason is not None:
            self._listener.consumer_down(reason)

    def finish(self, done: Callable[[], None]) -> None:
        """See Role: the acknowledgements given so far go out before the connection closes."""
        self._carry_out()
        done()

    def _open_channel(self, session: Session) -> None:
        def opened(channel: Channel) -> None:
            channel.add_on_close_callback(lambda _channel, why: session.fail(f"the broker closed a channel: {why}"))
            channel.add_on_cancel_callback(
                lambda _frame: session.fail("the broker ended the consumer (was the queue deleted or moved?)")
            )
            channel.basic_qos(prefetch_count=self._prefetch_messages, callback=lambda _frame: count(channel))

        def count(channel: Channel) -> None:
            channel.queue_declare(self._queue, passive=True, callback=partial(consume, channel))

        def consume(channel: Channel, frame: Frame) -> None:
            backlog_messages = frame.method.message_count
            channel.basic_consume(
                self._queue,
                self._delivered,
                callback=lambda _frame: self._consuming(session, channel, backlog_messages),
            )

        session.connection.channel(on_open_callback=opened)

    def _consuming(self, session: Session, channel: Channel, backlog_messages: int) -> None:
        self._channel = channel
        self._deliveries = DeliveryTracker()
        self._last_epoch += 1
        self._epoch = self._last_epoch
        self._commands.open(lambda: session.wake(self._carry_out))
        session.ready()
        self._listener.consumer_up(self._epoch, backlog_messages)
        for companion in self._companions:
            companion.opened(session)

    def _delivered(self, _channel: Channel, method: Method, properties: Properties, body: bytes) -> None:
        epoch = self._epoch
        if epoch is None or self.is_finishing:
            return  # it comes again
        self._deliveries.delivered(method.delivery_tag)
        self._listener.delivered(
            DeliveryWithHeaders(
                connection_epoch=epoch,
                tag=method.delivery_tag,
                body=body,
                redelivered=method.redelivered,
                content_type=plain_text(properties.content_type),
                app_id=plain_text(properties.app_id),
                message_id=plain_text(properties.message_id),
                user_id=plain_text(properties.user_id),
                headers=properties.headers,
            )
        )

    def _carry_out(self) -> None:
        for command in self._commands.drain():
            command()
        if self._channel is None or not self._channel.is_open:
            return
        for word in self._deliveries.take():
            self._channel.basic_ack(word.tag, multiple=word.multiple)

    def _acknowledge(self, epoch: int, tag: int, *, multiple: bool) -> None:
        if self.is_current(epoch):
            self._deliveries.acknowledge(tag, multiple=multiple)

    def _release(self, epoch: int, tag: int) -> None:
        if self.is_current(epoch):
            self._deliveries.release(tag)

    def _reject(self, delivery: Delivery, reason: str) -> None:
        epoch, tag = delivery.connection_epoch, delivery.tag
        if not self.is_current(epoch) or not self._deliveries.hold(tag):
            return
        original = delivery.headers if isinstance(delivery, DeliveryWithHeaders) else None
        self._add_copy(
            RejectedCopy(
                epoch,
                tag,
                delivery.body,
                origin=self,
                content_type=_short(delivery.content_type),
                message_id=_short(delivery.message_id),
                app_id=_short(delivery.app_id),
                headers=copy_headers(original, reason=reason, node_id=self._node_id, user_id=delivery.user_id),
            )
        )


def _short(value: str | None) -> str | None:
    return None if value is None else short_text(value)
