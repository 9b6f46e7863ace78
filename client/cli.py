"""The command line: ``python -m client``, also installed as ``causalkv``.

Results go to stdout, messages to stderr. Exit codes: 0 done, 1 not found, 2 usage, 3 the cluster could
not, 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from client import demo as founding_demo
from client import render
from client.client import Reply
from client.errors import NoNodeCouldError, UsageError
from client.invocation import (
    Options,
    command,
    common_options,
    kept_session,
    open_client,
    say,
    session_file,
)
from client.nodes import urls_from_environment
from client.values import ValueType, read_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from client.client import Client

AnswerT = TypeVar("AnswerT")

app = typer.Typer(
    name="causalkv",
    help="Read and write a causally consistent store. Nodes are found through CAUSALKV_URLS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
session_app = typer.Typer(help="Show or forget what is kept of a session between invocations.", no_args_is_help=True)
app.add_typer(session_app, name="session")
app.callback()(common_options)
session_app.callback()(common_options)

Key = Annotated[str, typer.Argument(help="The key.", show_default=False)]


@app.command()
@command
def put(
    options: Options,
    key: Key,
    value: Annotated[
        str,
        typer.Argument(help="What to store; - reads standard input, without its last line end.", show_default=False),
    ],
    value_type: Annotated[
        ValueType, typer.Option("--type", help="Store VALUE as a string as it is, or as the JSON value that it spells.")
    ] = ValueType.STRING,
) -> None:
    """Store VALUE under KEY. Put -- before a KEY or VALUE that begins with a dash."""
    parsed = read_value(value, value_type)
    with kept_session(options) as session:
        written = session.put(key, parsed, node=options.node)
    if options.json:
        render.show_answer(written)
    else:
        render.show_put(key, parsed, written)


@app.command()
@command
def get(
    options: Options,
    key: Key,
    siblings: Annotated[bool, typer.Option("--siblings", help="Show all concurrent versions.")] = False,  # noqa: FBT002  # typer passes parameters by name
) -> None:
    """Show the value of KEY and its vector clock."""
    with kept_session(options) as session:
        value = session.get(key, siblings=siblings, node=options.node)
    if options.json:
        render.show_answer(value)
    elif siblings:
        render.show_siblings(value)
    else:
        render.show_value(value)


@app.command()
@command
def delete(options: Options, key: Key) -> None:
    """Delete KEY; also done when there is none."""
    with kept_session(options) as session:
        written = session.delete(key, node=options.node)
    if options.json:
        render.show_answer(written)
    else:
        render.show_delete(key, written)


@app.command()
@command
def status(options: Options) -> None:
    """Show how the nodes are. Belongs to no session."""
    with open_client(options) as client:
        replies = client.status_of_all() if options.node is None else [_reply_of(client, options.node, client.status)]
    _fail_when_none_answered(replies)
    if options.json:
        _show_json_of_nodes(options, [render.node_json(reply) for reply in replies])
    else:
        render.show_statuses(replies)
    _say_who_did_not_answer(replies)


@app.command()
@command
def buffer(options: Options) -> None:
    """Show the writes that nodes hold, and what each waits for. Belongs to no session."""
    with open_client(options) as client:
        if options.node is None:
            names = {reply.url: reply.answer.node for reply in client.status_of_all() if reply.answer is not None}
            replies = client.buffer_of_all()
        else:
            replies = [_reply_of(client, options.node, client.buffer)]
            names = {replies[0].url: options.node}
    _fail_when_none_answered(replies)
    if options.json:
        named = [(reply, names.get(reply.url)) for reply in replies]
        _show_json_of_nodes(options, [render.node_json(reply, node=name) for reply, name in named])
    else:
        render.show_buffers((names.get(reply.url, reply.url), reply.answer) for reply in replies if reply.answer)
    _say_who_did_not_answer(replies)


@app.command()
@command
def demo(options: Options) -> None:
    """Play the founding scenario at node1, node2 and node3, in a session of its own."""
    if options.node is not None or options.session is not None or options.json:
        raise UsageError("demo takes no --node, --session or --json: it has its own nodes, session and form")

    def show(text: str) -> None:
        render.line(text)
        sys.stdout.flush()

    with open_client(options, default_timeout_seconds=founding_demo.TIMEOUT_SECONDS) as client:
        founding_demo.play(client, show)


@session_app.command("show")
@command
def session_show(options: Options) -> None:
    """Show what the session has seen at these nodes, as a causal token."""
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
    """Forget what the session has seen."""
    file = session_file(options, urls_from_environment())
    was_there = file.reset()
    if options.json:
        render.show_json({"session": file.name, "reset": was_there})
    else:
        render.line(f"session {file.name} " + ("is forgotten" if was_there else "was empty already"))


def _reply_of(client: Client, node: str, ask: Callable[[str], AnswerT]) -> Reply[AnswerT]:
    answer = ask(node)
    return Reply(client.url_of(node), answer=answer)


def _fail_when_none_answered(replies: Sequence[Reply[Any]]) -> None:
    errors = {reply.url: reply.error for reply in replies if reply.error is not None}
    if len(errors) == len(replies):
        raise NoNodeCouldError(errors)


def _say_who_did_not_answer(replies: Sequence[Reply[Any]]) -> None:
    for reply in replies:
        if reply.error is not None:
            say(str(reply.error))


def _show_json_of_nodes(options: Options, elements: Sequence[Mapping[str, Any]]) -> None:
    """Print a list, or with --node the one element."""
    render.show_json(elements[0] if options.node is not None else elements)


def main() -> None:
    """Run the command line; the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A stored character that the terminal's encoding lacks is shown escaped, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    app()
