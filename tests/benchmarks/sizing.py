"""What a node needs: disk for each key, memory, time to start; for docs/operations.md.

Run by hand: ``python -m tests.benchmarks.sizing [--keys 200000]``. One real node over a real broker, filled by batches.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest, NodeUnderTest

VALUE_SIZES_BYTES = (100, 1_000, 10_000)
BATCH_MAX, BATCH_MAX_BYTES = 500, 1_000_000
MIB = 2**20


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=200_000)
    keys = parser.parse_args().keys
    table = Table("value", "keys", "disk", "for each key", "memory, empty", "memory, filled", "ready after")
    with PrivateBroker() as broker:
        for size_bytes in VALUE_SIZES_BYTES:
            count = min(keys, keys * VALUE_SIZES_BYTES[0] * 5 // size_bytes)
            table.add_row(f"{size_bytes:,} B", f"{count:,}", *_measure(broker.url, size_bytes, count))
    Console(width=140).print(table)
    return 0


def _measure(amqp_url: str, size_bytes: int, count: int) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        with ClusterUnderTest(Path(directory), amqp_url, cluster=f"size{size_bytes}", size=1) as cluster:
            node = cluster["node1"]
            empty_bytes = _memory(node)
            _fill(node, size_bytes, count)
            used_bytes, filled_bytes = int(node.status()["store_used_bytes"]), _memory(node)
            node.terminate()
            began = time.monotonic()
            node.start()
            node.wait_ready()
            started_seconds = time.monotonic() - began
        return [
            f"{used_bytes / MIB:.0f} MiB",
            f"{used_bytes / count:.0f} B",
            f"{empty_bytes / MIB:.0f} MiB",
            f"{filled_bytes / MIB:.0f} MiB",
            f"{started_seconds:.1f} s",
        ]


def _fill(node: NodeUnderTest, size_bytes: int, count: int) -> None:
    value = "v" * (size_bytes - 2)
    step = min(BATCH_MAX, BATCH_MAX_BYTES // size_bytes)
    for start in range(0, count, step):
        names = range(start, min(start + step, count))
        ops = [{"op": "put", "key": f"user/{number:09}", "value": value} for number in names]
        node.http.post("/batch", json={"ops": ops}).raise_for_status()


def _memory(node: NodeUnderTest) -> int:
    return int(psutil.Process(node.pid).memory_info().rss)


if __name__ == "__main__":
    sys.exit(main())
