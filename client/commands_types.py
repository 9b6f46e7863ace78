"""The commands about counters and sets: incr, counter, sadd, srem, smembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from client import render, render_data
from client.invocation import Options, command, kept_session
from client.values import ValueType, read_value
from client.write_options import AckOption, AckTimeoutOption, Key, say_when_not_reached

if TYPE_CHECKING:
    from client.answers import AckLevel, Written

Members = Annotated[list[str], typer.Argument(help="1 to 1000 members.", show_default=False)]
MemberTypeOption = Annotated[
    ValueType, typer.Option("--type", help="Take members as strings as they are, or as the JSON values they spell.")
]


@command
def incr(
    options: Options,
    key: Key,
    by: Annotated[int, typer.Argument(help="How much to add; put -- before a negative number.")] = 1,
    ack: AckOption = None,
    ack_timeout: AckTimeoutOption = None,
) -> None:
    """Add BY to the counter KEY; increments at the same time on several nodes all count.

    Example: python -m client incr visits

    Example: python -m client incr -- balance -5
    """
    with kept_session(options) as session:
        incremented = session.incr(key, by, node=options.node, ack=ack, ack_timeout=ack_timeout)
    if options.json:
        render.show_answer(incremented)
    else:
        render_data.show_count(key, incremented, done=incremented)
    say_when_not_reached(ack, incremented)


@command
def counter(options: Options, key: Key) -> None:
    """Show the counter KEY; 0 when nobody ever incremented it.

    Example: python -m client counter visits
    """
    with kept_session(options) as session:
        value = session.counter(key, node=options.node)
    if options.json:
        render.show_answer(value)
    else:
        render_data.show_count(key, value)


@command
def sadd(  # noqa: PLR0917  # typer passes parameters by name
    options: Options,
    key: Key,
    members: Members,
    value_type: MemberTypeOption = ValueType.STRING,
    ack: AckOption = None,
    ack_timeout: AckTimeoutOption = None,
) -> None:
    """Add MEMBERS to the set KEY; against a removal at the same time an addition wins.

    Example: python -m client sadd colours red green
    """
    parsed = [read_value(member, value_type) for member in members]
    with kept_session(options) as session:
        written = session.sadd(key, parsed, node=options.node, ack=ack, ack_timeout=ack_timeout)
    _show_written(options, key, ack, written)


@command
def srem(  # noqa: PLR0917  # typer passes parameters by name
    options: Options,
    key: Key,
    members: Members,
    value_type: MemberTypeOption = ValueType.STRING,
    ack: AckOption = None,
    ack_timeout: AckTimeoutOption = None,
) -> None:
    """Remove MEMBERS from the set KEY; also done when they are not in it.

    Example: python -m client srem colours red
    """
    parsed = [read_value(member, value_type) for member in members]
    with kept_session(options) as session:
        written = session.srem(key, parsed, node=options.node, ack=ack, ack_timeout=ack_timeout)
    _show_written(options, key, ack, written)


@command
def smembers(options: Options, key: Key) -> None:
    """Show the members of the set KEY, one a line as JSON; nothing for a set that nobody made.

    Example: python -m client smembers colours
    """
    with kept_session(options) as session:
        page = session.smembers(key, node=options.node)
    if options.json:
        render.show_answer(page)
    else:
        render_data.show_members_of_set(page)


def _show_written(options: Options, key: str, ack: AckLevel | None, written: Written) -> None:
    if options.json:
        render.show_answer(written)
    else:
        render_data.show_written(key, written)
    say_when_not_reached(ack, written)
