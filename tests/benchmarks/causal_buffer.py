"""The causal buffer in the worst order: cost for each write with 100 000 held, against 100 held.

Run by hand: ``python -m tests.benchmarks.causal_buffer``. Writes of five replicas that all depend on each other arrive
in reverse, so that everything is held until the very first one comes.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time

from node.core.causal_buffer import CausalBuffer, HeldWrite
from node.core.dependency_index import first_missing
from node.core.dot import Dot
from node.core.vector_clock import VectorClock
from tests.benchmarks.figures import Figure, print_figures

WANTED_RATIO = 1.5
SMALL, LARGE = 100, 100_000
REPLICAS = [f"node{n}~aaaaaa" for n in range(1, 6)]


def main() -> int:
    """Measure and print; 1 when the ratio is missed."""
    return print_figures("causal buffer, worst order", measure())


def measure() -> list[Figure]:
    """The figure."""
    small = statistics.median(_seconds_per_write(SMALL, repeat=LARGE // SMALL // 4) for _ in range(5))
    large = statistics.median(_seconds_per_write(LARGE, repeat=1) for _ in range(5))
    ratio = large / small
    return [
        Figure(
            "cost for each of 100 000 held writes",
            f"{large * 1e6:.2f} µs",
            f"{small * 1e6:.2f} µs for each of 100",
            ratio,
            f"<= {WANTED_RATIO}",
            ratio <= WANTED_RATIO,
        )
    ]


def _chain(size: int) -> list[tuple[Dot, VectorClock]]:
    """Writes round robin over the replicas, each after all before it."""
    clock = VectorClock()
    line = []
    for n in range(size):
        dot = Dot(REPLICAS[n % len(REPLICAS)], n // len(REPLICAS) + 1)
        clock = clock.advanced_to(dot)
        line.append((dot, clock))
    return line


def _seconds_per_write(size: int, repeat: int) -> float:
    line = _chain(size)
    gc.collect()
    gc.disable()
    began = time.perf_counter()
    for _ in range(repeat):
        _hold_and_release(line)
    elapsed = time.perf_counter() - began
    gc.enable()
    return elapsed / (size * repeat)


def _hold_and_release(line: list[tuple[Dot, VectorClock]]) -> None:
    buffer = CausalBuffer()
    applied: dict[str, int] = {}
    for dot, clock in reversed(line[1:]):
        missing = first_missing(dot, clock, applied)
        assert missing is not None
        buffer.hold(HeldWrite(dot, clock, ("x",), 0), missing)
    free = [line[0][0]]
    while free:
        dot = free.pop()
        applied[dot.replica] = dot.seq
        free += [held.dot for held in buffer.release(dot, applied)]
    assert not len(buffer)


if __name__ == "__main__":
    sys.exit(main())
