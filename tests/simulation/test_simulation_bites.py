"""The simulator finds what is wrong: deliberate defects, each within 500 seeds."""

from __future__ import annotations

import pytest

from tests.simulation.defects import DEFECTS, Defect
from tests.simulation.runner import Outcome, run_seed

SEEDS_MAX = 500


def _first_failure(defect: Defect) -> Outcome | None:
    outcomes = (run_seed(seed, defect=defect) for seed in range(SEEDS_MAX))
    return next((outcome for outcome in outcomes if outcome.violation is not None), None)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_deliberate_defect_is_found(defect: Defect) -> None:
    """Each defect violates an invariant that it must violate, in one of the first 500 seeds."""
    found = _first_failure(defect)
    assert found is not None, f"{SEEDS_MAX} seeds did not notice that {defect.name}"
    assert found.violation is not None
    assert found.violation.invariant in defect.caught_by, found.violation


def test_an_injected_defect_is_gone_afterwards() -> None:
    """A seed that failed with a defect passes without it."""
    found = _first_failure(DEFECTS[0])
    assert found is not None
    assert run_seed(found.seed).violation is None
