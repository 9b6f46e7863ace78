"""How soon a write is visible at another node, at 500 writes a second, against the raw one-hop latency.

Run by hand: ``python -m tests.benchmarks.visibility``. Both nodes run in this process, so that "visible" is the moment
when a reader of node 2 would see the write, without the time that HTTP takes; the time starts when the write is
handed to node 1. The raw latency is that of pika and RabbitMQ alone, at the same rate in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from infra.ports import free_port
from node.core.vector_clock import VectorClock
from node.core.write import Put
from node.logs import configure_logging
from node.node import Node
from node.settings import Settings
from tests.benchmarks import raw_pika
from tests.benchmarks.figures import Figure, p50, print_figures
from tests.support.broker import PrivateBroker
from tests.support.cluster import wait_until

WANTED_RATIO = 4.0
RATE_PER_SECOND = 500.0


def main() -> int:
    """Measure and print; 1 when the ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each; the median counts")
    arguments = parser.parse_args()
    return print_figures("visible at another node", measure(arguments.writes, arguments.rounds))


def measure(writes: int, rounds: int) -> list[Figure]:
    """The figure."""
    configure_logging(level="warning", form="json", node_id=None)
    raw, visible = [], []
    with PrivateBroker() as broker:
        for round_number in range(rounds):
            raw.append(p50(raw_pika.one_hop_seconds(broker.url, writes, RATE_PER_SECOND)))
            with tempfile.TemporaryDirectory() as directory:
                visible.append(p50(_visible_seconds(Path(directory), broker.url, f"bench{round_number}", writes)))
    measured, ceiling = statistics.median(visible), statistics.median(raw)
    return [
        Figure(
            f"visible elsewhere, p50 at {RATE_PER_SECOND:.0f} writes/s",
            f"{measured * 1e3:.2f} ms",
            f"{ceiling * 1e3:.2f} ms raw one hop",
            measured / ceiling,
            f"<= {WANTED_RATIO}",
            measured / ceiling <= WANTED_RATIO,
        )
    ]


def _visible_seconds(directory: Path, amqp_url: str, cluster: str, writes: int) -> list[float]:
    nodes = [_node(directory, amqp_url, cluster, name) for name in ("node1", "node2")]
    for node in nodes:
        node.start()
    for node in nodes:
        wait_until(lambda node=node: node.service.broker_state == "connected", "connected", 10)  # type: ignore[misc]  # bound at once
    try:
        return _offer_steadily(nodes[0], nodes[1], writes)
    finally:
        for node in nodes:
            node.stop()


def _node(directory: Path, amqp_url: str, cluster: str, name: str) -> Node:
    return Node(
        Settings(
            node_id=name,
            nodes=("node1", "node2"),
            amqp_url=amqp_url,
            cluster=cluster,
            http_port=free_port(),
            data_dir=directory / name,
            log_writes_per_second=0,
        )
    )


def _offer_steadily(origin: Node, reader: Node, writes: int) -> list[float]:
    """One thread writes at the rate; another waits at the other node for each write in turn."""
    empty = VectorClock()
    replica = origin.store.replica
    begun: list[float] = []
    latencies: list[float] = []

    def watch() -> None:
        for n in range(writes):
            reader.service.wait_for(VectorClock({replica: n + 1}), 60)
            latencies.append(time.monotonic() - begun[n])

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic() + 0.1
    for n in range(writes):
        time.sleep(max(0.0, start + n / RATE_PER_SECOND - time.monotonic()))
        begun.append(time.monotonic())
        origin.service.write((Put(f"key{n % 1000}", b'"value"'),), empty, 0)
    watcher.join()
    return latencies


if __name__ == "__main__":
    sys.exit(main())
