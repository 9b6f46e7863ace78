"""The port's transport over an AMQP broker, whatever the client library: two connections, put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from node.transport.connection_thread import ConnectionThread
from node.transport.consumer import Consumer
from node.transport.declaration import QueueConflicts
from node.transport.publisher import Publisher
from node.transport.reconnect import without_secrets
from node.transport.rejected_copies import RejectedCopies
from node.transport.topology import ClusterNames, Topology, cluster_topology, parse_server_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.settings import QueueType
    from node.transport.amqp import MakeProperties
    from node.transport.connection_thread import RunningSession, SessionEvents
    from node.transport.port import Delivery, OutgoingMessage, TransportListener

log = structlog.get_logger("causalkv.transport")


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
        self._server_version: str | None = None
        self._publisher: Publisher | None = None
        self._consumer: Consumer | None = None
        self._threads: list[ConnectionThread] = []

    def start(self, listener: TransportListener) -> None:
        """See Transport."""
        if len(self._urls) > 1 and self._queue_type == "classic":
            log.warning(
                "several brokers, but classic queues: what is published while the broker that holds a queue is away "
                "misses that queue; set CAUSALKV_QUEUE_TYPE=quorum when they form a cluster"
            )
        copies = RejectedCopies(exchange=self._names.rejected, make_properties=self._make_properties)
        self._consumer = consumer = Consumer(
            node_id=self._names.node_id,
            queue=self._names.own_queue,
            prefetch_messages=self._prefetch_messages,
            topology=self._topology,
            conflicts=self._conflicts,
            listener=listener,
            add_copy=copies.add,
        )
        self._publisher = publisher = Publisher(
            exchange=self._names.writes,
            topology=self._topology,
            conflicts=self._conflicts,
            rejected_copies=copies,
            make_properties=self._make_properties,
            listener=listener,
        )
        self._threads = [self._thread("publisher", publisher), self._thread("consumer", consumer)]
        for thread in self._threads:
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

    def describe(self) -> dict[str, object]:
        """See Transport."""
        publisher, consumer = self._publisher, self._consumer
        is_publishing = publisher is not None and publisher.is_up
        is_blocked = publisher is not None and publisher.is_blocked
        return {
            "kind": "rabbitmq",
            "addresses": [without_secrets(url) for url in self._urls],
            "publisher": "disconnected" if not is_publishing else "blocked" if is_blocked else "connected",
            "consumer": "connected" if consumer is not None and consumer.is_up else "disconnected",
            "last_error": next((thread.last_error for thread in self._threads if thread.last_error), None),
            "server_version": self._server_version,
            "queue_type": self._conflicts.type_of(self._names.own_queue, self._queue_type),
        }

    def stop(self, timeout_seconds: float) -> None:
        """See Transport; the publisher first, because acknowledgements may wait for its confirms."""
        if self._consumer is not None:
            self._consumer.is_finishing = True
        for thread in self._threads:
            thread.stop(timeout_seconds / len(self._threads))
        self._threads = []

    def _thread(self, purpose: str, role: Publisher | Consumer) -> ConnectionThread:
        return ConnectionThread(purpose, role, self._urls, partial(self._connect, purpose))

    def _topology(self, server_version: str) -> Topology:
        self._server_version = server_version
        return cluster_topology(self._names, self._queue_type, parse_server_version(server_version))
