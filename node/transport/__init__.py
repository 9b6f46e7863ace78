"""How nodes reach each other: the port, and what stands behind it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from node.settings import MEMORY_URL
from node.transport.memory import MemoryTransport
from node.transport.memory_fanout import QUEUE_MAX_MESSAGES, MemoryFanout

if TYPE_CHECKING:
    from node.settings import Settings
    from node.transport.port import Transport

__all__ = ["create_transport", "shared_fanout"]

_fanouts: dict[str, MemoryFanout] = {}
_fanouts_lock = threading.Lock()


def shared_fanout(cluster: str, *, queue_max_messages: int = QUEUE_MAX_MESSAGES) -> MemoryFanout:
    """The in-process fanout of this cluster, one in the process; who asks for it first sets its limit."""
    with _fanouts_lock:
        return _fanouts.setdefault(cluster, MemoryFanout(queue_max_messages=queue_max_messages))


def create_transport(settings: Settings) -> Transport:
    """The transport that the settings ask for, not started.

    Raises ConfigurationError when the broker's address or a node id cannot be used.
    """
    if settings.amqp_urls == (MEMORY_URL,):
        return MemoryTransport(
            shared_fanout(settings.cluster, queue_max_messages=settings.queue_max_messages),
            settings.node_id,
            founding_members=settings.nodes,
            prefetch_messages=settings.prefetch_messages,
        )
    # pika takes a tenth of a second to import: whoever uses the in-process fanout need not wait for it.
    from node.transport.rabbitmq import RabbitMQTransport  # noqa: PLC0415

    return RabbitMQTransport(
        node_id=settings.node_id,
        founding_members=settings.nodes,
        cluster=settings.cluster,
        urls=settings.amqp_urls,
        queue_type=settings.queue_type,
        queue_max_messages=settings.queue_max_messages,
        prefetch_messages=settings.prefetch_messages,
        heartbeat_seconds=settings.broker_heartbeat_seconds,
    )
