"""Replicated writes a second with packing, offered in process, against one message per write through raw pika.

Run by hand: ``python -m tests.benchmarks.replication [--writes 200000] [--rounds 3]``. Node 1 runs in this process
and is offered writes as fast as it takes them; nodes 2 and 3 are processes; a real RabbitMQ shares the machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from infra.ports import free_port
from node import garbage
from node.core.vector_clock import VectorClock
from node.core.write import Put
from node.logs import configure_logging
from node.node import Node
from node.settings import Settings
from node.submission import Submission
from tests.benchmarks import raw_pika
from tests.benchmarks.figures import Figure, print_figures
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest, wait_until

WANTED_RATIO = 8.0
OFFERED_AHEAD = 4_000
RAW_MESSAGES = 30_000


def main() -> int:
    """Measure and print; 1 when the ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each; the median counts")
    arguments = parser.parse_args()
    return print_figures("replication with packing", measure(arguments.writes, arguments.rounds))


def measure(writes: int, rounds: int) -> list[Figure]:
    """The figure."""
    configure_logging(level="warning", form="json", node_id=None)
    rates, ceilings = [], []
    with PrivateBroker() as broker:
        for round_number in range(rounds):
            ceilings.append(raw_pika.throughput(broker.url, RAW_MESSAGES))
            with tempfile.TemporaryDirectory() as directory:
                rates.append(_replicated(Path(directory), broker.url, f"bench{round_number}", writes))
    rate, ceiling = statistics.median(rates), statistics.median(ceilings)
    ratio = rate / ceiling
    return [
        Figure(
            "replicated writes, offered in process",
            f"{rate:,.0f}/s",
            f"{ceiling:,.0f}/s raw pika, one message per write",
            ratio,
            f">= {WANTED_RATIO}",
            ratio >= WANTED_RATIO,
        )
    ]


def _replicated(directory: Path, amqp_url: str, cluster_name: str, writes: int) -> float:
    cluster = ClusterUnderTest(directory, amqp_url, cluster=cluster_name, CAUSALKV_LOG_WRITES_PER_SECOND="0")
    del cluster.nodes["node1"]
    settings = Settings(
        node_id="node1",
        amqp_url=amqp_url,
        cluster=cluster_name,
        http_port=free_port(),
        data_dir=directory / "node1",
        log_writes_per_second=0,
    )
    with cluster:
        node = Node(settings)
        node.start()
        garbage.look_seldom()  # as in a process that is a node
        wait_until(lambda: node.service.broker_state == "connected", "node1 is connected", 10)
        began = time.monotonic()
        _offer(node, writes)
        replica = node.service.replica
        wait_until(
            lambda: all(status["clock"].get(replica) == writes for status in cluster.statuses()), "all are applied", 300
        )
        elapsed = time.monotonic() - began
        node.stop()
    return writes / elapsed


def _offer(node: Node, writes: int) -> None:
    """Hand over writes with a bounded number of unanswered ones."""
    empty = VectorClock()
    waiting: deque[Submission] = deque()
    for n in range(writes):
        submission = Submission((Put(f"key{n % 10_000}", b'"value-%d"' % n),), empty)
        node.engine.thread.put(submission)
        waiting.append(submission)
        if len(waiting) >= OFFERED_AHEAD:
            waiting.popleft().result(60)
    for submission in waiting:
        submission.result(60)


if __name__ == "__main__":
    sys.exit(main())
