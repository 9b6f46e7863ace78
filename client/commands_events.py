"""The command events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from client.errors import UsageError
from client.invocation import Options, command, open_client, say
from client.trace.exporting import Export, Filter
from client.trace.printing import EventFormat, printer_for

if TYPE_CHECKING:
    from client.trace.collecting import Found
    from client.trace.printing import Printer


@command
def events(  # noqa: PLR0917  # typer passes parameters by name
    options: Options,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Only what comes behind; an earlier call said it at its end.", metavar="POSITION"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="The last so many; with --follow, end after so many.", min=1)
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="Only writes that touch this key; may be repeated.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")] = False,  # noqa: FBT002  # typer passes parameters by name
    form: Annotated[EventFormat | None, typer.Option("--format", help="How to print it; --json is json.")] = None,
) -> None:
    """Show what happened to writes at all nodes that answer, in causal order. Belongs to no session.

    A write is accepted, and confirmed by the broker, at one node. At the others it is delivered and applied, or, when
    it comes before one of its causes, delivered, held, released and applied. Times are each node's own. Nodes keep
    their last events in memory (CAUSALKV_EVENTS_MAX), and of each write its first five keys, which --key looks at.

    --format json is a line of JSON for each event. --format shiviz is for the diagrams of
    https://bestchai.bitbucket.io/shiviz/: select the file on its Input page; or paste all of it there as the log, and
    its first line as the log parsing regular expression. Its clocks count the events of the export, as ShiViz wants it,
    and not writes.

    Example: python -m client events --key x --limit 20

    Example: python -m client events --format shiviz > run.log
    """
    printer = printer_for(_chosen(form, options), is_following=follow)
    with open_client(options) as client:
        export = Export(client, options.node, since, say)
        try:
            (_follow if follow else _show)(export, Filter(key), printer, limit)
        except KeyboardInterrupt:
            if not follow:
                raise
        printer.end()
    sys.stdout.flush()
    if export.since:
        say(f"to go on from here: --since {export.since}")


def _chosen(form: EventFormat | None, options: Options) -> EventFormat:
    if form is None:
        return EventFormat.JSON if options.json else EventFormat.TABLE
    if options.json and form is not EventFormat.JSON:
        raise UsageError(f"--json and --format {form} exclude each other")
    return form


def _show(export: Export, wanted: Filter, printer: Printer, limit: int | None) -> None:
    """Print what there is, or the last of it."""
    told: list[tuple[Found, bool]] = [
        (found, wanted.wants(found.event)) for found in export.told(is_following=False) if found is not None
    ]
    surplus = 0 if limit is None else max(0, sum(is_wanted for _, is_wanted in told) - limit)
    for found, is_wanted in told:
        if is_wanted and not surplus:
            printer.show(found)
            continue
        surplus -= is_wanted
        printer.pass_by(found.event)


def _follow(export: Export, wanted: Filter, printer: Printer, limit: int | None) -> None:
    """Print what happens, as it happens."""
    shown = 0
    for found in export.told(is_following=True):
        if found is None:
            sys.stdout.flush()
        elif wanted.wants(found.event):
            printer.show(found)
            shown += 1
            if shown == limit:
                return
        else:
            printer.pass_by(found.event)
