"""The port behind which every transport stands: RabbitMQ, the in-process fanout, the simulator.

A transport carries bytes; it knows nothing of clocks. Its duties, numbered, because the replica's
guarantees (DESIGN I1, I3, I4) rest on them:

1. *Fanout.* A message handed to ``publish`` reaches every member's queue, the sender's own included,
   at least once, unless the transport says otherwise through ``publish_refused`` or ``publisher_down``.
2. *Order.* Messages published over one connection enter each queue in the order of the calls.
3. *Confirmation.* ``publish_confirmed(publish_id)`` is told only when every queue holds the message
   durably. Confirmations may come out of order.
4. *Silence after a loss.* After ``publisher_down`` no confirmation for an earlier ``publish`` arrives;
   the replica offers everything unconfirmed again after the next ``publisher_up``.
5. *At least once.* A delivery that was not acknowledged comes again after a reconnect.
6. *Never block.* All methods may be called from any thread and return at once. Listener methods are
   called from the transport's threads and must return at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message for the fanout.

    ``publish_id`` is the caller's number for it, unique and rising within one process.
    ``message_id`` is what an operator sees in the management UI: the (first) dot.
    """

    publish_id: int
    message_id: str
    body: bytes
    sender: str
    headers: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it came out of this node's queue.

    ``connection_epoch`` and ``tag`` name it towards the transport that delivered it; an
    acknowledgement of a former connection's delivery is ignored (it will be delivered again).
    ``content_type``, ``app_id``, ``message_id``, ``user_id`` are the message's properties, None when absent.
    """

    connection_epoch: int
    tag: int
    body: bytes
    redelivered: bool = False
    content_type: str | None = None
    app_id: str | None = None
    message_id: str | None = None
    user_id: str | None = None


class TransportListener(Protocol):
    """What a transport tells the node; called from transport threads."""

    def publisher_up(self) -> None:
        """Publishing is possible; nothing published before is still in flight."""

    def publisher_down(self, reason: str) -> None:
        """The publishing connection is gone; unconfirmed messages are unknown."""

    def publisher_blocked(self, reason: str) -> None:
        """The broker accepts no messages for now (memory or disk alarm)."""

    def publisher_unblocked(self) -> None:
        """The alarm is over."""

    def publish_confirmed(self, publish_ids: list[int]) -> None:
        """The broker has these messages, durably, in every bound queue."""

    def publish_refused(self, publish_ids: list[int], reason: str) -> None:
        """The broker nacked or returned these messages; they must be offered again later."""

    def consumer_up(self, connection_epoch: int, backlog_messages: int) -> None:
        """Consuming began; ``backlog_messages`` were in the queue at that moment."""

    def consumer_down(self, reason: str) -> None:
        """Consuming ended; what was delivered and not acknowledged will come again."""

    def delivered(self, delivery: Delivery) -> None:
        """A message arrived."""


class Transport(Protocol):
    """A way for nodes to reach each other."""

    def start(self, listener: TransportListener) -> None:
        """Begin connecting; returns at once, also when nobody answers yet."""

    def publish(self, message: OutgoingMessage) -> None:
        """Send to the fanout; dropped silently when the publisher is down (see duty 4)."""

    def acknowledge(self, connection_epoch: int, tag: int, *, multiple: bool) -> None:
        """Say that a delivery (``multiple``: and all before it) is done with and durable here."""

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Copy a poisonous message, with the reason, to where operators look, then acknowledge it.

        The copy is confirmed before the acknowledgement: a crash between the two repeats the copy
        and never loses the message.
        """

    def describe(self) -> dict[str, object]:
        """What ``/status`` shows: addresses without secrets, connection states, last error."""

    def stop(self, timeout_seconds: float) -> None:
        """Flush what was handed over, as far as the time allows, and close."""
