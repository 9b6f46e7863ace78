"""``python -m tests.simulation``: many schedules with a progress bar, or one of them told step by step."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.coverage import Coverage, Seen
from tests.simulation.defects import DEFECTS, Defect
from tests.simulation.runner import Outcome, run_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAILURES_SHOWN = 20


def main(
    seeds: Annotated[int, typer.Option(min=1, help="how many seeds to run")] = 500,
    first_seed: Annotated[int, typer.Option(min=0, help="the first of them")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="run this one only")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="tell the schedule of --seed step by step")] = False,  # noqa: FBT002  # typer's way to declare a flag
    defect: Annotated[str | None, typer.Option(help="inject the defect whose name contains this")] = None,
) -> None:
    """Run seeded schedules of the replica core; exit 1 when an invariant was violated."""
    console = Console()
    injected = _find_defect(defect) if defect is not None else None
    if seed is not None:
        outcome = run_seed(seed, defect=injected, trace=_teller(console) if trace else None)
        _report(console, [outcome], outcome.coverage)
        raise typer.Exit(int(outcome.violation is not None))
    if trace:
        raise typer.BadParameter("--trace tells one schedule: give --seed as well")
    failed: list[Outcome] = []
    coverage: Coverage = Counter()
    for outcome in _run_all(console, range(first_seed, first_seed + seeds), injected):
        coverage.update(outcome.coverage)
        if outcome.violation is not None:
            failed.append(outcome)
    _report(console, failed, coverage)
    console.print(f"{seeds} seeds, {len(failed)} failed")
    raise typer.Exit(int(bool(failed)))


def _find_defect(name: str) -> Defect:
    found = [defect for defect in DEFECTS if name in defect.name]
    if len(found) != 1:
        names = "\n".join(defect.name for defect in DEFECTS)
        raise typer.BadParameter(f"{len(found)} defects have {name!r} in their names; there are:\n{names}")
    return found[0]


def _teller(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)


def _run_all(console: Console, seeds: range, defect: Defect | None) -> Iterator[Outcome]:
    columns = (
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]} failed"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("seeds", total=len(seeds), failed=0)
        failed = 0
        for seed in seeds:
            outcome = run_seed(seed, defect=defect)
            if outcome.violation is not None:
                failed += 1
                if failed <= FAILURES_SHOWN:
                    console.print(f"seed {seed}: {outcome.violation}", markup=False, soft_wrap=True)
            progress.update(task, advance=1, failed=failed)
            yield outcome


def _report(console: Console, failed: list[Outcome], coverage: Coverage) -> None:
    table = Table("met", "times", box=None)
    for seen in Seen:
        table.add_row(seen, str(coverage[seen]))
    console.print(table)
    for outcome in failed[:FAILURES_SHOWN]:
        if outcome.violation is not None:
            console.print(f"seed {outcome.seed}: {outcome.violation}", markup=False, soft_wrap=True)
            console.print(f"    replay: {outcome.replay_command}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
