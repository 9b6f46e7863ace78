"""Control messages over the broker: clocks, repair, snapshots. Nothing here is needed for safety.

Each node listens on a queue that lives no longer than its connection, so that nothing old waits for a node
that was away. Whatever happens to these channels, the writes go on: they share connections, and no more.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Literal

from node.codec import APP_ID, CONTENT_TYPE
from node.transport.amqp import plain_text
from node.transport.lasting_channel import LastingChannel
from node.transport.mailbox import Mailbox
from node.transport.port import EVERYBODY, ControlDelivery
from node.transport.topology import (
    CONTROL_EXCHANGE_TYPE,
    CONTROL_EXPIRY_MILLISECONDS,
    CONTROL_QUEUE_ARGUMENTS,
    control_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.transport.amqp import Channel, Frame, MakeProperties, Method, Properties, Session
    from node.transport.port import TransportListener

    Direction = Literal["publishing", "consuming"]

TRANSIENT = 1
BINARY_CONTENT_TYPE = "application/octet-stream"
WAITING_MAX_BYTES = 8 * 1024 * 1024
# What a message weighs in memory besides its body, so that many tiny ones are bounded too.
MESSAGE_OVERHEAD_BYTES = 256
# A socket that takes nothing more must not gather control messages. Above what the window of writes holds by default.
UNSENT_MAX_BYTES = 32 * 1024 * 1024
# Who deletes the exchange takes the bindings with it, and nobody is told.
BIND_AGAIN_SECONDS = 30.0


def control_content_type(body: bytes) -> str:
    """What an operator's tools are told about a control message: JSON, or bytes."""
    return CONTENT_TYPE if body.startswith(b"{") else BINARY_CONTENT_TYPE


class ControlReadiness:
    """Tells the listener when both directions work, each over a connection and a thread of its own."""

    def __init__(self, listener: TransportListener) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._up: set[Direction] = set()

    def up(self, direction: Direction) -> None:
        """This direction works (again)."""
        with self._lock:
            self._up.add(direction)
            are_both_up = len(self._up) == 2  # noqa: PLR2004  # the two directions
        if are_both_up:
            self._listener.control_up()

    def down(self, direction: Direction) -> None:
        """This direction does not work any more."""
        with self._lock:
            self._up.discard(direction)


class ControlPublisher:
    """Sends control messages over the publishing connection, or drops and counts them."""

    def __init__(
        self,
        *,
        exchange: str,
        make_properties: MakeProperties,
        is_blocked: Callable[[], bool],
        readiness: ControlReadiness,
    ) -> None:
        self._exchange = exchange
        self._make_properties = make_properties
        self._is_blocked = is_blocked
        self._readiness = readiness
        self._mailbox: Mailbox[tuple[str, bytes]] = Mailbox(
            max_size=WAITING_MAX_BYTES, size_of=lambda item: len(item[1]) + MESSAGE_OVERHEAD_BYTES
        )
        self._lasting = LastingChannel("control, publishing", set_up=self._set_up, on_closed=self._closed)
        self._session: Session | None = None
        self._channel: Channel | None = None
        self._dropped_lock = threading.Lock()
        self.dropped = 0

    def tell(self, target: str | None, body: bytes) -> None:
        """See Transport. From any thread."""
        if self._is_blocked() or not self._mailbox.put((control_key(target), body)):
            self._drop(1)

    def _drop(self, messages: int) -> None:
        with self._dropped_lock:
            self.dropped += messages

    # ------------------------------------------------------------ in the publisher's I/O thread

    def opened(self, session: Session) -> None:
        """See Companion."""
        self._session = session
        self._lasting.opened(session)

    def lost(self) -> None:
        """See Companion."""
        self._session = None
        self._lasting.lost()

    def _set_up(self, session: Session, channel: Channel) -> None:
        def ready(_frame: Frame) -> None:
            self._channel = channel
            self._mailbox.open(lambda: session.wake(self._send_waiting))
            self._lasting.works()
            self._readiness.up("publishing")

        channel.exchange_declare(self._exchange, CONTROL_EXCHANGE_TYPE, durable=True, callback=ready)

    def _closed(self) -> None:
        self._channel = None
        self._mailbox.close()
        self._readiness.down("publishing")

    def _send_waiting(self) -> None:
        waiting = self._mailbox.drain()
        channel, session = self._channel, self._session
        if channel is None or session is None or not channel.is_open or self._is_blocked():
            self._drop(len(waiting))
            return
        with session.together():
            for key, body in waiting:
                if session.unsent_bytes + len(body) > UNSENT_MAX_BYTES:
                    self._drop(1)
                    continue
                properties = self._make_properties(
                    content_type=control_content_type(body),
                    delivery_mode=TRANSIENT,
                    app_id=APP_ID,
                    user_id=session.user,
                    expiration=str(CONTROL_EXPIRY_MILLISECONDS),
                )
                channel.basic_publish(self._exchange, key, body, properties, mandatory=False)


