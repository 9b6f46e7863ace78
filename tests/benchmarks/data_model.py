"""Every operation of the data model at three real nodes over a private RabbitMQ, as ``client bench`` measures it.

Run by hand: ``python -m tests.benchmarks.data_model [--seconds 5] [--connections 32] [--size 100] [--json]``.
No targets: the figures are for comparing one version with another, on one machine and at one time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from client import Client, render
from client.bench import report
from client.bench.cases import CASES
from client.bench.run import BenchPlan, BenchRun, Report
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each case")
    parser.add_argument("--connections", type=int, default=32, help="at a time, over all nodes")
    parser.add_argument("--size", type=int, default=100, help="bytes of a value")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    plan = BenchPlan(arguments.seconds, arguments.connections, arguments.size, list(CASES))
    found = measure(plan)
    if arguments.json:
        render.show_json(report.as_json(found))
    else:
        report.show(found)
    return 0


def measure(plan: BenchPlan) -> Report:
    """The figures of a fresh cluster."""
    with (
        tempfile.TemporaryDirectory() as directory,
        PrivateBroker() as broker,
        ClusterUnderTest(Path(directory), broker.url, CAUSALKV_LOG_LEVEL="warning") as cluster,
        Client(cluster.urls.split(",")) as client,
    ):
        found = BenchRun(client, plan, lambda _what, _part: None).play()
        cluster.quiesce()
    return found


if __name__ == "__main__":
    sys.exit(main())
