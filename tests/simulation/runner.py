"""Run a seed: the whole schedule follows from it, so a failing seed is a bug report."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation import parts
from tests.simulation.invariants import Invariant, ViolationError
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
    without: frozenset[int]
    """The parts of the schedule that were left out."""
    violation: ViolationError | None
    coverage: Coverage
    defect: Defect | None
    nodes: int
    writes: int
    steps: int

    @property
    def replay_command(self) -> str:
        """What to type to see this schedule step by step."""
        smaller = f" --without {parts.ranges_of(self.without)}" if self.without else ""
        injected = "" if self.defect is None else f' --defect "{self.defect.name}"'
        return f"python -m tests.simulation --seed {self.seed} --trace{smaller}{injected}"


def run_seed(
    seed: int,
    *,
    defect: Defect | None = None,
    without: frozenset[int] = frozenset(),
    trace: Callable[[str], None] | None = None,
) -> Outcome:
    """Play the schedule of a seed, with a deliberate defect if one is given, and judge it."""
    plan = parts.without(draw_plan(seed), without)
    if trace is not None:
        trace(f"seed {seed}: {plan}")
    violation = None
    with defect.injected() if defect is not None else contextlib.nullcontext():
        world = World(seed, plan, trace)
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
        without=without,
        violation=violation,
        coverage=world.coverage,
        defect=defect,
        nodes=len(world.nodes),
        writes=len(world.oracle.writes),
        steps=world.scheduler.steps,
    )