class ControlConsumer:
    """Listens for control messages over the consuming connection."""

    def __init__(
        self,
        *,
        exchange: str,
        node_id: str,
        new_queue: Callable[[], str],
        readiness: ControlReadiness,
        listener: TransportListener,
    ) -> None:
        """``new_queue`` names the queue of each connection."""
        self._exchange = exchange
        self._new_queue = new_queue
        self._node_id = node_id
        self._readiness = readiness
        self._listener = listener
        self._lasting = LastingChannel("control, consuming", set_up=self._set_up, on_closed=self._closed)
        self.is_finishing = False

    # ------------------------------------------------------------- in the consumer's I/O thread

    def opened(self, session: Session) -> None:
        """See Companion."""
        self._lasting.opened(session)

    def lost(self) -> None:
        """See Companion."""
        self._lasting.lost()

    def _set_up(self, session: Session, channel: Channel) -> None:
        def named(frame: Frame) -> None:
            queue = frame.method.queue
            self._bind(channel, queue, then=lambda: consume(queue))

        def consume(queue: str) -> None:
            channel.basic_consume(
                queue,
                self._received,
                auto_ack=True,
                callback=lambda _frame: self._consuming(session, channel, queue),
            )

        # A closed channel is opened again.
        channel.add_on_cancel_callback(lambda _frame: channel.close(reply_text="the broker ended the consumer"))
        channel.queue_declare(
            self._new_queue(),
            exclusive=True,
            auto_delete=True,
            arguments=CONTROL_QUEUE_ARGUMENTS,
            callback=named,
        )

    def _bind(self, channel: Channel, queue: str, *, then: Callable[[], None]) -> None:
        def declared(_frame: Frame) -> None:
            channel.queue_bind(queue, self._exchange, EVERYBODY, callback=bound_to_all)

        def bound_to_all(_frame: Frame) -> None:
            channel.queue_bind(queue, self._exchange, control_key(self._node_id), callback=lambda _frame: then())

        channel.exchange_declare(self._exchange, CONTROL_EXCHANGE_TYPE, durable=True, callback=declared)

    def _consuming(self, session: Session, channel: Channel, queue: str) -> None:
        self._lasting.works()
        self._readiness.up("consuming")
        self._bind_again_later(session, channel, queue)

    def _bind_again_later(self, session: Session, channel: Channel, queue: str) -> None:
        def bind_again() -> None:
            if channel.is_open:
                self._bind(channel, queue, then=partial(self._bind_again_later, session, channel, queue))

        session.call_later(BIND_AGAIN_SECONDS, bind_again)

    def _closed(self) -> None:
        self._readiness.down("consuming")

    def _received(self, _channel: Channel, _method: Method, properties: Properties, body: bytes) -> None:
        if not self.is_finishing:
            self._listener.control_received(
                ControlDelivery(body, plain_text(properties.user_id), plain_text(properties.content_type))
            )
