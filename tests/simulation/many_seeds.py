"""Many seeds on all cores; each process runs a chunk at a time and sends back what it came to."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.defects import DEFECTS
from tests.simulation.runner import run_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.coverage import Coverage
    from tests.simulation.defects import Defect

CHUNK_SEEDS = 20


class Failure(NamedTuple):
    """A seed that violated an invariant, in words: what crosses from process to process."""

    seed: int
    violation: str
    replay_command: str


class Chunk(NamedTuple):
    """What a run of consecutive seeds came to."""

    seeds: int
    failures: list[Failure]
    coverage: Coverage
    nodes: frozenset[int]
    """How many nodes the schedules had."""
    writes_min: int


def run_chunk(first_seed: int, end_seed: int, defect_name: str | None = None) -> Chunk:
    """Run the seeds from the first one up to, without, the end."""
    gc.disable()  # a sixth of the time; chunk by chunk is often enough
    defect = next((defect for defect in DEFECTS if defect.name == defect_name), None)
    outcomes = [run_seed(seed, defect=defect) for seed in range(first_seed, end_seed)]
    gc.collect()
    coverage: Coverage = Counter()
    for outcome in outcomes:
        coverage.update(outcome.coverage)
    return Chunk(
        len(outcomes),
        [
            Failure(outcome.seed, str(outcome.violation), outcome.replay_command)
            for outcome in outcomes
            if outcome.violation is not None
        ],
        coverage,
        frozenset(outcome.nodes for outcome in outcomes),
        min(outcome.writes for outcome in outcomes),
    )


def run_all(first_seed: int, seeds: int, defect: Defect | None = None) -> Iterator[Chunk]:
    """Run many seeds, a process for each core; chunks come in the order of their seeds."""
    name = None if defect is None else defect.name
    end = first_seed + seeds
    # A fresh interpreter for each worker: a fork of a process with threads may hang.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        starts = range(first_seed, end, CHUNK_SEEDS)
        ends = [min(start + CHUNK_SEEDS, end) for start in starts]
        yield from pool.map(run_chunk, starts, ends, [name] * len(starts))
