"""The port behind which every transport stands: RabbitMQ, the in-process fanout, the simulator.

A transport carries bytes; it knows nothing of clocks. Its duties, numbered, because the replica's
guarantees (causal order, no acknowledged write is lost, exactly once) rest on them:

1. *Fanout.* A message handed to ``publish`` reaches every member's queue, the sender's own included,
   at least once, unless the transport says otherwise through ``publish_refused`` or ``publisher_down``.
2. *Order.* Messages published over one connection enter each queue in the order of the calls.
3. *Confirmation.* ``publish_confirmed(publish_id)`` is told only when every queue holds the message
   durably. Confirmations may come out of order.
4. *Silence after a loss.* After ``publisher_down`` no confirmation for an earlier ``publish`` arrives;
   the replica offers everything unconfirmed again after the next ``publisher_up``.
5. *At least once.* A delivery that was not acknowledged comes again after a reconnect, but for duty 7.
6. *Never block.* All methods may be called from any thread and return at once. Listener methods are
   called from the transport's threads and must return at once.
7. *Full queues.* A queue at its limit drops its oldest messages and refuses nobody: a member that stays
   away must not stall the others. What it lost it gets from its peers' histories.
8. *Control.* A message handed to ``tell`` reaches the nodes that listen now, or nobody: it is not
   confirmed, not stored, not repeated, and gone after 30 s. Nothing that is needed for safety may depend on it.
9. *Members.* The queues of the nodes named last to ``members_are``, and the own one, exist after each connect;
   until the first call these are the founding members.
10. *Deletion.* ``delete_queue`` is tried once, now. A queue that is deleted under its consumer is told as
    ``consumer_down``, made again, and consumed in a new epoch.
11. *Cutting off.* From ``cut`` to ``restore`` this node is parted from the fanout as by a dead network, in both
    directions and for control messages too: told as ``publisher_down`` and ``consumer_down``, at once, and no
    connection is made. After ``restore`` it connects at once. Other nodes notice nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# How a control message to all nodes is addressed on the wire; one to a single node is "node.<node id>", so that no
# node id can mean all.
EVERYBODY = "all"
# What operators read while a lesson or a test parts a node from the fanout.
CUT_REASON = "cut off on purpose"


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


@dataclass(frozen=True, slots=True)
class ControlDelivery:
    """One control message, which needs no acknowledgement.

    Anybody with access to the broker may have sent it, and any number of them may come at once: the receiver
    trusts none of it, and bounds what it keeps. ``user_id`` and ``content_type`` are its properties, None when absent.
    """

    body: bytes
    user_id: str | None
    content_type: str | None


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

    def control_up(self) -> None:
        """Control messages come, and can be sent (again); what was told meanwhile did not come."""

    def control_received(self, delivery: ControlDelivery) -> None:
        """A control message arrived."""


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

    def tell(self, target: str | None, body: bytes) -> None:
        """Send a control message to one node id, or (None) to every node that listens now, the own included.

        Dropped silently, and counted in ``control_dropped``, when it cannot be sent now: no link, the broker takes
        nothing, too much waits already.
        """

    @property
    def control_dropped(self) -> int:
        """How many control messages could not be sent, so far."""

    def members_are(self, node_ids: Sequence[str]) -> None:
        """From now on keep these nodes' queues, and the own one, instead of the founding members'.

        New ones are made at once when there is a link, and all at each new connection. A name that cannot be a
        member's is left out, and logged.
        """

    def delete_queue(self, node_id: str) -> None:
        """Delete the queue of a removed member, with what it holds; best effort, logged.

        Name it no more in ``members_are`` first. Raises ValueError when it is the own queue, or nobody's.
        """

    def cut(self) -> None:
        """Part this node from the fanout until ``restore``, for lessons and tests (duty 11)."""

    def restore(self) -> None:
        """The end of ``cut``; nothing when there was none."""

    def describe(self) -> dict[str, object]:
        """What ``/status`` shows: addresses without secrets, connection states, last error, control dropped."""

    def stop(self, timeout_seconds: float) -> None:
        """Flush what was handed over, as far as the time allows, and close."""
