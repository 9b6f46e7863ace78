"""Many schedules of the real core: what must hold, holds, and the schedules are hard enough."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.coverage import Coverage, Seen
from tests.simulation.runner import Outcome, run_seed

SEEDS_IN_ALL = 500
SEEDS_A_CHUNK = 50
PROJECT = Path(__file__).parents[2]


@functools.cache
def _outcomes(first_seed: int) -> tuple[Outcome, ...]:
    return tuple(run_seed(seed) for seed in range(first_seed, first_seed + SEEDS_A_CHUNK))


@pytest.mark.parametrize("first_seed", range(0, SEEDS_IN_ALL, SEEDS_A_CHUNK))
def test_every_invariant_holds_in_every_schedule(first_seed: int) -> None:
    """Causal order, convergence, nothing lost, exactly once: in each of these seeds."""
    failed = [
        f"seed {outcome.seed}: {outcome.violation}\n    replay: {outcome.replay_command}"
        for outcome in _outcomes(first_seed)
        if outcome.violation is not None
    ]
    assert not failed, "\n".join(failed)


@pytest.fixture(scope="module")
def coverage() -> Coverage:
    """What all seeds together came across."""
    total: Coverage = Coverage()
    for first_seed in range(0, SEEDS_IN_ALL, SEEDS_A_CHUNK):
        for outcome in _outcomes(first_seed):
            total.update(outcome.coverage)
    return total


@pytest.mark.parametrize("seen", Seen, ids=str)
def test_the_schedules_meet_what_makes_them_hard(coverage: Coverage, seen: Seen) -> None:
    """Each kind of fault, and each window of a crash, is met at least 20 times over the seeds."""
    assert coverage[seen] >= 20


def test_schedules_have_three_to_five_replicas_that_all_accept_writes() -> None:
    """Every cluster size is played, and no schedule is empty."""
    outcomes = [outcome for first in range(0, SEEDS_IN_ALL, SEEDS_A_CHUNK) for outcome in _outcomes(first)]
    assert {outcome.nodes for outcome in outcomes} == {3, 4, 5}
    assert min(outcome.writes for outcome in outcomes) > 0


_PRINT_TRACES = """
from tests.simulation.runner import run_seed
for seed in range(5):
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
