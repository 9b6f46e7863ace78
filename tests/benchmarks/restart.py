"""Restart of a node with 1 000 000 keys: from the start of the process to ready.

Run by hand: ``python -m tests.benchmarks.restart [--keys 1000000]``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.figures import Figure, print_figures
from tests.benchmarks.filled_store import fill_store
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest

WANTED_SECONDS = 2.0


def main() -> int:
    """Measure and print; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    return print_figures("restart", measure(arguments.keys, arguments.rounds))


def measure(keys: int, rounds: int) -> list[Figure]:
    """The figure; a node without data is the floor."""
    with tempfile.TemporaryDirectory() as directory, PrivateBroker() as broker:
        floor = _start_seconds(Path(directory) / "empty", broker.url, "empty", rounds)
        fill_store(Path(directory) / "full" / "node1", cluster="full", node="node1", keys=keys)
        full = _start_seconds(Path(directory) / "full", broker.url, "full", rounds)
    return [
        Figure(
            f"start with {keys:,} keys until ready",
            f"{full:.2f} s",
            f"{floor:.2f} s with none",
            full / floor,
            f"<= {WANTED_SECONDS} s",
            full <= WANTED_SECONDS,
        )
    ]


def _start_seconds(directory: Path, amqp_url: str, cluster: str, rounds: int) -> float:
    found = []
    for _ in range(rounds):
        nodes = ClusterUnderTest(directory, amqp_url, cluster=cluster, size=1)
        began = time.monotonic()
        nodes["node1"].start()
        nodes["node1"].wait_ready()
        found.append(time.monotonic() - began)
        nodes["node1"].terminate()
        nodes.kill()
    return statistics.median(found)


if __name__ == "__main__":
    sys.exit(main())
