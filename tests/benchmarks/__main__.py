"""All benchmarks, one table: ``python -m tests.benchmarks [--rounds 3]``, by hand, on a machine without other work."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from tests.benchmarks import (
    causal_buffer,
    durable_puts,
    embedded,
    event_log,
    http_get,
    replication,
    restart,
    visibility,
    waiting_requests,
    watchers,
)
from tests.benchmarks.figures import Figure, print_figures

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run them one after the other; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    console = Console(stderr=True)
    figures: list[Figure] = []
    benchmarks: dict[str, Callable[[], list[Figure]]] = {
        "durable puts": lambda: durable_puts.measure(5, rounds),
        "replication": lambda: replication.measure(200_000, rounds),
        "visibility": lambda: visibility.measure(3000, rounds),
        "causal buffer": causal_buffer.measure,
        "recording events": event_log.measure,
        "restart": lambda: restart.measure(1_000_000, rounds),
        "embedded": lambda: embedded.measure(1),
        "GET": lambda: http_get.measure(1, 3 * rounds),
        "watchers": lambda: watchers.measure(2, rounds),
        "waiting requests": lambda: waiting_requests.measure(2, 2 * rounds + 1),
    }
    for name, measure in benchmarks.items():
        console.print(f"measuring {name} …")
        figures += measure()
    return print_figures("causalkv", figures)


if __name__ == "__main__":
    sys.exit(main())
