"""The command line: ``python -m client``, also installed as ``causalkv``.

Results go to stdout, messages to stderr. Exit codes: 0 done, 1 not found, 2 usage, 3 the cluster could
not, 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from client import render, render_nodes
from client.answers import AckLevel
from client.client import Reply
from client.commands_demo import demo
from client.errors import NoNodeCouldError
from client.invocation import (
    Options,
    command,
    common_options,
    confirm,
    kept_session,
    open_client,
    say,
    session_file,
)
from client.nodes import urls_from_environment
from client.protocol import ACK_TIMEOUT_DEFAULT_SECONDS, ACK_TIMEOUT_MAX_SECONDS
from client.values import ValueType, read_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from client.answers import Written
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
AckOption = Annotated[
    AckLevel | None,
    typer.Option(
        "--ack",
        help="Return when the write is on this node's disk, in every member's queue, or applied by every member. "
        "It is done either way: the answer says which level was reached.",
    ),
]
AckTimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--ack-timeout",
        help="The longest that --ack waits.",
        show_default=f"{ACK_TIMEOUT_DEFAULT_SECONDS:g}",
        metavar="SECONDS",
        min=0,
        max=ACK_TIMEOUT_MAX_SECONDS,
    ),
]


@app.command()
@command
def put(  # noqa: PLR0917  # typer passes parameters by name
    options: Options,
    key: Key,
    value: Annotated[
        str,
        typer.Argument(help="What to store; - reads standard input, without its last line end.", show_default=False),
    ],
    value_type: Annotated[
        ValueType, typer.Option("--type", help="Store VALUE as a string as it is, or as the JSON value that it spells.")
    ] = ValueType.STRING,
    ack: AckOption = None,
    ack_timeout: AckTimeoutOption = None,
) -> None:
    """Store VALUE under KEY. Put -- before a KEY or VALUE that begins with a dash.

    Example: python -m client put greeting hello --ack all --ack-timeout 10
    """
    parsed = read_value(value, value_type)
    with kept_session(options) as session:
        written = session.put(key, parsed, node=options.node, ack=ack, ack_timeout=ack_timeout)
    if options.json:
        render.show_answer(written)
    else:
        render.show_put(key, parsed, written)
    _say_when_not_reached(ack, written)


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
def delete(options: Options, key: Key, ack: AckOption = None, ack_timeout: AckTimeoutOption = None) -> None:
    """Delete KEY; also done when there is none.

    Example: python -m client delete greeting --ack broker
    """
    with kept_session(options) as session:
        written = session.delete(key, node=options.node, ack=ack, ack_timeout=ack_timeout)
    if options.json:
        render.show_answer(written)
    else:
        render.show_delete(key, written)
    _say_when_not_reached(ack, written)


@app.command()
@command
def status(options: Options) -> None:
    """Show how the nodes are, how each sees the others, and what is being healed. Belongs to no session.

    Example: python -m client status --node node2 --json
    """
    with open_client(options) as client:
        replies = client.status_of_all() if options.node is None else [_reply_of(client, options.node, client.status)]
    _fail_when_none_answered(replies)
    if options.json:
        _show_json_of_nodes(options, [render_nodes.node_json(reply) for reply in replies])
    else:
        render_nodes.show_statuses(replies)
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
        _show_json_of_nodes(options, [render_nodes.node_json(reply, node=name) for reply, name in named])
    else:
        render_nodes.show_buffers((names.get(reply.url, reply.url), reply.answer) for reply in replies if reply.answer)
    _say_who_did_not_answer(replies)


@app.command()
@command
def members(options: Options) -> None:
    """Show who belongs to the cluster, who lives, how far each is, and who holds back history. Belongs to no session.

    Example: python -m client members --node node1
    """
    with open_client(options) as client:
        known = client.members(options.node)
    if options.json:
        render.show_json({"reached_at": known.reached_at, **known.answer})
    else:
        render_nodes.show_members(known)


@app.command()
@command
def remove(
    options: Options,
    name: Annotated[str, typer.Argument(help="The node that goes.", metavar="NODE", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Also while it is alive.")] = False,  # noqa: FBT002  # typer passes parameters by name
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, on a terminal, whether it is meant.")] = False,  # noqa: FBT002  # as above
) -> None:
    """Take NODE out of the cluster for good: its queue is deleted, its writes stay. Belongs to no session.

    A node that is alive is refused: stop it first, or use --force. It joins again when it is started without its data.

    Example: python -m client remove node4 --force --yes
    """
    if not yes:
        confirm(f"Take {name} out of the cluster for good, and delete its queue?")
    with open_client(options) as client:
        removed = client.remove_member(name, force=force, ask=options.node)
    if options.json:
        render.show_answer(removed)
    else:
        render_nodes.show_removed(removed)
    if force:
        say(f"if the process of {name} still runs, stop it")


app.command()(demo)


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


def _say_when_not_reached(ack: AckLevel | None, written: Written) -> None:
    if ack is not None and not written.has_reached(ack):
        say(
            f"the write is done, but was acknowledged as {written.acked or 'nothing that is known'} and not as {ack} "
            "in time: it goes on by itself, and must not be repeated"
        )


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
