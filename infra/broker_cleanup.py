"""Removing a demo's exchanges and queues from a broker that somebody else runs."""

from __future__ import annotations

import contextlib

import pika
from pika.exceptions import AMQPError

from infra.local_cluster import NODE_IDS

QUEUES = (*NODE_IDS, "rejected")
EXCHANGES = ("writes", "control", "rejected")


def delete_cluster(amqp_urls: list[str], cluster: str) -> None:
    """Delete what a stopped cluster of this name left; what cannot be deleted is left there.

    A blocking connection is right here: a few requests in a row, then nothing.
    """
    for url in amqp_urls:
        try:
            connection = pika.BlockingConnection(pika.URLParameters(url))
        except (AMQPError, OSError):
            continue
        # Deleting what does not exist is no error for RabbitMQ.
        with contextlib.suppress(AMQPError), connection:
            channel = connection.channel()
            for queue in QUEUES:
                channel.queue_delete(f"{cluster}.{queue}")
            for exchange in EXCHANGES:
                channel.exchange_delete(f"{cluster}.{exchange}")
        return
