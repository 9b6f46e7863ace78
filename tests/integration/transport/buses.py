"""What the contract's tests need of a transport beyond the port: to make it, break it, and look behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pika
from pika.exceptions import ChannelClosedByBroker

from node.transport.memory import MemoryTransport
from node.transport.memory_fanout import MemoryFanout
from node.transport.rabbitmq import RabbitMQTransport
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from node.settings import QueueType
    from node.transport.port import Transport

FOUNDERS = ("node1", "node2")
HEARTBEAT_SECONDS = 30
# Small enough for a test to fill, large enough for the others not to.
QUEUE_MAX_MESSAGES = 1_000


class Bus(Protocol):
    """A broker, or what stands for one, used by several transports."""

    def transport(self, node_id: str, *, prefetch_messages: int = 100) -> Transport:
        """A transport for this node, not started."""

    def switch_off(self) -> None:
        """Break all connections, and let none be made."""

    def switch_on(self) -> None:
        """The end of ``switch_off``."""

    def rejected(self) -> list[tuple[bytes, str]]:
        """The rejected messages so far: body and reason of each."""

    def backlog(self, node_id: str) -> int | None:
        """How many messages wait in a node's queue, told with some delay; None when there is no such queue."""


class MemoryBus:
    """The in-process fanout."""

    def __init__(self) -> None:
        self.fanout = MemoryFanout(queue_max_messages=QUEUE_MAX_MESSAGES)

    def transport(self, node_id: str, *, prefetch_messages: int = 100) -> Transport:
        """See Bus."""
        return MemoryTransport(self.fanout, node_id, founding_members=FOUNDERS, prefetch_messages=prefetch_messages)

    def switch_off(self) -> None:
        """See Bus."""
        self.fanout.switch_off()

    def switch_on(self) -> None:
        """See Bus."""
        self.fanout.switch_on()

    def rejected(self) -> list[tuple[bytes, str]]:
        """See Bus."""
        return [(message.body, message.reason) for message in list(self.fanout.rejected)]

    def backlog(self, node_id: str) -> int | None:
        """See Bus."""
        with self.fanout.changed:
            queue = self.fanout.queues.get(node_id)
            return None if queue is None else len(queue)


def rabbitmq_transport(
    url: str,
    cluster: str,
    node_id: str = "node1",
    *,
    founding_members: tuple[str, ...] = FOUNDERS,
    queue_type: QueueType = "classic",
    queue_max_messages: int = QUEUE_MAX_MESSAGES,
    prefetch_messages: int = 100,
) -> RabbitMQTransport:
    """A transport for one or several comma-separated addresses."""
    return RabbitMQTransport(
        node_id=node_id,
        founding_members=founding_members,
        cluster=cluster,
        urls=url.split(","),
        queue_type=queue_type,
        queue_max_messages=queue_max_messages,
        prefetch_messages=prefetch_messages,
        heartbeat_seconds=HEARTBEAT_SECONDS,
    )


class RabbitMQBus:
    """A real broker, behind a proxy that the test can cut."""

    def __init__(self, url: str, cluster: str, queue_type: QueueType) -> None:
        self._direct = pika.URLParameters(url)
        self._cluster = cluster
        self._queue_type: QueueType = queue_type
        self.password: str = self._direct.credentials.password
        self.proxy = TcpProxy(self._direct.host, self._direct.port)
        self.url = url.replace(f"@{self._direct.host}:{self._direct.port}/", f"@127.0.0.1:{self.proxy.port}/")

    def transport(self, node_id: str, *, prefetch_messages: int = 100) -> Transport:
        """See Bus."""
        return rabbitmq_transport(
            self.url, self._cluster, node_id, queue_type=self._queue_type, prefetch_messages=prefetch_messages
        )

    def switch_off(self) -> None:
        """See Bus."""
        self.proxy.cut()

    def switch_on(self) -> None:
        """See Bus."""
        self.proxy.restore()

    def rejected(self) -> list[tuple[bytes, str]]:
        """See Bus."""
        found = read_messages(self._direct, f"{self._cluster}.rejected")
        return [(body, (properties.headers or {})["x-causalkv-reason"]) for properties, body in found]

    def backlog(self, node_id: str) -> int | None:
        """See Bus."""
        connection = pika.BlockingConnection(self._direct)
        try:
            found = connection.channel().queue_declare(f"{self._cluster}.{node_id}", passive=True)
        except ChannelClosedByBroker:
            return None
        else:
            return int(found.method.message_count)
        finally:
            connection.close()


def read_messages(parameters: pika.URLParameters, queue: str) -> list[tuple[pika.BasicProperties, bytes]]:
    """What is in a queue, past the transport; the messages stay there."""
    messages: list[tuple[pika.BasicProperties, bytes]] = []
    connection = pika.BlockingConnection(parameters)
    try:
        channel = connection.channel()
        while True:
            found, properties, body = channel.basic_get(queue)
            if found is None:
                return messages
            messages.append((properties, body))
    finally:
        connection.close()
