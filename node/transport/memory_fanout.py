"""What the broker is for RabbitMQ, inside one process: members' queues, control messages, rejected messages."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from node.transport.port import ControlDelivery, OutgoingMessage

T = TypeVar("T")

QUEUE_MAX_MESSAGES = 100_000
# A queue here lives in memory, so that its limit in messages alone would not do.
QUEUE_MAX_BYTES = 256 * 1024 * 1024
REJECTED_MAX_MESSAGES = 1_000
CONTROL_MAX_MESSAGES = 10_000
CONTROL_MAX_BYTES = 32 * 1024 * 1024
CONTROL_EXPIRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A message that a node could not use, with the reason and the node."""

    body: bytes
    message_id: str | None
    reason: str
    rejected_by: str


@dataclass(slots=True)
class Waiting:
    """A message in one queue."""

    message: OutgoingMessage
    sender_node: str
    redelivered: bool = False


class BoundedQueue(Generic[T]):
    """First in, first out; beyond its limits the oldest go, also a message that is larger than the limit alone."""

    def __init__(self, *, max_messages: int, max_bytes: int, size_of: Callable[[T], int]) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._items: deque[T] = deque()
        self._size_bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def put(self, item: T) -> None:
        """Add to the end."""
        self._items.append(item)
        self._size_bytes += self._size_of(item)
        self._drop_oldest()

    def put_back(self, item: T) -> None:
        """Return an item to the front."""
        self._items.appendleft(item)
        self._size_bytes += self._size_of(item)
        self._drop_oldest()

    def take(self) -> T:
        """Remove the oldest; raises IndexError when there is none."""
        item = self._items.popleft()
        self._size_bytes -= self._size_of(item)
        return item

    def clear(self) -> None:
        """Remove everything, as a purge does."""
        self._items.clear()
        self._size_bytes = 0

    def _drop_oldest(self) -> None:
        while len(self._items) > self._max_messages or self._size_bytes > self._max_bytes:
            self.take()
            self.dropped += 1


class ControlInbox:
    """The control messages for one transport while it is connected."""

    def __init__(self, node_id: str, *, expiry_seconds: float) -> None:
        self.node_id = node_id
        self._expiry_seconds = expiry_seconds
        self._messages: BoundedQueue[tuple[float, ControlDelivery]] = BoundedQueue(
            max_messages=CONTROL_MAX_MESSAGES, max_bytes=CONTROL_MAX_BYTES, size_of=lambda item: len(item[1].body)
        )

    def put(self, delivery: ControlDelivery) -> None:
        """Keep a message until it is taken or expires."""
        self._messages.put((time.monotonic() + self._expiry_seconds, delivery))

    def take(self, limit: int) -> list[ControlDelivery]:
        """The oldest messages that have not expired."""
        now = time.monotonic()
        taken = [self._messages.take() for _ in range(min(limit, len(self._messages)))]
        return [delivery for expires_at, delivery in taken if expires_at > now]


class MemoryFanout:
    """Every member's queue, and the rejected messages; one lock, ``changed``, guards all of it.

    A queue that is full, by messages or by bytes, drops its oldest. Of the rejected messages the last
    ``rejected_max_messages`` are kept.
    """

    def __init__(
        self,
        *,
        queue_max_messages: int = QUEUE_MAX_MESSAGES,
        queue_max_bytes: int = QUEUE_MAX_BYTES,
        rejected_max_messages: int = REJECTED_MAX_MESSAGES,
        control_expiry_seconds: float = CONTROL_EXPIRY_SECONDS,
    ) -> None:
        self._queue_max_messages = queue_max_messages
        self._queue_max_bytes = queue_max_bytes
        self._control_expiry_seconds = control_expiry_seconds
        self.listening: list[ControlInbox] = []
        self.rejected: deque[RejectedMessage] = deque(maxlen=rejected_max_messages)
        self.changed = threading.Condition()
        self.queues: dict[str, BoundedQueue[Waiting]] = {}
        self.refusal: str | None = None
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

    def refuse(self, reason: str | None) -> None:
        """From now on take no message, as a broker that answers with nacks; None ends it."""
        with self.changed:
            self.refusal = reason

    def declare(self, node_ids: Sequence[str]) -> None:
        """Make these nodes' queues exist."""
        with self.changed:
            for node_id in node_ids:
                if node_id not in self.queues:
                    self.queues[node_id] = BoundedQueue(
                        max_messages=self._queue_max_messages,
                        max_bytes=self._queue_max_bytes,
                        size_of=lambda waiting: len(waiting.message.body),
                    )

    def delete(self, node_id: str) -> bool:
        """Delete a node's queue with all that it holds; False when there is none."""
        with self.changed:
            self.changed.notify_all()
            return self.queues.pop(node_id, None) is not None

    def place(self, message: OutgoingMessage, sender_node: str) -> bool:
        """Put a message into every queue; False when the fanout refuses it. The lock is held."""
        if self.refusal is not None:
            return False
        for queue in self.queues.values():
            queue.put(Waiting(message, sender_node))
        self.changed.notify_all()
        return True

    def listen(self, node_id: str) -> ControlInbox:
        """Where control messages for this node go from now on. The lock is held."""
        inbox = ControlInbox(node_id, expiry_seconds=self._control_expiry_seconds)
        self.listening.append(inbox)
        return inbox

    def stop_listening(self, inbox: ControlInbox) -> None:
        """The end of ``listen``; what was not taken is gone. The lock is held."""
        self.listening = [other for other in self.listening if other is not inbox]

    def tell(self, target: str | None, delivery: ControlDelivery) -> None:
        """Put a control message where it is listened for. The lock is held."""
        for inbox in self.listening:
            if target is None or target == inbox.node_id:
                inbox.put(delivery)
        self.changed.notify_all()
