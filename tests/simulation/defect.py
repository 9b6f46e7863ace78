"""What a deliberate defect is: a way to be wrong that is injected from outside, and taken out again."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

from tests.simulation.plan import FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.invariants import Invariant
    from tests.simulation.plan import Plan


def in_any(plan: Plan) -> int:
    """Every schedule is as good as any other."""
    del plan
    return 0


def in_many(*kinds: FaultKind) -> Callable[[Plan], int]:
    """The more faults of these kinds, the better."""
    return lambda plan: sum(fault.kind in kinds for fault in plan.faults)


def in_failing_commits(plan: Plan) -> int:
    """Commits fail, the earlier the better; messages that are lost besides help."""
    lost = in_many(FaultKind.LOSE_MESSAGES, FaultKind.PURGE)(plan)
    return (lost + 1) * 1_000 - plan.failing_commits[0] if plan.failing_commits else 0


def in_many_failing_commits(plan: Plan) -> int:
    """The more commits fail the better, and the more messages are lost besides."""
    return len(plan.failing_commits) * (1 + in_many(FaultKind.LOSE_MESSAGES, FaultKind.PURGE)(plan))


@dataclass(frozen=True, slots=True)
class Defect:
    """A way to be wrong, and the invariants by which it must be caught."""

    name: str
    caught_by: frozenset[Invariant]
    changes: tuple[tuple[object, str, object], ...]
    """(class or module, name of what is replaced in it, replacement)."""
    shows_in: Callable[[Plan], int] = in_any
    """Schedules for which this is greatest are tried first."""

    @contextmanager
    def injected(self) -> Iterator[None]:
        """Be wrong for a while."""
        with ExitStack() as stack:
            for target, name, replacement in self.changes:
                stack.enter_context(patch.object(target, name, replacement))
            yield


def defect(
    name: str,
    caught_by: tuple[Invariant, ...],
    *changes: tuple[object, str, object],
    shows_in: Callable[[Plan], int] = in_any,
) -> Defect:
    """A short way to write one down."""
    return Defect(name, frozenset(caught_by), changes, shows_in)
