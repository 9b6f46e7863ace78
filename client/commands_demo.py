"""The command ``demo``: scenarios played at the cluster."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from client import render
from client.demo import TIMEOUT_SECONDS
from client.errors import UsageError
from client.invocation import Options, command, open_client, say
from client.lessons import catalogue

ScenarioOption = Annotated[
    str,
    typer.Option(
        "--scenario",
        help="Which one; --list names them.",
        metavar="NAME",
        autocompletion=lambda: list(catalogue.SUMMARIES),
    ),
]


@command
def demo(
    options: Options,
    scenario: ScenarioOption = catalogue.FOUNDING,
    list_them: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,  # noqa: FBT002  # typer passes parameters by name
) -> None:
    """Play a scenario at the cluster, in sessions of its own. All but the founding one also say why things happen.

    These hold messages back on purpose, so that the nodes must run with CAUSALKV_FAULTS=1.

    Example: python -m client demo --scenario held
    """
    if options.node is not None or options.session is not None or options.json:
        raise UsageError("demo takes no --node, --session or --json: it has its own nodes, session and form")
    if list_them:
        render.table(("scenario", "what it shows"), catalogue.SUMMARIES.items())
        return

    def show(text: str) -> None:
        render.line(text)
        sys.stdout.flush()

    with open_client(options, default_timeout_seconds=TIMEOUT_SECONDS) as client:
        catalogue.play(scenario, client, show, say)
