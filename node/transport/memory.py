"""The in-process fanout: several nodes in one process, without a broker.

It keeps the port's promises as RabbitMQ does, but for what a process cannot: nothing survives its end.
One lock guards a fanout and all transports on it; a listener is only ever called outside of the lock.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from node.codec import APP_ID, CONTENT_TYPE
from node.logs import REPORT_IT, get_logger
from node.transport.control import control_content_type
from node.transport.memory_fanout import MemoryFanout, RejectedMessage, Waiting
from node.transport.port import CUT_REASON, ControlDelivery, Delivery, OutgoingMessage
from node.transport.topology import refuse_to_delete, usable_node_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.transport.memory_fanout import BoundedQueue, ControlInbox
    from node.transport.port import TransportListener

PREFETCH_MESSAGES = 128
# Deliveries handed to a listener between two looks at everything else.
TURN_MAX_MESSAGES = 256

log = get_logger("causalkv.transport")


class MemoryTransport:
    """The port's ``Transport`` over a ``MemoryFanout``; calls its listener from one thread of its own."""

    def __init__(
        self,
        fanout: MemoryFanout,
        node_id: str,
        *,
        founding_members: Sequence[str] = (),
        prefetch_messages: int = PREFETCH_MESSAGES,
    ) -> None:
        self._fanout = fanout
        self._node_id = node_id
        self._prefetch_messages = prefetch_messages
        self._listener: TransportListener | None = None
        self._is_up = False
        self._is_stopping = False
        self._is_cut = False
        self._is_broken = False  # a cut that is over before the thread looks breaks the connection all the same
        self._outages = 0
        self._epoch = 0
        self._last_tag = 0
        self._members = tuple(founding_members)
        self._queue: BoundedQueue[Waiting] | None = None
        self._control: ControlInbox | None = None
        self.control_dropped = 0
        """See Transport."""
        self._unacknowledged: dict[int, Waiting] = {}
        self._confirmed: list[int] = []
        self._refused: list[int] = []
        self._last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"causalkv-memory-{node_id}", daemon=True)
        fanout.declare((*self._members, node_id))

    def start(self, listener: TransportListener) -> None:
        """See Transport."""
        self._listener = listener
        self._thread.start()

    def publish(self, message: OutgoingMessage) -> None:
        """See Transport."""
        with self._fanout.changed:
            if not self._is_connected():
                return
            is_placed = self._fanout.place(message, self._node_id)
            (self._confirmed if is_placed else self._refused).append(message.publish_id)
            self._fanout.changed.notify_all()

    def acknowledge(self, connection_epoch: int, tag: int, *, multiple: bool) -> None:
        """See Transport."""
        with self._fanout.changed:
            if connection_epoch != self._epoch or not self._is_connected():
                return
            tags = [other for other in self._unacknowledged if other <= tag] if multiple else [tag]
            for other in tags:
                self._unacknowledged.pop(other, None)
            self._fanout.changed.notify_all()

    def reject(self, delivery: Delivery, reason: str) -> None:
        """See Transport."""
        with self._fanout.changed:
            is_current = delivery.connection_epoch == self._epoch and self._is_connected()
            if not is_current or delivery.tag not in self._unacknowledged:
                return
            self._fanout.rejected.append(RejectedMessage(delivery.body, delivery.message_id, reason, self._node_id))
            del self._unacknowledged[delivery.tag]
            self._fanout.changed.notify_all()

    def tell(self, target: str | None, body: bytes) -> None:
        """See Transport."""
        delivery = ControlDelivery(body, user_id=self._node_id, content_type=control_content_type(body))
        with self._fanout.changed:
            if self._is_connected():
                self._fanout.tell(target, delivery)
            else:
                self.control_dropped += 1

    def members_are(self, node_ids: Sequence[str]) -> None:
        """See Transport."""
        with self._fanout.changed:
            self._members = usable_node_ids(node_ids)
            if self._is_connected():
                self._fanout.declare((*self._members, self._node_id))

    def delete_queue(self, node_id: str) -> None:
        """See Transport."""
        refuse_to_delete(node_id, own_node_id=self._node_id)
        with self._fanout.changed:
            if not self._is_connected():
                log.warning(
                    "the queue of a removed member was not deleted: no link to the fanout",
                    node=self._node_id,
                    member=node_id,
                    what_to_do="nothing: it is deleted when the link is back",
                )
            elif self._fanout.delete(node_id):
                log.info("deleted the queue of a removed member", member=node_id)

    def cut(self) -> None:
        """See Transport."""
        with self._fanout.changed:
            self._is_cut = self._is_broken = True
            self._fanout.changed.notify_all()

    def restore(self) -> None:
        """See Transport."""
        with self._fanout.changed:
            self._is_cut = False
            self._fanout.changed.notify_all()

    def describe(self) -> dict[str, object]:
        """See Transport."""
        state = "connected" if self._is_up else "disconnected"
        return {
            "kind": "memory",
            "addresses": ["memory://"],
            "publisher": state,
            "consumer": state,
            "last_error": self._last_error,
            "server_version": None,
            "queue_type": None,
            "control_dropped": self.control_dropped,
        }

    def stop(self, timeout_seconds: float) -> None:
        """See Transport; what was published is in the queues already."""
        with self._fanout.changed:
            self._is_stopping = True
            self._fanout.changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    # ------------------------------------------------------------------------- in the thread

    def _run(self) -> None:
        while True:
            with self._fanout.changed:
                calls = self._next_calls()
                while not calls and not self._is_stopping:
                    self._fanout.changed.wait()
                    calls = self._next_calls()
                if self._is_stopping:
                    self._disconnect()
                    return
            for call in calls:
                try:
                    call()
                except Exception as error:  # noqa: BLE001  # a thread that ends would stall the node in silence
                    log.error("the in-process link failed", reason=repr(error), what_to_do=REPORT_IT)  # noqa: TRY400  # one line

    def _next_calls(self) -> list[Callable[[], None]]:
        """What to tell the listener now, in order. The lock is held."""
        listener, outage = self._listener, CUT_REASON if self._is_cut else self._fanout.outage
        if listener is None or self._is_stopping:
            return []
        if self._is_up and not self._is_connected():
            return self._lose(listener, outage or "the connection was lost")
        if outage is not None:
            return []
        if not self._is_up:
            return self._connect(listener)
        if self._fanout.queues.get(self._node_id) is not self._queue:
            return self._consume_again(listener)
        calls: list[Callable[[], None]] = []
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            calls.append(partial(listener.publish_confirmed, confirmed))
        if self._refused:
            refused, self._refused = self._refused, []
            reason = self._fanout.refusal or "the fanout took no messages"
            calls.append(partial(listener.publish_refused, refused, reason))
        calls.extend(partial(listener.delivered, delivery) for delivery in self._take_deliveries())
        if self._control is not None:
            control = self._control.take(TURN_MAX_MESSAGES)
            calls.extend(partial(listener.control_received, delivery) for delivery in control)
        return calls

    def _is_connected(self) -> bool:
        return self._is_up and not self._is_broken and self._outages == self._fanout.outages

    def _connect(self, listener: TransportListener) -> list[Callable[[], None]]:
        self._is_up = True
        self._is_broken = False
        self._outages = self._fanout.outages
        self._fanout.declare((*self._members, self._node_id))
        log.info("connected to the in-process fanout", node=self._node_id)
        return [listener.publisher_up, *self._consume(listener)]

    def _consume_again(self, listener: TransportListener) -> list[Callable[[], None]]:
        """Somebody deleted the queue, and with it what was delivered and not acknowledged."""
        self._unacknowledged = {}
        self._stop_listening()
        self._fanout.declare((self._node_id,))
        reason = "the queue was deleted"
        self._last_error = reason
        log.warning(
            "this node's queue was deleted, making it again",
            node=self._node_id,
            what_to_do="see who deletes it; what was in it comes from the peers",
        )
        return [partial(listener.consumer_down, reason), *self._consume(listener)]

    def _consume(self, listener: TransportListener) -> list[Callable[[], None]]:
        self._epoch += 1
        self._last_tag = 0
        self._queue = queue = self._fanout.queues[self._node_id]
        self._control = self._fanout.listen(self._node_id)
        return [partial(listener.consumer_up, self._epoch, len(queue)), listener.control_up]

    def _stop_listening(self) -> None:
        if self._control is not None:
            self._fanout.stop_listening(self._control)
        self._control = None

    def _lose(self, listener: TransportListener, reason: str) -> list[Callable[[], None]]:
        self._disconnect()
        self._last_error = reason
        log.warning(
            "no link to the in-process fanout, waiting for it",
            node=self._node_id,
            reason=reason,
            what_to_do="nothing, when it was cut on purpose; reads and writes go on at this node",
        )
        return [partial(listener.publisher_down, reason), partial(listener.consumer_down, reason)]

    def _disconnect(self) -> None:
        """Return what is unacknowledged to the front of the queue, in its order."""
        self._is_up = False
        self._confirmed, self._refused = [], []
        self._stop_listening()
        for waiting in reversed(self._unacknowledged.values()):
            waiting.redelivered = True
            if self._queue is not None:
                self._queue.put_back(waiting)
        self._unacknowledged, self._queue = {}, None

    def _take_deliveries(self) -> list[Delivery]:
        if self._queue is None:
            return []
        room = min(self._prefetch_messages - len(self._unacknowledged), TURN_MAX_MESSAGES, len(self._queue))
        return [self._deliver(self._queue.take()) for _ in range(room)]

    def _deliver(self, waiting: Waiting) -> Delivery:
        self._last_tag += 1
        self._unacknowledged[self._last_tag] = waiting
        return Delivery(
            connection_epoch=self._epoch,
            tag=self._last_tag,
            body=waiting.message.body,
            redelivered=waiting.redelivered,
            content_type=CONTENT_TYPE,
            app_id=APP_ID,
            message_id=waiting.message.message_id,
            user_id=waiting.sender_node,
        )
