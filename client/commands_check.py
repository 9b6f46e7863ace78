"""``python -m client check``."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from client import render
from client.check import report
from client.check.run import KEYS_MAX, SECONDS_MAX, SESSIONS_MAX, CheckPlan, CheckRun
from client.errors import UsageError
from client.invocation import CLUSTER_EXIT, VIOLATION_EXIT, Options, command, open_client, say
from client.progress import ProgressBar

# A node that takes longer is given up by a session, which goes on elsewhere.
TIMEOUT_SECONDS = 5.0
SEEDS = 1_000_000


@command
def check(  # noqa: PLR0917  # typer passes parameters by name
    options: Options,
    seconds: Annotated[float, typer.Option(help="How long the sessions work.", min=0.1, max=SECONDS_MAX)] = 10.0,
    sessions: Annotated[int, typer.Option(help="How many work at a time.", min=1, max=SESSIONS_MAX)] = 12,
    keys: Annotated[
        int, typer.Option(help="On how many keys; on few ones writes collide more often.", min=1, max=KEYS_MAX)
    ] = 6,
    seed: Annotated[
        int | None, typer.Option(help="Repeat the choices of a former check; its timing is not repeated.", min=0)
    ] = None,
    late: Annotated[  # noqa: FBT002  # as above
        bool,
        typer.Option(
            "--late/--no-late",
            help="Let nodes with CAUSALKV_FAULTS=1 take messages up to 0.4 s late, so that causes come behind effects.",
        ),
    ] = True,  # typer passes parameters by name
) -> None:
    """Put the cluster's promises to the test: causal order, session guarantees, convergence.

    Sessions read and write through all nodes and move between them, on keys of their own (check-…/) that are deleted
    at the end. What they saw is recorded, and judged without a look at any vector clock. Exit code: 0 nothing wrong,
    3 the cluster could not, 4 a promise was broken; then the operations that show it are printed.

    Example: python -m client check --seconds 30 --sessions 20
    """
    if options.node is not None or options.session is not None:
        raise UsageError("check takes no --node or --session: it has sessions of its own, at all nodes")
    plan = CheckPlan(seconds, sessions, keys, secrets.randbelow(SEEDS) if seed is None else seed, late)
    with open_client(options, default_timeout_seconds=TIMEOUT_SECONDS) as client, ProgressBar() as bar:
        findings = CheckRun(client, plan, lambda progress: bar.show(*progress)).play()
    if findings.stuck_delays:
        say(f"messages still come late at {', '.join(findings.stuck_delays)}: POST /faults with clear ends that")
    if findings.left_behind:
        say(f"keys under {findings.prefix} are left behind: {findings.left_behind}")
    if options.json:
        render.show_json(findings.as_json())
    else:
        report.show(findings)
    if findings.has_violations:
        raise typer.Exit(VIOLATION_EXIT)
    if findings.is_undecided:
        raise typer.Exit(CLUSTER_EXIT)
