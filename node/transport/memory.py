"""The in-process fanout: several nodes in one process, without a broker.

It keeps the port's promises as RabbitMQ does, but for what a process cannot: nothing survives its end.
One lock guards a fanout and all transports on it; a listener is only ever called outside of the lock.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from node.codec import APP_ID, CONTENT_TYPE
from node.transport.port import Delivery, OutgoingMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.transport.port import TransportListener

QUEUE_MAX_MESSAGES = 100_000
REJECTED_MAX_MESSAGES = 1_000
PREFETCH_MESSAGES = 128
# Deliveries handed to a listener between two looks at everything else.
TURN_MAX_MESSAGES = 256

log = structlog.get_logger("causalkv.transport")


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A message that a node could not use, with the reason and the node."""

    body: bytes
    message_id: str | None
    reason: str
    rejected_by: str


@dataclass(slots=True)
class _Waiting:
    """A message in one queue."""

    message: OutgoingMessage
    sender_node: str
    redelivered: bool = False


class MemoryFanout:
    """What the broker is for RabbitMQ: every member's queue, and the rejected messages.

    A queue holds ``queue_max_messages`` at most: beyond it a message enters no queue at all, and its
    publisher is told that it was refused. Of the rejected messages the last ``rejected_max_messages`` are kept.
    """

    def __init__(
        self, *, queue_max_messages: int = QUEUE_MAX_MESSAGES, rejected_max_messages: int = REJECTED_MAX_MESSAGES
    ) -> None:
        self.queue_max_messages = queue_max_messages
        self.rejected: deque[RejectedMessage] = deque(maxlen=rejected_max_messages)
        self.changed = threading.Condition()
        self.queues: dict[str, deque[_Waiting]] = {}
        self.outage: str | None = None
        self.outages = 0  # so far; one that is over before a transport looks breaks its connection all the same

    def switch_off(self, reason: str = "the fanout is switched off") -> None:
        """From now on it is as if the broker were gone; the queues keep what they hold."""
        with self.changed:
            self.outage = reason
            self.outages += 1
            self.changed.notify_all()

    def switch_on(self) -> None:
        """The end of ``switch_off``."""
        with self.changed:
            self.outage = None
            self.changed.notify_all()

    def declare(self, node_ids: Sequence[str]) -> None:
        """Make these nodes' queues exist."""
        with self.changed:
            for node_id in node_ids:
                self.queues.setdefault(node_id, deque())

    def place(self, message: OutgoingMessage, sender_node: str) -> bool:
        """Put a message into every queue, or, when one is full, into none. The lock is held."""
        if any(len(queue) >= self.queue_max_messages for queue in self.queues.values()):
            return False
        for queue in self.queues.values():
            queue.append(_Waiting(message, sender_node))
        self.changed.notify_all()
        return True


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
        self._outages = 0
        self._epoch = 0
        self._last_tag = 0
        self._unacknowledged: dict[int, _Waiting] = {}
        self._confirmed: list[int] = []
        self._refused: list[int] = []
        self._last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"causalkv-memory-{node_id}", daemon=True)
        fanout.declare((*founding_members, node_id))

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
                    log.error("the in-process link failed, please report it", error=repr(error))  # noqa: TRY400  # one line

    def _next_calls(self) -> list[Callable[[], None]]:
        """What to tell the listener now, in order. The lock is held."""
        listener, outage = self._listener, self._fanout.outage
        if listener is None or self._is_stopping:
            return []
        if self._is_up and self._outages != self._fanout.outages:
            return self._lose(listener, outage or "the fanout was switched off")
        if outage is not None:
            return []
        if not self._is_up:
            return self._connect(listener)
        calls: list[Callable[[], None]] = []
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            calls.append(partial(listener.publish_confirmed, confirmed))
        if self._refused:
            refused, self._refused = self._refused, []
            reason = f"a queue holds {self._fanout.queue_max_messages} messages: let its node consume them"
            calls.append(partial(listener.publish_refused, refused, reason))
        calls.extend(partial(listener.delivered, delivery) for delivery in self._take_deliveries())
        return calls

    def _is_connected(self) -> bool:
        return self._is_up and self._outages == self._fanout.outages

    def _connect(self, listener: TransportListener) -> list[Callable[[], None]]:
        self._is_up = True
        self._outages = self._fanout.outages
        self._epoch += 1
        self._last_tag = 0
        backlog_messages = len(self._fanout.queues[self._node_id])
        log.info("connected to the in-process fanout", node=self._node_id)
        return [listener.publisher_up, partial(listener.consumer_up, self._epoch, backlog_messages)]

    def _lose(self, listener: TransportListener, reason: str) -> list[Callable[[], None]]:
        self._disconnect()
        self._last_error = reason
        log.warning("the in-process fanout is off, waiting for it", node=self._node_id, reason=reason)
        return [partial(listener.publisher_down, reason), partial(listener.consumer_down, reason)]

    def _disconnect(self) -> None:
        """Return what is unacknowledged to the front of the queue, in its order."""
        self._is_up = False
        self._confirmed, self._refused = [], []
        for waiting in reversed(self._unacknowledged.values()):
            waiting.redelivered = True
            self._fanout.queues[self._node_id].appendleft(waiting)
        self._unacknowledged = {}

    def _take_deliveries(self) -> list[Delivery]:
        queue = self._fanout.queues[self._node_id]
        room = min(self._prefetch_messages - len(self._unacknowledged), TURN_MAX_MESSAGES, len(queue))
        return [self._deliver(queue.popleft()) for _ in range(room)]

    def _deliver(self, waiting: _Waiting) -> Delivery:
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
