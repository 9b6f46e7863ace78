"""The commands about the session that is kept between invocations: session show, session reset."""

from __future__ import annotations

import typer

from client import render
from client.invocation import Options, command, common_options, say, session_file
from client.nodes import urls_from_environment

session_app = typer.Typer(help="Show or forget what is kept of a session between invocations.", no_args_is_help=True)
session_app.callback()(common_options)


@session_app.command("show")
@command
def session_show(options: Options) -> None:
    """Show what the session has seen at these nodes, as a causal token.

    Example: python -m client session show --session alice
    """
    file = session_file(options, urls_from_environment())
    token = file.load()
    if options.json:
        render.show_json({"session": file.name, "token": str(token), "file": str(file.path)})
    else:
        render.line(str(token))
        say(f"session {file.name} is kept in {file.path}" if token else f"session {file.name} has seen nothing yet")


@session_app.command("reset")
@command
def session_reset(options: Options) -> None:
    """Forget what the session has seen.

    Example: python -m client session reset
    """
    file = session_file(options, urls_from_environment())
    was_there = file.reset()
    if options.json:
        render.show_json({"session": file.name, "reset": was_there})
    else:
        render.line(f"session {file.name} " + ("is forgotten" if was_there else "was empty already"))
