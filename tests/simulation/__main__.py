"""``python -m tests.simulation``: many schedules with a progress bar, or one of them told or made smaller."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation import parts
from tests.simulation.coverage import Coverage, Seen
from tests.simulation.defects import DEFECTS, Defect
from tests.simulation.many_seeds import Failure, run_all
from tests.simulation.plan import draw_plan
from tests.simulation.runner import Outcome, run_seed
from tests.simulation.shrinking import Shrinker

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES_SHOWN = 20


def main(  # noqa: PLR0917  # each is an option
    seeds: Annotated[int, typer.Option(min=1, help="how many seeds to run")] = 500,
    first_seed: Annotated[int, typer.Option(min=0, help="the first of them")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="run this one only")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="tell the schedule of --seed step by step")] = False,  # noqa: FBT002  # typer's way to declare a flag
    shrink: Annotated[bool, typer.Option("--shrink", help="make the failing schedule of --seed smaller")] = False,  # noqa: FBT002  # typer's way to declare a flag
    without: Annotated[str, typer.Option(help="leave these parts out of the schedule of --seed, such as 3,7-20")] = "",
    defect: Annotated[str | None, typer.Option(help="inject the defect whose name contains this")] = None,
) -> None:
    """Run seeded schedules of the replica core; exit 1 when an invariant was violated."""
    console = Console()
    injected = _find_defect(defect) if defect is not None else None
    if seed is not None:
        left_out = _left_out(without)
        outcome = run_seed(seed, defect=injected, without=left_out, trace=_teller(console) if trace else None)
        if shrink and outcome.violation is not None:
            outcome = _shrink(console, outcome)
        _report(console, _failures(outcome), outcome.coverage)
        raise typer.Exit(int(outcome.violation is not None))
    if trace or shrink or without:
        raise typer.BadParameter("--trace, --shrink and --without are about one schedule: give --seed as well")
    failed, coverage = _run_all(console, first_seed, seeds, injected)
    _report(console, failed, coverage)
    console.print(f"{seeds} seeds, {len(failed)} failed")
    raise typer.Exit(int(bool(failed)))


def _find_defect(name: str) -> Defect:
    found = [defect for defect in DEFECTS if name in defect.name]
    if len(found) != 1:
        names = "\n".join(defect.name for defect in DEFECTS)
        raise typer.BadParameter(f"{len(found)} defects have {name!r} in their names; there are:\n{names}")
    return found[0]


def _left_out(text: str) -> frozenset[int]:
    try:
        return parts.numbers_of(text)
    except ValueError:
        raise typer.BadParameter(f"--without takes numbers and ranges such as 3,7-20, not {text!r}") from None


def _teller(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)


def _failures(outcome: Outcome) -> list[Failure]:
    if outcome.violation is None:
        return []
    return [Failure(outcome.seed, str(outcome.violation), outcome.replay_command)]


def _shrink(console: Console, outcome: Outcome) -> Outcome:
    columns = (SpinnerColumn(), TextColumn("shrinking: {task.fields[left]} parts left after {task.completed} runs"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("shrink", total=None, left="all")
        smallest = Shrinker(outcome, lambda runs, left: progress.update(task, completed=runs, left=left)).smallest()
    console.print("what still fails:")
    for line in parts.describe(draw_plan(smallest.seed), smallest.without):
        console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
    return smallest


def _run_all(console: Console, first_seed: int, seeds: int, defect: Defect | None) -> tuple[list[Failure], Coverage]:
    columns = (
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]} failed"),
    )
    failed: list[Failure] = []
    coverage: Coverage = Counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("seeds", total=seeds, failed=0)
        for chunk in run_all(first_seed, seeds, defect):
            for failure in chunk.failures[: max(0, FAILURES_SHOWN - len(failed))]:
                console.print(f"seed {failure.seed}: {failure.violation}", markup=False, soft_wrap=True)
            failed += chunk.failures
            coverage.update(chunk.coverage)
            progress.update(task, advance=chunk.seeds, failed=len(failed))
    return failed, coverage


def _report(console: Console, failed: list[Failure], coverage: Coverage) -> None:
    table = Table("met", "times", box=None)
    for seen in Seen:
        table.add_row(seen, str(coverage[seen]))
    console.print(table)
    for failure in failed[:FAILURES_SHOWN]:
        console.print(f"seed {failure.seed}: {failure.violation}", markup=False, soft_wrap=True)
        console.print(f"    replay: {failure.replay_command}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
