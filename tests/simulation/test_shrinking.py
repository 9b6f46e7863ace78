from __future__ import annotations

import pytest

from tests.simulation import parts
from tests.simulation.defects import DEFECTS
from tests.simulation.plan import FaultKind, draw_plan
from tests.simulation.runner import run_seed
from tests.simulation.shrinking import Shrinker

DELETE = next(defect for defect in DEFECTS if defect.name == "a delete removes concurrent versions")


def test_a_plan_without_all_its_parts_is_calm_and_small() -> None:
    """Every fault, every request and every spare node can be left out; what is left is two nodes in peace."""
    plan = draw_plan(1)
    rest = parts.without(plan, range(parts.count_of(plan)))
    assert (rest.founding, rest.faults, rest.crash_points, rest.failing_commits, rest.actions) == (2, (), (), (), ())
    assert rest.network.control_loss_chance == rest.network.slow_chance == 0.0


def test_each_part_can_be_left_out_alone() -> None:
    """No two numbers stand for the same thing."""
    plan = draw_plan(4)
    smaller = [parts.without(plan, [number]) for number in range(parts.count_of(plan))]
    of_luck = 8
    assert plan not in smaller[of_luck:]
    assert sum(len(each.actions) == len(plan.actions) - 1 for each in smaller) == len(plan.actions)


def test_numbers_of_parts_are_written_as_ranges_and_read_back() -> None:
    """What the replay command says is what was left out."""
    numbers = frozenset({0, 3, 4, 5, 9, 12, 13})
    assert parts.ranges_of(numbers) == "0,3-5,9,12-13"
    assert parts.numbers_of("0,3-5,9,12-13") == numbers
    assert parts.numbers_of("") == frozenset()
    with pytest.raises(ValueError, match="x"):
        parts.numbers_of("1,x")


def test_a_failing_schedule_shrinks_to_what_the_defect_needs() -> None:
    """A put and a concurrent delete are enough; what is left still fails alike, and can be replayed."""
    seed = next(seed for seed in range(100) if run_seed(seed, defect=DELETE).violation is not None)
    failed = run_seed(seed, defect=DELETE)
    smallest = Shrinker(failed).smallest()
    rest = parts.without(draw_plan(seed), smallest.without)
    assert failed.violation is not None
    assert smallest.violation is not None
    assert smallest.violation.invariant is failed.violation.invariant
    assert len(rest.actions) <= 4
    assert rest.founding <= 3
    assert f"--without {parts.ranges_of(smallest.without)}" in smallest.replay_command
    again = run_seed(seed, defect=DELETE, without=smallest.without)
    assert str(again.violation) == str(smallest.violation)
    assert not any(kind in "\n".join(parts.describe(draw_plan(seed), smallest.without)) for kind in FaultKind)


def test_a_schedule_that_passes_cannot_shrink() -> None:
    """There is nothing to look for."""
    with pytest.raises(ValueError, match="does not fail"):
        Shrinker(run_seed(0))
