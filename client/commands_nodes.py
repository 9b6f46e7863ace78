"""The commands about the nodes themselves, which belong to no session: status, buffer, members, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from client import render, render_nodes
from client.cluster import Reply
from client.errors import NoNodeCouldError
from client.invocation import Options, command, confirm, open_client, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from client.client import Client

AnswerT = TypeVar("AnswerT")


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


@command
def buffer(options: Options) -> None:
    """Show the writes that nodes hold, and what each waits for. Belongs to no session.

    Example: python -m client buffer --node node3
    """
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
