"""From what stands in the inbox to what the replica is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.clocks import steady_ms, wall_ms
from node.codec import CONTENT_TYPE, HELLO_SUFFIX, decode_echo, decode_hello, decode_message
from node.control_codec import decode_control
from node.core.control import RepairGiven
from node.core.dot import Dot, node_id_of
from node.core.effects import Distrusted, Reject
from node.core.events import (
    AskEverybody,
    ControlUp,
    Echoed,
    Heard,
    HelloReceived,
    LocalWrite,
    PublisherDown,
    PublisherUp,
    Received,
    RemoveMember,
    Tick,
)
from node.errors import MessageRejectedError
from node.inbox import ControlReceived
from node.submission import Removal, Submission
from node.transport.port import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.events import Event
    from node.core.replica import Replica
    from node.inbox import Item
    from node.senders import SenderRule


def _never(_node: str) -> bool:
    return False


class Decoding:
    """Makes events; knows who may speak for whom."""

    def __init__(self, senders: SenderRule) -> None:
        self.senders = senders
        self.is_delayed: Callable[[str], bool] = _never
        """Whether writes of a node are held back on purpose: then repair must not bring them earlier."""

    def event(self, item: Item, replica: Replica) -> Event | Reject | Distrusted | None:
        """What an item of the inbox is to the replica; None: nothing."""
        match item:
            case Submission():
                return LocalWrite(item, item.operations, item.context, wall_ms(), item.request_id, item.condition)
            case Delivery():
                return self._delivered(item, replica)
            case ControlReceived():
                return self._heard(item)
            case Removal():
                return RemoveMember(item, item.node, item.forced, steady_ms(), wall_ms())
            case ControlUp() | Tick() | AskEverybody() | PublisherUp() | PublisherDown():
                return item
        return None

    def _delivered(self, item: Delivery, replica: Replica) -> Event | Reject:
        try:
            return self.delivery(item, replica)
        except MessageRejectedError as error:
            return Reject(item, str(error))

    def _heard(self, item: ControlReceived) -> Heard | Distrusted | None:
        item.taken()
        delivery = item.delivery
        try:
            message = decode_control(delivery.body, user_id=delivery.user_id, senders=self.senders)
        except MessageRejectedError as error:
            return Distrusted(delivery.user_id or "somebody", str(error))
        if isinstance(message, RepairGiven) and self.is_delayed(node_id_of(message.origin)):
            return None
        return Heard(message, steady_ms(), wall_ms())

    def delivery(self, delivery: Delivery, replica: Replica) -> Received | Echoed | HelloReceived:
        """What came out of the own queue; raises MessageRejectedError when it is not valid."""
        if delivery.content_type not in (None, CONTENT_TYPE):
            raise MessageRejectedError(f"its content type is {delivery.content_type[:80]!r}: it must be {CONTENT_TYPE}")
        # The message id is only a hint at the sender; what counts is checked in the message.
        message_id = delivery.message_id or ""
        if message_id.endswith(HELLO_SUFFIX):
            who, session = decode_hello(delivery.body, user_id=delivery.user_id, senders=self.senders)
            return HelloReceived(delivery, who, session)
        name = replica.replica
        if message_id.startswith(f"{name}:"):
            seqs = decode_echo(
                delivery.body,
                name,
                replica.delivery.count(name),
                user_id=delivery.user_id,
                senders=self.senders,
            )
            if seqs is not None:
                return Echoed(delivery, Dot(name, seqs[-1]), len(seqs))
        writes = decode_message(delivery.body, user_id=delivery.user_id, senders=self.senders)
        return Received(delivery, writes, wall_ms())
