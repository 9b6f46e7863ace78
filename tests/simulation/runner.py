"""Run a seed: the whole schedule follows from it, so a failing seed is a bug report."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.checks import Invariant, ViolationError
from tests.simulation.plan import draw_plan
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.coverage import Coverage
    from tests.simulation.defects import Defect


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a seed came to; ``violation`` is None when every invariant held."""

    seed: int
    violation: ViolationError | None
    coverage: Coverage
    defect: Defect | None
    nodes: int
    writes: int
    steps: int

    @property
    def replay_command(self) -> str:
        """What to type to see this schedule step by step."""
        injected = "" if self.defect is None else f' --defect "{self.defect.name}"'
        return f"python -m tests.simulation --seed {self.seed} --trace{injected}"


def run_seed(seed: int, *, defect: Defect | None = None, trace: Callable[[str], None] | None = None) -> Outcome:
    """Play the schedule of a seed, with a deliberate defect if one is given, and judge it."""
    random = Random(seed)
    plan = draw_plan(random)
    if trace is not None:
        trace(f"seed {seed}: {plan}")
    violation = None
    with defect.injected() if defect is not None else contextlib.nullcontext():
        world = World(plan, random, trace)
        try:
            world.run()
        except ViolationError as error:
            violation = error
        except Exception as error:  # noqa: BLE001  # whatever the core raises is a finding about this seed
            violation = ViolationError(Invariant.NO_EXCEPTION, f"{type(error).__name__}: {error}")
            violation.__cause__ = error
    if trace is not None and violation is not None:
        trace(f"seed {seed}: {violation}")
    return Outcome(
        seed=seed,
        violation=violation,
        coverage=world.coverage,
        defect=defect,
        nodes=plan.nodes,
        writes=len(world.oracle.writes),
        steps=world.scheduler.steps,
    )
