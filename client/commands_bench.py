"""``python -m client bench``."""

from __future__ import annotations

from typing import Annotated

import typer

from client import render
from client.bench import report
from client.bench.cases import CASES
from client.bench.run import CONNECTIONS_MAX, SIZE_MAX_BYTES, BenchPlan, BenchRun
from client.errors import UsageError
from client.invocation import CLUSTER_EXIT, Options, command, open_client, say
from client.progress import ProgressBar

SECONDS_MAX = 3_600.0


@command
def bench(
    options: Options,
    seconds: Annotated[float, typer.Option(help="How long each case takes.", min=0.1, max=SECONDS_MAX)] = 5.0,
    connections: Annotated[int, typer.Option(help="At a time, over all nodes.", min=1, max=CONNECTIONS_MAX)] = 32,
    size: Annotated[int, typer.Option(help="Bytes of a value.", min=3, max=SIZE_MAX_BYTES)] = 100,
    only: Annotated[
        str | None, typer.Option(help=f"Measure these cases only, of {', '.join(CASES)}.", metavar="CASE,…")
    ] = None,
) -> None:
    """Measure what the cluster does in a second, and how long an operation takes.

    Every connection sends a request, waits for its answer, and sends the next. The keys (bench-…/) are deleted at the
    end; the ten counters bench/counter… stay. What the nodes do not serve is skipped.

    Example: python -m client bench --seconds 2 --only put,get --json
    """
    if options.node is not None or options.session is not None:
        raise UsageError("bench takes no --node or --session: it asks all nodes that CAUSALKV_URLS names")
    names = list(CASES) if only is None else [name.strip() for name in only.split(",")]
    if unknown := [name for name in names if name not in CASES]:
        raise UsageError(f"no case is named {unknown[0]!r}: use some of {', '.join(CASES)}")
    with open_client(options) as client, ProgressBar() as bar:
        run = BenchRun(client, BenchPlan(seconds, connections, size, list(dict.fromkeys(names))), bar.show)
        found = run.play()
    if run.left_behind:
        say(run.left_behind)
    if options.json:
        render.show_json(report.as_json(found))
    else:
        report.show(found)
    if any(row.measured is not None and row.measured.errors and not row.measured.count for row in found.rows):
        raise typer.Exit(CLUSTER_EXIT)
