"""What a node gets back in a second: missing writes by repair, a million keys by a snapshot; beside normal delivery.

Run by hand: ``python -m tests.benchmarks.healing [--writes 100000] [--keys 1000000]``. node1 has the data and node2
nothing; both are processes, and a real RabbitMQ shares the machine. Each rate is from the moment that node2 is first
seen to have something to the moment that it has all of it, so that no waiting for a gap to be noticed counts.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pika

from node.logs import configure_logging
from tests.benchmarks.figures import Figure, print_figures
from tests.benchmarks.filled_store import fill_store
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest, NodeUnderTest

TIMEOUT_SECONDS = 900.0
POLL_SECONDS = 0.05
MESSAGE_MAX_BYTES = 2**20


class Measured(NamedTuple):
    """One way for node2 to get everything."""

    rate: float
    seconds_in_all: float
    largest_message_bytes: int
    memory_bytes: tuple[int, int]


class ControlWatch:
    """The largest message on the control exchange to node2."""

    def __init__(self, url: str, cluster: str) -> None:
        self.largest_bytes = 0
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = self._connection.channel()
        channel.exchange_declare(f"{cluster}.control", "direct", durable=True)
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, f"{cluster}.control", "node.node2")
        channel.basic_consume(queue, self._saw, auto_ack=True)
        self._channel = channel
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(pika.exceptions.AMQPError):  # the broker ends with the run
            self._channel.start_consuming()

    def _saw(self, _channel: object, _method: object, _properties: object, body: bytes) -> None:
        self.largest_bytes = max(self.largest_bytes, len(body))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=100_000, help="missing writes to be repaired")
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys to be taken as a snapshot")
    arguments = parser.parse_args()
    return print_figures("healing", measure(arguments.writes, arguments.keys))


def measure(writes: int, keys: int) -> list[Figure]:
    """The figures; there is no target but the size of a message."""
    configure_logging(level="warning", form="json", node_id=None)
    with PrivateBroker() as broker:
        delivered = _measure(broker, "delivered", writes, published=False)
        repaired = _measure(broker, "repaired", writes, CAUSALKV_SNAPSHOT_FROM_WRITES=str(2 * writes))
        taken = _measure(broker, "snapshot", keys, CAUSALKV_SNAPSHOT_FROM_WRITES="1")
    ceiling = f"{delivered.rate:,.0f} writes/s delivered through the queue"
    return [
        _figure(f"repair of {writes:,} missing writes", repaired, ceiling, delivered),
        _figure(f"snapshot of {keys:,} keys", taken, ceiling, delivered),
    ]


def _figure(what: str, measured: Measured, ceiling: str, delivered: Measured) -> Figure:
    giver, taker = (f"{size / 2**20:.0f}" for size in measured.memory_bytes)
    return Figure(
        f"{what}: {measured.seconds_in_all:.1f} s, memory {giver} MiB at the giver, {taker} MiB at the taker, largest "
        f"message {measured.largest_message_bytes / 1024:.0f} KiB",
        f"{measured.rate:,.0f}/s",
        ceiling,
        measured.rate / delivered.rate,
        "no message above 1 MiB",
        measured.largest_message_bytes <= MESSAGE_MAX_BYTES,
    )


def _measure(
    broker: PrivateBroker, cluster: str, count: int, *, published: bool = True, **environment: str
) -> Measured:
    with tempfile.TemporaryDirectory() as directory:
        nodes = ClusterUnderTest(
            Path(directory),
            broker.url,
            cluster=cluster,
            size=2,
            CAUSALKV_HISTORY_KEEP_WRITES=str(count),
            CAUSALKV_LOG_LEVEL="warning",
            **environment,
        )
        fill_store(nodes["node1"].data_dir, cluster=cluster, node="node1", keys=count, published=published)
        watch = ControlWatch(broker.url, cluster)
        try:
            return _run(nodes["node1"], nodes["node2"], count, watch)
        finally:
            nodes.kill()


def _run(giver: NodeUnderTest, taker: NodeUnderTest, count: int, watch: ControlWatch) -> Measured:
    taker.start()
    giver.start()
    began = time.monotonic()
    first_seen: tuple[float, int] | None = None
    memory = (0, 0)
    while True:
        applied, on_the_way = _progress(taker)
        memory = (max(memory[0], _memory(giver)), max(memory[1], _memory(taker)))
        now = time.monotonic()
        if first_seen is None and (applied or on_the_way):
            first_seen = (now, max(applied, on_the_way))
        if applied >= count:
            break
        if now - began > TIMEOUT_SECONDS:
            raise TimeoutError(f"{applied:,} of {count:,} after {TIMEOUT_SECONDS:.0f} s\n{taker.log_tail()}")
        time.sleep(POLL_SECONDS)
    since, had = first_seen or (began, 0)
    ended = time.monotonic()
    return Measured((count - had) / max(ended - since, POLL_SECONDS), ended - began, watch.largest_bytes, memory)


def _progress(node: NodeUnderTest) -> tuple[int, int]:
    """Writes applied, and keys of a snapshot that have come."""
    try:
        status = node.status()
    except Exception:  # noqa: BLE001  # it is starting
        return 0, 0
    snapshot = status["healing"]["snapshot"] or {}
    return sum(status["clock"].values()), int(snapshot.get("keys", 0))


def _memory(node: NodeUnderTest) -> int:
    """What a process holds for itself; the database is mapped, and its pages belong to the system's cache."""
    status = Path(f"/proc/{node.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))


if __name__ == "__main__":
    sys.exit(main())
