"""The simulator finds what is wrong: deliberate defects, each within 2 000 seeds."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.simulation.defects import DEFECTS
from tests.simulation.plan import draw_plan
from tests.simulation.runner import run_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.defects import Defect
    from tests.simulation.invariants import Invariant
    from tests.simulation.plan import Plan

SEEDS_MAX = 2_000


class Found(NamedTuple):
    """The first seed that noticed a defect, and by what."""

    seed: int
    invariant: Invariant
    violation: str


@cache
def _plans() -> list[Plan]:
    """The schedule of each seed: drawn once in a process, for all defects that it looks for."""
    return [draw_plan(seed) for seed in range(SEEDS_MAX)]


def _seeds_for(defect: Defect) -> list[int]:
    """All seeds, those first in whose schedules the defect shows best."""
    weights = [defect.shows_in(plan) for plan in _plans()]
    return sorted(range(SEEDS_MAX), key=lambda seed: -weights[seed])


def _find(index: int) -> Found | None:
    for seed in _seeds_for(DEFECTS[index]):
        violation = run_seed(seed, defect=DEFECTS[index]).violation
        if violation is not None:
            return Found(seed, violation.invariant, str(violation))
    return None


@pytest.fixture(scope="module")
def searches() -> Iterator[list[Future[Found | None]]]:
    """The searches for all defects, on all cores."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        yield [pool.submit(_find, index) for index in range(len(DEFECTS))]
        pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(DEFECTS)), ids=lambda index: DEFECTS[index].name)
def test_a_deliberate_defect_is_found(searches: list[Future[Found | None]], index: int) -> None:
    """Each defect violates an invariant that it must violate, in one of the first 2 000 seeds."""
    found = searches[index].result()
    assert found is not None, f"{SEEDS_MAX} seeds did not notice that {DEFECTS[index].name}"
    assert found.invariant in DEFECTS[index].caught_by, f"seed {found.seed}: {found.violation}"


def test_there_are_defects_of_every_kind_and_no_name_twice() -> None:
    """A name picks a defect on the command line, and every invariant is there because some defect violates it."""
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS) >= 38


def test_an_injected_defect_is_gone_afterwards() -> None:
    """A seed that failed with a defect passes without it."""
    seed = next(seed for seed in range(SEEDS_MAX) if run_seed(seed, defect=DEFECTS[0]).violation is not None)
    assert run_seed(seed).violation is None
