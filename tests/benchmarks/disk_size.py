"""The size of the local stores under a load that overwrites 10 000 keys for ever: it levels off.

Run by hand: ``python -m tests.benchmarks.disk_size [--writes 400000]``. Three nodes, node1 in this process and offered
writes as fast as all three take them; history keeps what the settings' defaults say. Prints the curve.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.ports import free_port
from node.core.vector_clock import VectorClock
from node.core.write import Put
from node.logs import configure_logging
from node.node import Node
from node.settings import Settings
from node.submission import Submission
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest, wait_until

KEYS = 10_000
POINTS = 20
BAR_CHARACTERS = 50
# Free pages come and go; what counts is that the second half adds next to nothing.
LEVEL_RATIO = 1.1


def main() -> int:
    """Measure and print; 1 when the size still grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=400_000)
    arguments = parser.parse_args()
    configure_logging(level="warning", form="json", node_id=None)
    with PrivateBroker() as broker, tempfile.TemporaryDirectory() as directory:
        curve = _measure(Path(directory), broker.url, arguments.writes)
    return _print(curve)


def _measure(directory: Path, amqp_url: str, writes: int) -> list[tuple[int, dict[str, int]]]:
    """After so many writes, the bytes in use at each node."""
    cluster = ClusterUnderTest(directory, amqp_url, CAUSALKV_LOG_LEVEL="warning")
    del cluster.nodes["node1"]
    settings = Settings(
        node_id="node1", amqp_url=amqp_url, http_port=free_port(), data_dir=directory / "node1", log_writes_per_second=0
    )
    node = Node(settings)
    node.start()
    try:
        with cluster:
            return [_grow(node, cluster, writes // POINTS, point) for point in range(1, POINTS + 1)]
    finally:
        node.stop()


def _grow(node: Node, cluster: ClusterUnderTest, writes: int, point: int) -> tuple[int, dict[str, int]]:
    submissions = []
    for n in range(writes):
        submissions.append(Submission((Put(f"key{n % KEYS:05}", b'"%0100d"' % (point * writes + n)),), VectorClock()))
        node.engine.thread.put(submissions[-1])
    for submission in submissions:
        submission.result(120.0)
    total = point * writes
    wait_until(
        lambda: all(sum(each.status()["clock"].values()) >= total for each in cluster), "all have all of it", 120.0
    )
    sizes = {each.name: int(each.status()["store_used_bytes"]) for each in cluster}
    return total, {"node1": node.service.store_used_bytes, **sizes}


def _print(curve: list[tuple[int, dict[str, int]]]) -> int:
    largest = max(max(sizes.values()) for _, sizes in curve)
    table = Table("writes", "largest store", "", *sorted(curve[0][1]), title=f"{KEYS:,} keys overwritten for ever")
    for total, sizes in curve:
        size = max(sizes.values())
        bar = "█" * round(BAR_CHARACTERS * size / largest)
        table.add_row(f"{total:,}", _mib(size), bar, *(_mib(sizes[name]) for name in sorted(sizes)))
    console = Console(width=140)
    console.print(table)
    half = max(curve[len(curve) // 2 - 1][1].values())
    ratio = max(curve[-1][1].values()) / half
    console.print(f"at the end {ratio:.2f} times the size at half of the writes (levels off: at most {LEVEL_RATIO})")
    return int(ratio > LEVEL_RATIO)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"


if __name__ == "__main__":
    sys.exit(main())
