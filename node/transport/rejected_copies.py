"""Copies of poisonous messages on their way to where operators look.

A rejected delivery is acknowledged only after the broker has confirmed its copy, so that a crash or a
lost connection in between repeats the copy and never loses the message. The copies have a channel of their
own: whatever the broker thinks of one of them, the writes go on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from node.logs import get_logger
from node.transport.amqp import short_text
from node.transport.confirms import ConfirmTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.transport.amqp import Channel, Frame, MakeProperties, Method, Properties, Session

PERSISTENT = 2
RETRY_SECONDS = 1.0
REASON_HEADER = "x-causalkv-reason"
REJECTED_BY_HEADER = "x-causalkv-rejected-by"
SENT_BY_HEADER = "x-causalkv-user-id"  # the property itself must name the user who publishes, here: this node's
REASON_MAX_CHARACTERS = 500
# All headers travel in one frame, which cannot be split and may be as small as 4 KiB.
ORIGINAL_HEADERS_MAX_BYTES = 1024
INT64_MAX = 2**63 - 1

log = get_logger("causalkv.transport")


class Origin(Protocol):
    """Who rejected a delivery and has yet to acknowledge it."""

    def is_current(self, epoch: int) -> bool:
        """Whether deliveries of this epoch can still be acknowledged. From any thread."""

    def release(self, epoch: int, tag: int) -> None:
        """The copy of this delivery is safe. From any thread."""


@dataclass(frozen=True, slots=True)
class RejectedCopy:
    """What is to be published about one rejected delivery; epoch and tag name the delivery."""

    epoch: int
    tag: int
    body: bytes
    origin: Origin
    content_type: str | None
    message_id: str | None
    app_id: str | None
    headers: Mapping[str, object]


def copy_headers(
    original: Mapping[str, object] | None, *, reason: str, node_id: str, user_id: str | None
) -> dict[str, object]:
    """The original's headers as far as they are safe to send again, and why and by whom it was rejected.

    The original may hold anything: what the broker would act on (CC, BCC) is left out, what has no plain
    type becomes text, and what does not fit is left out too.
    """
    headers: dict[str, object] = {}
    room = ORIGINAL_HEADERS_MAX_BYTES
    for name, value in (original or {}).items():
        plain = value if isinstance(value, bool | str) or _is_small_int(value) else repr(value)
        size = len(str(name).encode()) + len(str(plain).encode(errors="replace"))
        if size <= room and str(name).upper() not in ("CC", "BCC"):
            headers[short_text(str(name))] = plain
            room -= size
    headers[REASON_HEADER] = reason[:REASON_MAX_CHARACTERS].encode(errors="replace").decode()
    headers[REJECTED_BY_HEADER] = node_id
    if user_id is not None:
        headers[SENT_BY_HEADER] = user_id
    return headers


def _is_small_int(value: object) -> bool:
    return isinstance(value, int) and abs(value) <= INT64_MAX


class RejectedCopies:
    """Keeps each copy until the broker confirms it; at most as many as the prefetch allows deliveries."""

    def __init__(self, *, exchange: str, make_properties: MakeProperties) -> None:
        self._exchange = exchange
        self._make_properties = make_properties
        self._lock = threading.Lock()
        self._waiting: dict[int, RejectedCopy] = {}
        self._newest_epoch = 0
        self._wake: Callable[[], None] | None = None
        self._session: Session | None = None
        self._channel: Channel | None = None
        self._on_settled: Callable[[], None] = _nothing
        self._on_returned: Callable[[], None] = _nothing
        self._confirms: ConfirmTracker[RejectedCopy] = ConfirmTracker()

    def add(self, copy: RejectedCopy) -> None:
        """Take a copy; it goes out when the publisher is up. From any thread."""
        with self._lock:
            if copy.epoch > self._newest_epoch:
                self._newest_epoch = copy.epoch
                self._waiting = {}  # former deliveries come again, and are rejected again
            self._waiting[copy.tag] = copy
            wake = self._wake
        if wake is not None:
            wake()

    @property
    def in_flight(self) -> int:
        """Copies that were sent and got no answer yet."""
        return len(self._confirms)

    # ------------------------------------------------------------ in the publisher's I/O thread

    def opened(self, session: Session, *, on_settled: Callable[[], None], on_returned: Callable[[], None]) -> None:
        """The publishing connection is up; ``on_returned`` makes the broker's queues exist again."""
        self._session = session
        self._on_settled = on_settled
        self._on_returned = on_returned
        self._open_channel(session)

    def _open_channel(self, session: Session) -> None:
        def ready(channel: Channel) -> None:
            self._channel = channel
            with self._lock:
                self._wake = lambda: session.wake(self._send_waiting)
            self._send_waiting()

        def opened(channel: Channel) -> None:
            channel.add_on_close_callback(self._closed)
            channel.add_on_return_callback(self._returned)
            channel.confirm_delivery(self._settled, callback=lambda _frame: ready(channel))

        session.connection.channel(on_open_callback=opened)

    def lost(self) -> None:
        """The publishing connection is gone: what is unconfirmed goes out again with the next."""
        self._session = None
        self._forget_channel()

    def _forget_channel(self) -> None:
        self._channel = None
        unanswered = self._confirms.unsettled()
        self._confirms = ConfirmTracker()
        with self._lock:
            self._wake = None
        self._keep(unanswered)

    def _keep(self, copies: list[RejectedCopy]) -> None:
        with self._lock:
            self._waiting.update({copy.tag: copy for copy in copies if copy.epoch == self._newest_epoch})

    def _closed(self, _channel: Channel, reason: Exception) -> None:
        self._forget_channel()
        session = self._session
        if session is not None and session.connection.is_open:
            log.warning(
                "the broker refused a copy of a rejected message, trying again",
                exchange=self._exchange,
                broker_says=str(reason),
                what_to_do="see that the exchange exists, and that this node's broker user may write to it",
            )
            session.call_later(RETRY_SECONDS, lambda: self._open_channel(session))

    def _send_waiting(self) -> None:
        channel, session = self._channel, self._session
        if channel is None or session is None or not channel.is_open:
            return
        with self._lock:
            copies = [copy for copy in self._waiting.values() if copy.origin.is_current(copy.epoch)]
            self._waiting = {}
        for copy in copies:
            properties = self._make_properties(
                content_type=copy.content_type,
                delivery_mode=PERSISTENT,
                app_id=copy.app_id,
                message_id=copy.message_id,
                user_id=session.user,
                correlation_id=str(self._confirms.next_tag),
                headers=copy.headers,
            )
            channel.basic_publish(self._exchange, "", copy.body, properties, mandatory=True)
            self._confirms.sent(copy)

    def _returned(self, _channel: Channel, _method: Method, properties: Properties, _body: bytes) -> None:
        self._confirms.returned(int(properties.correlation_id or 0))
        self._on_returned()

    def _settled(self, frame: Frame) -> None:
        method = frame.method
        settled = self._confirms.settle(method.delivery_tag, multiple=method.multiple, acked=method.NAME == "Basic.Ack")
        for copy in settled.confirmed:
            copy.origin.release(copy.epoch, copy.tag)
        if settled.refused:
            log.warning(
                "the broker did not take a copy of a rejected message, trying again",
                exchange=self._exchange,
                what_to_do="see that the queue of rejected messages exists and is bound to that exchange",
            )
            self._keep(settled.refused)
            if self._session is not None:
                self._session.call_later(RETRY_SECONDS, self._send_waiting)
        self._on_settled()


def _nothing() -> None:
    """Before the first connection there is nobody to tell."""
