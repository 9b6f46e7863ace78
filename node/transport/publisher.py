"""The publishing side of the link: one channel with confirms, in the order of the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.codec import APP_ID, CONTENT_TYPE
from node.logs import get_logger
from node.transport.amqp import short_text
from node.transport.confirms import ConfirmTracker
from node.transport.declaration import Declaration
from node.transport.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.transport.amqp import Channel, Connection, Frame, MakeProperties, Method, Properties, Session
    from node.transport.connection_thread import Companion
    from node.transport.declaration import QueueConflicts
    from node.transport.port import OutgoingMessage, TransportListener
    from node.transport.rejected_copies import RejectedCopies
    from node.transport.topology import Topology

PERSISTENT = 2
# The caller's window is far smaller; this bounds memory should a caller have none.
UNCONFIRMED_MAX_MESSAGES = 10_000

log = get_logger("causalkv.transport")


class Publisher:
    """Publishes what it is handed at once, and tells what became of it."""

    def __init__(
        self,
        *,
        exchange: str,
        topology: Callable[[str], Topology],
        conflicts: QueueConflicts,
        rejected_copies: RejectedCopies,
        make_properties: MakeProperties,
        listener: TransportListener,
        companions: Sequence[Companion] = (),
    ) -> None:
        self._exchange = exchange
        self._topology = topology
        self._conflicts = conflicts
        self._rejected_copies = rejected_copies
        self._make_properties = make_properties
        self._listener = listener
        self._companions = companions
        self._mailbox: Mailbox[OutgoingMessage] = Mailbox()
        self._confirms: ConfirmTracker[int] = ConfirmTracker()
        self._session: Session | None = None
        self._channel: Channel | None = None
        self._is_declaring = False
        self._when_flushed: Callable[[], None] | None = None
        self.is_up = False
        self.is_blocked = False

    def publish(self, message: OutgoingMessage) -> None:
        """Send to the fanout; dropped while the publisher is down. From any thread."""
        self._mailbox.put(message)

    # --------------------------------------------------------------------- in the I/O thread

    def opened(self, session: Session) -> None:
        """See Role."""
        self._session = session
        session.connection.add_on_connection_blocked_callback(self._blocked)
        session.connection.add_on_connection_unblocked_callback(self._unblocked)
        self._declare(session, on_done=lambda: self._open_channel(session))

    def lost(self, reason: str | None) -> None:
        """See Role."""
        was_up, self.is_up, self.is_blocked = self.is_up, False, False
        self._mailbox.close()
        self._session = self._channel = None
        self._confirms = ConfirmTracker()  # no confirm for what was sent over it is ever told
        self._rejected_copies.lost()
        for companion in self._companions:
            companion.lost()
        if was_up and reason is not None:
            self._listener.publisher_down(reason)

    def finish(self, done: Callable[[], None]) -> None:
        """See Role: what was handed over is sent and confirmed before ``done`` is called."""
        self._send_waiting()
        self._when_flushed = done
        self._check_flushed()

    def _declare(self, session: Session, on_done: Callable[[], None]) -> None:
        self._is_declaring = True
        topology = self._topology(session.server_version)
        Declaration(
            session.connection, topology, self._conflicts, on_done=self._declared(on_done), on_failed=session.fail
        ).start()

    def _declared(self, then: Callable[[], None]) -> Callable[[], None]:
        def done() -> None:
            self._is_declaring = False
            then()

        return done

    def _open_channel(self, session: Session) -> None:
        def opened(channel: Channel) -> None:
            self._confirms = ConfirmTracker()
            channel.add_on_close_callback(lambda _channel, why: session.fail(f"the broker closed a channel: {why}"))
            channel.add_on_return_callback(self._returned)
            channel.confirm_delivery(self._settled, callback=lambda _frame: self._ready(session, channel))

        session.connection.channel(on_open_callback=opened)

    def _ready(self, session: Session, channel: Channel) -> None:
        self._channel = channel
        self.is_up = True
        self._mailbox.open(lambda: session.wake(self._send_waiting))
        session.ready()
        self._rejected_copies.opened(session, on_settled=self._check_flushed, on_returned=self._declare_again)
        self._listener.publisher_up()
        for companion in self._companions:
            companion.opened(session)

    def _send_waiting(self) -> None:
        messages = self._mailbox.drain()
        if self._channel is None or self._session is None or not self._channel.is_open:
            return  # lost() tells
        with self._session.together():
            self._send(messages, self._channel, self._session.user)

    def _send(self, messages: list[OutgoingMessage], channel: Channel, user: str | None) -> None:
        for message in messages:
            if len(self._confirms) >= UNCONFIRMED_MAX_MESSAGES:
                self._listener.publish_refused(
                    [message.publish_id], f"{UNCONFIRMED_MAX_MESSAGES} messages are unconfirmed: publish fewer at once"
                )
                continue
            properties = self._make_properties(
                content_type=CONTENT_TYPE,
                delivery_mode=PERSISTENT,
                app_id=APP_ID,
                message_id=short_text(message.message_id),
                user_id=user,
                # A returned message comes back without its number: this is how it is known again.
                correlation_id=str(self._confirms.next_tag),
                headers=dict(message.headers) or None,
            )
            # A fanout ignores the routing key; whoever binds another exchange behind it can route by sender.
            channel.basic_publish(self._exchange, short_text(message.sender), message.body, properties, mandatory=True)
            self._confirms.sent(message.publish_id)

    def _settled(self, frame: Frame) -> None:
        method = frame.method
        settled = self._confirms.settle(method.delivery_tag, multiple=method.multiple, acked=method.NAME == "Basic.Ack")
        if settled.confirmed:
            self._listener.publish_confirmed(settled.confirmed)
        if settled.refused:
            self._listener.publish_refused(settled.refused, "the broker did not take it, or has no queue for it")
        self._check_flushed()

    def _returned(self, _channel: Channel, _method: Method, properties: Properties, _body: bytes) -> None:
        self._confirms.returned(int(properties.correlation_id or 0))
        self._declare_again()

    def _declare_again(self) -> None:
        if self._is_declaring or self._session is None:
            return
        log.warning(
            "a message found no queue, declaring the cluster's queues again",
            what_to_do="see who deletes queues; members get what they missed from each other",
        )
        self._declare(self._session, on_done=lambda: None)

    def _check_flushed(self) -> None:
        if self._when_flushed is not None and not len(self._confirms) and not self._rejected_copies.in_flight:
            done, self._when_flushed = self._when_flushed, None
            done()

    def _blocked(self, _connection: Connection, frame: Frame) -> None:
        self.is_blocked = True
        reason = frame.method.reason
        log.warning(
            "the broker takes no messages for now, writes wait in the outbox",
            broker_says=reason,
            what_to_do="free the broker's memory or disk, whichever it names",
        )
        if self.is_up:
            self._listener.publisher_blocked(reason)

    def _unblocked(self, _connection: Connection, _frame: Frame) -> None:
        self.is_blocked = False
        log.info("the broker takes messages again")
        if self.is_up:
            self._listener.publisher_unblocked()
