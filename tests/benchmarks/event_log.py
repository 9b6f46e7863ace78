"""What recording events costs the replica's thread for each write, by itself, in processor time.

Run by hand: ``python -m tests.benchmarks.event_log``. Commits of 500 writes, into a ring that is full.
"""

from __future__ import annotations

import sys
import time
import timeit
from typing import TYPE_CHECKING

from node.core.effects import Accepted, Applied, HeldBack, PublishConfirmed
from node.event_log.recording import EventLog
from tests.benchmarks.figures import Figure, print_figures
from tests.support.writes import NODE1, NODE2, put_write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.effects import Effect

WANTED_NANOSECONDS = 1_000
WRITES = 500
MAX_EVENTS = 10_000
COMMITS, ROUNDS = 20, 25


def main() -> int:
    """Measure and print; 1 when a write costs too much."""
    return print_figures("recording events", measure())


def measure() -> list[Figure]:
    """The figures."""
    received = [put_write(NODE2, seq, f"key{seq}", node1=seq, node3=2) for seq in range(1, WRITES + 1)]
    own = [put_write(NODE1, seq, f"key{seq}", node2=seq, node3=2) for seq in range(1, WRITES + 1)]
    cases: dict[str, list[Effect]] = {
        "delivered, applied": [Applied(write, None) for write in received],
        "delivered, held": [HeldBack(write, write.dot) for write in received],
        "released, applied": [Applied(write, 1_000) for write in received],
        "accepted": [Accepted(None, write) for write in own],
        "confirmed": [PublishConfirmed(NODE1, 1, WRITES)],
    }
    return [_figure(name, effects) for name, effects in cases.items()]


def _figure(name: str, effects: Sequence[Effect]) -> Figure:
    log = EventLog(MAX_EVENTS)
    while log.forgotten == 0:
        log.committed(effects, 2_000.5)
    times = timeit.repeat(
        lambda: log.committed(effects, 2_000.5), number=COMMITS, repeat=ROUNDS, timer=time.process_time
    )
    nanoseconds = 1e9 * min(times) / COMMITS / WRITES
    return Figure(
        f"a write that is {name}",
        f"{nanoseconds:.0f} ns",
        f"{WANTED_NANOSECONDS} ns",
        nanoseconds / WANTED_NANOSECONDS,
        f"<= {WANTED_NANOSECONDS} ns",
        nanoseconds <= WANTED_NANOSECONDS,
    )


if __name__ == "__main__":
    sys.exit(main())
