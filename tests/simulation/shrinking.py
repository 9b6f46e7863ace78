"""Making a failing schedule smaller: parts are left out as long as the same invariant is violated.

Delta debugging (Zeller, Hildebrandt 2002): ever smaller chunks of what is left are tried, until no single part can go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import parts
from tests.simulation.plan import draw_plan
from tests.simulation.runner import run_seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.runner import Outcome

RUNS_MAX = 600


class Shrinker:
    """Shrinks the schedule of one failing outcome."""

    def __init__(self, failed: Outcome, progress: Callable[[int, int], None] | None = None) -> None:
        """``progress`` is told after each run how many runs there were and how many parts are left."""
        if failed.violation is None:
            raise ValueError(f"seed {failed.seed} does not fail")
        self._invariant = failed.violation.invariant
        self._best = failed
        self._all = range(parts.count_of(draw_plan(failed.seed)))
        self._progress = progress
        self._runs = 0

    @property
    def _left(self) -> list[int]:
        return [number for number in self._all if number not in self._best.without]

    def smallest(self) -> Outcome:
        """The failing outcome with the fewest parts that was found within the bound on runs."""
        size = max(1, len(self._left) // 2)
        while self._runs < RUNS_MAX:
            has_shrunk = self._pass(size)
            if size == 1 and not has_shrunk:
                break
            size = max(1, min(size, len(self._left)) // 2)
        return self._best

    def _pass(self, size: int) -> bool:
        """Try to leave out each chunk of this size; whether any could go."""
        has_shrunk = False
        left = self._left
        for start in range(0, len(left), size):
            if self._runs >= RUNS_MAX:
                break
            has_shrunk |= self._try(self._best.without | frozenset(left[start : start + size]))
        return has_shrunk

    def _try(self, without: frozenset[int]) -> bool:
        self._runs += 1
        outcome = run_seed(self._best.seed, defect=self._best.defect, without=without)
        fails_alike = outcome.violation is not None and outcome.violation.invariant is self._invariant
        if fails_alike:
            self._best = outcome
        if self._progress is not None:
            self._progress(self._runs, len(self._left))
        return fails_alike
