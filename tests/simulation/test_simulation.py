"""Many schedules of the real core: what must hold, holds, and the schedules are hard enough."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.coverage import Coverage, Seen
from tests.simulation.many_seeds import Chunk, run_all
from tests.simulation.runner import run_seed

SEEDS = 2_000
PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def chunks() -> list[Chunk]:
    """What the seeds came to, played on all cores."""
    return list(run_all(0, SEEDS))


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_every_invariant_holds_in_every_schedule(chunks: list[Chunk]) -> None:
    """Causal order, convergence, nothing lost, exactly once, no stall, no name twice: in each of 2 000 seeds."""
    failures = [failure for chunk in chunks for failure in chunk.failures]
    told = "\n".join(f"seed {each.seed}: {each.violation}\n    replay: {each.replay_command}" for each in failures)
    assert not failures, told
    assert sum(chunk.seeds for chunk in chunks) == SEEDS


@pytest.fixture(scope="module")
def coverage(chunks: list[Chunk]) -> Coverage:
    """What all seeds together came across."""
    total: Coverage = Coverage()
    for chunk in chunks:
        total.update(chunk.coverage)
    return total


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("seen", Seen, ids=str)
def test_the_schedules_meet_what_makes_them_hard(coverage: Coverage, seen: Seen) -> None:
    """Each kind of fault, and each window of a crash, is met several times over the seeds."""
    assert coverage[seen] >= 5


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_schedules_have_three_to_seven_replicas_that_all_accept_writes(chunks: list[Chunk]) -> None:
    """Every cluster size is played, and no schedule is empty."""
    assert frozenset().union(*(chunk.nodes for chunk in chunks)) == {3, 4, 5, 6, 7}
    assert min(chunk.writes_min for chunk in chunks) > 0


_PRINT_TRACES = """
from tests.simulation.runner import run_seed
for seed in range(8):
    run_seed(seed, trace=print)
"""


def test_one_seed_gives_one_schedule() -> None:
    """The same seed gives the same steps in another process, whatever the order of its hash tables."""
    traces = [
        subprocess.run(
            [sys.executable, "-c", _PRINT_TRACES],
            cwd=PROJECT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert traces[0] == traces[1]
    assert traces[0].count(b"\n") > 500


def test_different_seeds_give_different_schedules() -> None:
    """A seed is not ignored."""
    traces: list[tuple[str, ...]] = []
    for seed in range(5):
        lines: list[str] = []
        run_seed(seed, trace=lines.append)
        traces.append(tuple(lines[1:]))
    assert len(set(traces)) == len(traces)
