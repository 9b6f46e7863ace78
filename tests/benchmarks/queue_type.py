"""Classic against quorum queues, through the node's own transport: ``python -m tests.benchmarks.queue_type``.

Three nodes share a private broker; one publishes with a window of unconfirmed messages, all three consume
and acknowledge. The two types take turns, so that a change of the machine's mood meets both; the table shows
the median of the rounds. Everything of the nodes is in this process: trust the ratios, and the broker's CPU time.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import structlog
from rich.console import Console
from rich.table import Table

from node.transport.port import OutgoingMessage
from node.transport.rabbitmq import RabbitMQTransport
from tests.support.broker import PrivateBroker

if TYPE_CHECKING:
    from node.settings import QueueType
    from node.transport.port import ControlDelivery, Delivery

NODES = ("node1", "node2", "node3")
QUEUE_TYPES: tuple[QueueType, ...] = ("classic", "quorum")
WAIT_SECONDS = 120.0
ACKNOWLEDGE_EVERY = 32
LATENCY_SAMPLES = 300
LATENCY_PAUSE_SECONDS = 0.002


@dataclass(frozen=True)
class Load:
    """What is published: ``writes`` of 200 bytes in a message, so many messages, so many of them unconfirmed."""

    name: str
    writes: int
    messages: int
    window: int


LOADS = (
    Load("1 write a message, window 64", 1, 10_000, 64),
    Load("1 write a message, window 1000", 1, 10_000, 1_000),
    Load("100 writes a message, window 64", 100, 3_000, 64),
)


class Node:
    """A transport and its listener, which acknowledges, counts, and keeps the window."""

    def __init__(self, url: str, cluster: str, node_id: str, queue_type: QueueType) -> None:
        self.transport = RabbitMQTransport(
            node_id=node_id,
            founding_members=NODES,
            cluster=cluster,
            urls=[url],
            queue_type=queue_type,
            queue_max_messages=1_000_000,
            prefetch_messages=128,
            heartbeat_seconds=30,
        )
        self.changed = threading.Condition()
        self.up = 0
        self.delivered_messages = 0
        self.confirmed_messages = 0
        self.last_delivered_at = 0.0
        self.transport.start(self)

    def _note(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def publisher_up(self) -> None:
        """See TransportListener."""
        self.up += 1
        self._note()

    def consumer_up(self, _connection_epoch: int, _backlog_messages: int) -> None:
        """See TransportListener."""
        self.up += 1
        self._note()

    def publish_confirmed(self, publish_ids: list[int]) -> None:
        """See TransportListener."""
        self.confirmed_messages += len(publish_ids)
        self._note()

    def delivered(self, delivery: Delivery) -> None:
        """See TransportListener."""
        self.last_delivered_at = time.perf_counter()
        self.delivered_messages += 1
        if delivery.tag % ACKNOWLEDGE_EVERY == 0:
            self.transport.acknowledge(delivery.connection_epoch, delivery.tag, multiple=True)
        self._note()

    def control_up(self) -> None:
        """See TransportListener."""

    def control_received(self, delivery: ControlDelivery) -> None:
        """See TransportListener."""

    def publisher_down(self, reason: str) -> None:
        """See TransportListener."""
        raise SystemExit(f"the measurement is void: {reason}")

    consumer_down = publisher_blocked = publisher_down

    def publisher_unblocked(self) -> None:
        """See TransportListener."""

    def publish_refused(self, _publish_ids: list[int], reason: str) -> None:
        """See TransportListener."""
        raise SystemExit(f"the measurement is void: {reason}")

    def wait(self, *, up: int = 0, delivered: int = 0, confirmed: int = 0) -> None:
        """Wait until at least so much has happened."""
        with self.changed:
            reached = self.changed.wait_for(
                lambda: self.up >= up and self.delivered_messages >= delivered and self.confirmed_messages >= confirmed,
                WAIT_SECONDS,
            )
        if not reached:
            raise SystemExit(f"not reached in {WAIT_SECONDS:.0f} s: the measurement is void")


@dataclass
class Rates:
    """The results of several rounds for one type of queue and one load."""

    per_second: list[float]
    broker_cpu_us: list[float]


class Cluster:
    """Three nodes on queues of one type."""

    def __init__(self, url: str, queue_type: QueueType) -> None:
        self.nodes = [Node(url, f"bench-{queue_type}", node_id, queue_type) for node_id in NODES]
        self._next_id = 0
        for node in self.nodes:
            node.wait(up=2)

    def _message(self, body: bytes) -> OutgoingMessage:
        self._next_id += 1
        return OutgoingMessage(self._next_id, f"node1~bench:{self._next_id}", body, "node1~bench")

    def throughput(self, load: Load) -> float:
        """Messages per second until all three nodes have all of them."""
        first, body = self.nodes[0], b"x" * (200 * load.writes)
        delivered, confirmed = [node.delivered_messages for node in self.nodes], first.confirmed_messages
        began = time.perf_counter()
        for number in range(load.messages):
            if number >= load.window:
                first.wait(confirmed=confirmed + number - load.window + 1)
            first.transport.publish(self._message(body))
        for node, before in zip(self.nodes, delivered, strict=True):
            node.wait(delivered=before + load.messages)
        return load.messages / (time.perf_counter() - began)

    def latency_ms(self) -> float:
        """The median time from publishing at one node to the delivery at another, when nothing else happens."""
        first, other = self.nodes[:2]
        samples = []
        for _ in range(LATENCY_SAMPLES):
            before = other.delivered_messages
            began = time.perf_counter()
            first.transport.publish(self._message(b"x" * 200))
            other.wait(delivered=before + 1)
            samples.append(other.last_delivered_at - began)
            time.sleep(LATENCY_PAUSE_SECONDS)
        return statistics.median(samples) * 1000

    def stop(self) -> None:
        """Close all connections."""
        for node in self.nodes:
            node.transport.stop(5.0)


def broker_cpu_seconds() -> float:
    """CPU time that the broker, a child of this process, has used."""
    beams = [child for child in psutil.Process().children(recursive=True) if child.name().startswith("beam")]
    return sum(sum(beam.cpu_times()[:2]) for beam in beams)


def measure(rounds: int) -> Table:
    """Measure both types in turn."""
    table = Table(
        "load", "queues", "messages/s", "writes/s", "broker CPU µs a message", title="three nodes, one broker"
    )
    with PrivateBroker() as broker:
        clusters = {queue_type: Cluster(broker.url, queue_type) for queue_type in QUEUE_TYPES}
        for load in LOADS:
            rates = {queue_type: Rates([], []) for queue_type in QUEUE_TYPES}
            for _ in range(rounds):
                for queue_type, cluster in clusters.items():
                    cpu_before = broker_cpu_seconds()
                    rates[queue_type].per_second.append(cluster.throughput(load))
                    cpu_seconds = broker_cpu_seconds() - cpu_before
                    rates[queue_type].broker_cpu_us.append(cpu_seconds / load.messages * 1e6)
            for queue_type, result in rates.items():
                per_second, cpu_us = statistics.median(result.per_second), statistics.median(result.broker_cpu_us)
                table.add_row(
                    load.name, queue_type, f"{per_second:,.0f}", f"{per_second * load.writes:,.0f}", f"{cpu_us:.0f}"
                )
        latencies: dict[QueueType, list[float]] = {queue_type: [] for queue_type in QUEUE_TYPES}
        for _ in range(rounds):
            for queue_type, cluster in clusters.items():
                latencies[queue_type].append(cluster.latency_ms())
        for queue_type, milliseconds in latencies.items():
            table.add_row("one message at a time", queue_type, f"p50 {statistics.median(milliseconds):.2f} ms", "", "")
        for cluster in clusters.values():
            cluster.stop()
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    Console().print(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
