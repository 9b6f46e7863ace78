"""How soon a write is visible at another node, at 500 writes a second, against the raw one-hop latency.

Run by hand: ``python -m tests.benchmarks.visibility``. Each node is a process. The time starts when the write is handed
to node 1 (in process, without HTTP) and ends when a reader of node 2 would see it, two synced commits and a hop later.
The raw latency is that of pika and RabbitMQ alone, at the same rate in the same run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

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
    reader = _node(directory, amqp_url, cluster, "node2")
    here, there = multiprocessing.Pipe()
    origin = multiprocessing.get_context("spawn").Process(
        target=_offer_steadily, args=(directory, amqp_url, cluster, writes, there)
    )
    reader.start()
    origin.start()
    try:
        _wait_connected(reader)
        replica = here.recv()
        here.send("go")
        seen = []
        for n in range(writes):
            reader.service.wait_for(VectorClock({replica: n + 1}), 60)
            seen.append(time.monotonic())
        begun = here.recv()
    finally:
        origin.join(30)
        reader.stop()
    return [later - earlier for earlier, later in zip(begun, seen, strict=True)]


def _offer_steadily(directory: Path, amqp_url: str, cluster: str, writes: int, other: Connection) -> None:
    """In a process of its own: node 1, and one thread that writes at the rate."""
    configure_logging(level="warning", form="json", node_id=None)
    node = _node(directory, amqp_url, cluster, "node1")
    node.start()
    _wait_connected(node)
    other.send(node.service.replica)
    other.recv()
    empty = VectorClock()
    begun = []
    start = time.monotonic() + 0.1
    for n in range(writes):
        time.sleep(max(0.0, start + n / RATE_PER_SECOND - time.monotonic()))
        begun.append(time.monotonic())
        node.service.write((Put(f"key{n % 1000}", b'"value"'),), empty, 0)
    other.send(begun)
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


def _wait_connected(node: Node) -> None:
    wait_until(lambda: node.service.broker_state == "connected", f"{node.settings.node_id} is connected", 20)


if __name__ == "__main__":
    sys.exit(main())
