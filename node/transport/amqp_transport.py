"""The port's transport over an AMQP broker, whatever the client library: two connections, put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from node.logs import get_logger
from node.transport.connection_thread import ConnectionThread
from node.transport.consumer import Consumer
from node.transport.control import ControlConsumer, ControlPublisher, ControlReadiness
from node.transport.declaration import QueueConflicts
from node.transport.member_queues import MemberQueues
from node.transport.publisher import Publisher
from node.transport.reconnect import without_secrets
from node.transport.rejected_copies import RejectedCopies
from node.transport.topology import refuse_to_delete

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.settings import QueueType
    from node.transport.amqp import MakeProperties
    from node.transport.connection_thread import RunningSession, SessionEvents
    from node.transport.port import Delivery, OutgoingMessage, TransportListener
    from node.transport.topology import ClusterNames, Topology

log = get_logger("causalkv.transport")


class AMQPTransport:
    """Publishes over one connection and consumes over another: an alarm of the broker stops only the first.

    ``connect`` takes what the connection is for, an address, and who is told of it.
    """

    def __init__(
        self,
        *,
        names: ClusterNames,
        urls: Sequence[str],
        queue_type: QueueType,
        queue_max_messages: int,
        prefetch_messages: int,
        connect: Callable[[str, str, SessionEvents], RunningSession],
        make_properties: MakeProperties,
    ) -> None:
        self._names = names
        self._urls = tuple(urls)
        self._queue_type: QueueType = queue_type
        self._prefetch_messages = prefetch_messages
        self._connect = connect
        self._make_properties = make_properties
        self._conflicts = QueueConflicts()
        self._member_queues = MemberQueues(
            names, queue_type=queue_type, queue_max_messages=queue_max_messages, conflicts=self._conflicts
        )
        self._server_version: str | None = None
        self._publisher: Publisher | None = None
        self._consumer: Consumer | None = None
        self._control_publisher: ControlPublisher | None = None
        self._control_consumer: ControlConsumer | None = None
        self._threads: list[ConnectionThread] = []
        self._is_cut = False

    def start(self, listener: TransportListener) -> None:
        """See Transport."""
        if len(self._urls) > 1 and self._queue_type == "classic":
            log.warning(
                "several brokers, but classic queues: what is published while the broker that holds a queue is away "
                "misses that queue",
                what_to_do="set CAUSALKV_QUEUE_TYPE=quorum when the brokers form a cluster",
            )
        control_publisher, control_consumer = self._control(listener)
        copies = RejectedCopies(exchange=self._names.rejected, make_properties=self._make_properties)
        self._consumer = consumer = Consumer(
            node_id=self._names.node_id,
            queue=self._names.own_queue,
            prefetch_messages=self._prefetch_messages,
            topology=self._topology,
            conflicts=self._conflicts,
            listener=listener,
            add_copy=copies.add,
            companions=(control_consumer, self._member_queues),
        )
        self._publisher = publisher = Publisher(
            exchange=self._names.writes,
            topology=self._topology,
            conflicts=self._conflicts,
            rejected_copies=copies,
            make_properties=self._make_properties,
            listener=listener,
            companions=(control_publisher,),
        )
        self._threads = [self._thread("publisher", publisher), self._thread("consumer", consumer)]
        for thread in self._threads:
            if self._is_cut:
                thread.cut()
            thread.start()

    def publish(self, message: OutgoingMessage) -> None:
        """See Transport."""
        if self._publisher is not None:
            self._publisher.publish(message)

    def acknowledge(self, connection_epoch: int, tag: int, *, multiple: bool) -> None:
        """See Transport."""
        if self._consumer is not None:
            self._consumer.acknowledge(connection_epoch, tag, multiple=multiple)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """See Transport."""
        if self._consumer is not None:
            self._consumer.reject(delivery, reason)

    def tell(self, target: str | None, body: bytes) -> None:
        """See Transport."""
        if self._control_publisher is not None:
            self._control_publisher.tell(target, body)

    @property
    def control_dropped(self) -> int:
        """See Transport."""
        return 0 if self._control_publisher is None else self._control_publisher.dropped

    def members_are(self, node_ids: Sequence[str]) -> None:
        """See Transport."""
        self._member_queues.members_are(node_ids)

    def delete_queue(self, node_id: str) -> None:
        """See Transport."""
        refuse_to_delete(node_id, own_node_id=self._names.node_id)
        self._member_queues.delete(node_id)

    def cut(self) -> None:
        """See Transport."""
        self._is_cut = True
        for thread in self._threads:
            thread.cut()

    def restore(self) -> None:
        """See Transport."""
        self._is_cut = False
        for thread in self._threads:
            thread.restore()

    def describe(self) -> dict[str, object]:
        """See Transport."""
        publisher, consumer = self._publisher, self._consumer
        is_publishing = publisher is not None and publisher.is_up
        return {
            "kind": "rabbitmq",
            "addresses": [without_secrets(url) for url in self._urls],
            "publisher": "disconnected" if not is_publishing else "blocked" if self._is_blocked() else "connected",
            "consumer": "connected" if consumer is not None and consumer.is_up else "disconnected",
            "last_error": next((thread.last_error for thread in self._threads if thread.last_error), None),
            "server_version": self._server_version,
            "queue_type": self._conflicts.type_of(self._names.own_queue, self._queue_type),
            "control_dropped": self.control_dropped,
        }

    def stop(self, timeout_seconds: float) -> None:
        """See Transport; the publisher first, because acknowledgements may wait for its confirms."""
        if self._consumer is not None:
            self._consumer.is_finishing = True
        if self._control_consumer is not None:
            self._control_consumer.is_finishing = True
        for thread in self._threads:
            thread.stop(timeout_seconds / len(self._threads))
        self._threads = []

    def _control(self, listener: TransportListener) -> tuple[ControlPublisher, ControlConsumer]:
        readiness = ControlReadiness(listener)
        self._control_publisher = ControlPublisher(
            exchange=self._names.control,
            make_properties=self._make_properties,
            is_blocked=self._is_blocked,
            readiness=readiness,
        )
        self._control_consumer = ControlConsumer(
            exchange=self._names.control,
            node_id=self._names.node_id,
            new_queue=self._names.new_control_queue,
            readiness=readiness,
            listener=listener,
        )
        return self._control_publisher, self._control_consumer

    def _thread(self, purpose: str, role: Publisher | Consumer) -> ConnectionThread:
        return ConnectionThread(self._names.node_id, purpose, role, self._urls, partial(self._connect, purpose))

    def _is_blocked(self) -> bool:
        return self._publisher is not None and self._publisher.is_blocked

    def _topology(self, server_version: str) -> Topology:
        self._server_version = server_version
        return self._member_queues.topology(server_version)
