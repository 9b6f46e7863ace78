"""Gets and durable puts of an embedded replica, against the bare store and the disk's own sync.

Run by hand: ``python -m tests.benchmarks.embedded [--seconds 3]``. One process, no broker: what a call costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from node import Replica
from node.core.vector_clock import VectorClock
from tests.benchmarks.figures import Figure, print_figures

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = 1_000
VALUE = {"name": "value", "numbers": [1, 2, 3]}
THREADS = 16


def main() -> int:
    """Measure and print; there is no target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    return print_figures("embedded replica", measure(parser.parse_args().seconds))


def measure(seconds: float) -> list[Figure]:
    """The figures of one replica that runs alone."""
    with tempfile.TemporaryDirectory() as directory:
        alone = Replica(
            "node1",
            nodes=("node1",),
            amqp_url="memory://",
            data_dir=Path(directory) / "node1",
            log_writes_per_second=0,
        )
        with alone as replica:
            for number in range(KEYS):
                replica.put(f"key{number}", VALUE)
            session = replica.session()
            reading = replica._access.service.reading  # the same read without Python objects
            syncs = _timed(_sync(Path(directory) / "sync"), seconds, 1)
            reads = _timed(lambda n: reading.read(f"key{n % KEYS}", VectorClock(), 0), seconds, 1)
            figures = [
                _figure("get", _timed(lambda n: replica.get(f"key{n % KEYS}"), seconds, 1), reads, "bare reads"),
                _figure(
                    "get in a session", _timed(lambda n: session.get(f"key{n % KEYS}"), seconds, 1), reads, "bare reads"
                ),
                _figure("put", _timed(lambda n: replica.put(f"key{n % KEYS}", VALUE), seconds, 1), syncs, "syncs"),
                _figure(
                    f"put, {THREADS} threads",
                    _timed(lambda n: replica.put(f"key{n % KEYS}", VALUE), seconds, THREADS),
                    syncs,
                    "syncs",
                ),
            ]
    return figures


def _sync(path: Path) -> Callable[[int], object]:
    """An append that is on the disk when it returns."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)

    def append(_number: int) -> None:
        os.write(descriptor, b"x" * 4096)
        os.fdatasync(descriptor)

    return append


def _timed(call: Callable[[int], object], seconds: float, threads: int) -> list[float]:
    """How long each call took, in seconds; the last item is the rate of all threads together."""
    took: list[list[float]] = [[] for _ in range(threads)]
    until = time.perf_counter() + seconds

    def repeat(mine: list[float], first: int) -> None:
        number, began = first, time.perf_counter()
        while began < until:
            call(number)
            number, ended = number + threads, time.perf_counter()
            mine.append(ended - began)
            began = ended

    workers = [threading.Thread(target=repeat, args=(mine, first)) for first, mine in enumerate(took)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    every = [each for mine in took for each in mine]
    return [*every, len(every) / seconds]


def _figure(what: str, measured: list[float], ceiling: list[float], name: str) -> Figure:
    *times, rate = measured
    hundredths = statistics.quantiles(times, n=100)
    return Figure(
        what,
        f"{rate:,.0f}/s, p50 {hundredths[49] * 1e6:,.0f} µs, p99 {hundredths[98] * 1e6:,.0f} µs",
        f"{ceiling[-1]:,.0f}/s {name}",
        rate / ceiling[-1],
        "",
        is_met=True,
    )


if __name__ == "__main__":
    sys.exit(main())
