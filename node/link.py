"""The node's ear towards the transport: what it says is noted here and passed on to the replica's thread."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Literal

from node.core.events import Confirmed, ControlUp, PublisherDown, PublisherUp
from node.inbox import AfterCommit, ControlReceived, Look, PublishRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.replica import Replica
    from node.faults import Faults
    from node.inbox import Item
    from node.metrics import NodeMetrics
    from node.replica_thread import ReplicaThread
    from node.transport.port import ControlDelivery, Delivery

# Control messages that may wait for the replica: peers need a few, and what anybody sends must not fill the memory.
CONTROL_MAX_MESSAGES = 1_000
CONTROL_MAX_BYTES = 32 * 1024 * 1024

BrokerState = Literal["connected", "disconnected", "blocked"]


def _nothing() -> None:
    """Nobody wants to know."""


def _ignored(_replica: Replica) -> None:
    """Nobody wants to know."""


class Link:
    """Implements ``TransportListener``; called from the transport's threads."""

    def __init__(
        self,
        metrics: NodeMetrics,
        caught_up: Callable[[], None],
        asked: Callable[[], None] = _nothing,
        connected: Callable[[Replica], None] = _ignored,
    ) -> None:
        """``caught_up`` is called once for each connection, when what had waited in the queue is applied or held.

        ``asked`` is called when the peers can be asked where they are, ``connected``, on the replica's thread, soon
        after.
        """
        self._metrics = metrics
        self._caught_up = caught_up
        self._asked = asked
        self._connected = connected
        self._lock = threading.Lock()
        self._publisher_up = False
        self._consumer_up = False
        self._blocked = False
        self._backlog_left = 0
        self._consuming_since = 0.0
        self._last_delivery = 0.0
        self._control_waiting = 0
        self._control_waiting_bytes = 0
        self._thread: ReplicaThread | None = None
        self._faults: Faults | None = None

    def attach(self, thread: ReplicaThread, faults: Faults | None) -> None:
        """Where everything goes; called once, before the transport starts."""
        self._thread = thread
        self._faults = faults

    @property
    def state(self) -> BrokerState:
        """How the link is, in one word."""
        if not (self._publisher_up and self._consumer_up):
            return "disconnected"
        return "blocked" if self._blocked else "connected"

    @property
    def backlog_messages(self) -> int:
        """Messages that waited in the queue at connect and have not arrived yet."""
        return self._backlog_left

    def forget_lost_backlog(self, after_seconds: float) -> None:
        """Wait no longer for a backlog of which nothing has arrived for so long: its queue was purged.

        What did arrive must still become durable before the node has caught up.
        """
        with self._lock:
            silent_seconds = time.monotonic() - max(self._consuming_since, self._last_delivery)
            is_lost = self._consumer_up and self._backlog_left > 0 and silent_seconds > after_seconds
            if is_lost:
                self._backlog_left = 0
        if is_lost:
            self._tell_caught_up()

    def _changed(self) -> None:
        # Both connections' threads come here: who is last must not show what was before.
        with self._lock:
            self._metrics.broker_state(self.state)

    def _put(self, item: Item) -> None:
        if self._thread is not None:
            self._thread.put(item)

    # ---------------------------------------------------------------------- publishing side

    def publisher_up(self) -> None:
        """Publishing is possible."""
        self._publisher_up, self._blocked = True, False
        self._changed()
        self._put(PublisherUp())

    def publisher_down(self, reason: str) -> None:  # noqa: ARG002  # the transport has logged it
        """Publishing is impossible."""
        self._publisher_up, self._blocked = False, False
        self._changed()
        self._put(PublisherDown())

    def publisher_blocked(self, reason: str) -> None:  # noqa: ARG002  # the transport has logged it
        """The broker takes nothing for now."""
        self._blocked = True
        self._changed()

    def publisher_unblocked(self) -> None:
        """The broker takes messages again."""
        self._blocked = False
        self._changed()

    def publish_confirmed(self, publish_ids: list[int]) -> None:
        """These are in every member's queue."""
        self._put(Confirmed(publish_ids))

    def publish_refused(self, publish_ids: list[int], reason: str) -> None:
        """These are not."""
        self._metrics.refused(len(publish_ids))
        self._put(PublishRefused(reason))

    # ----------------------------------------------------------------------- consuming side

    def consumer_up(self, connection_epoch: int, backlog_messages: int) -> None:  # noqa: ARG002  # the port's signature
        """Consuming began."""
        with self._lock:
            self._consumer_up = True
            self._backlog_left = backlog_messages
            self._consuming_since = time.monotonic()
        self._changed()
        if not backlog_messages:
            self._tell_caught_up()

    def consumer_down(self, reason: str) -> None:  # noqa: ARG002  # the transport has logged it
        """Consuming ended; what is unacknowledged comes again."""
        with self._lock:
            self._consumer_up = False
        self._changed()
        if self._faults is not None:
            self._faults.connection_lost()

    def delivered(self, delivery: Delivery) -> None:
        """A message arrived."""
        if self._faults is None:
            self._put(delivery)
        else:
            self._faults.delivered(delivery)
        self._last_delivery = time.monotonic()
        with self._lock:
            is_last = self._backlog_left == 1
            self._backlog_left = max(0, self._backlog_left - 1)
        if is_last:
            self._tell_caught_up()

    # --------------------------------------------------------------------------- control side

    def control_up(self) -> None:
        """Control messages come and can be sent."""
        self._put(ControlUp())
        self._put(Look(self._connected))
        self._asked()

    def control_received(self, delivery: ControlDelivery) -> None:
        """A control message arrived. Too many at a time are dropped: what is said there is said again."""
        size_bytes = len(delivery.body)
        with self._lock:
            is_too_much = (
                self._control_waiting >= CONTROL_MAX_MESSAGES
                or self._control_waiting_bytes + size_bytes > CONTROL_MAX_BYTES
            )
            if not is_too_much:
                self._control_waiting += 1
                self._control_waiting_bytes += size_bytes
        if is_too_much:
            self._metrics.limit_reached("control_messages")
            self._metrics.healing.control_dropped.inc()
            return
        self._put(ControlReceived(delivery, partial(self._control_taken, size_bytes)))

    def _control_taken(self, size_bytes: int) -> None:
        with self._lock:
            self._control_waiting -= 1
            self._control_waiting_bytes -= size_bytes

    def _tell_caught_up(self) -> None:
        def tell(replica: Replica) -> None:  # noqa: ARG001  # what an item of the inbox is called with
            self._caught_up()

        self._put(AfterCommit(tell))
