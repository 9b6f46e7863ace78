"""The command watch."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from client import render_data
from client.changes import Change
from client.invocation import Options, command, kept_session, say


@command
def watch(  # typer passes parameters by name
    options: Options,
    prefix: Annotated[str, typer.Argument(help="Only keys that begin so; all by default.")] = "",
    initial: Annotated[bool, typer.Option("--initial", help="Show what is there first.")] = False,  # noqa: FBT002  # typer passes parameters by name
    since: Annotated[
        str | None,
        typer.Option("--since", help="Go on behind this causal token instead of now.", metavar="TOKEN"),
    ] = None,
    count: Annotated[int | None, typer.Option("--count", help="End after so many changes.", min=1)] = None,
) -> None:
    """Show every change, a line each, in causal order, until Ctrl-C, which is the usual end: exit code 0.

    A lost connection is made again, at any node, and nothing is missed or shown twice; when that was not possible,
    a line says "reset". --timeout is for the first connection only. At the end the token to go on from is said.

    Example: python -m client watch user/ --initial

    Example: python -m client watch --since "$TOKEN" --json
    """
    show = render_data.show_event_json if options.json else render_data.show_event
    shown = 0
    with kept_session(options) as session:
        changes = session.watch(prefix, initial=initial, since=since, node=options.node)
        with changes:
            try:
                for event in changes:
                    show(event)
                    sys.stdout.flush()
                    shown += isinstance(event, Change)
                    if shown == count:
                        break
            except KeyboardInterrupt:
                changes.close()
    if changes.token:
        say(f"to go on from here: --since {changes.token}")
