"""The commands about keys: put, get, delete, mget, batch, scan."""

from __future__ import annotations

from typing import Annotated

import typer

from client import render, render_data
from client.errors import NotFoundError
from client.invocation import Options, command, kept_session
from client.values import ValueType, read_operations, read_value
from client.write_options import (
    AckOption,
    AckTimeoutOption,
    IfAbsentOption,
    IfVcOption,
    Key,
    read_clock,
    say_when_not_reached,
)


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
    ttl: Annotated[
        float | None, typer.Option("--ttl", help="It disappears after so long, on every node.", metavar="SECONDS")
    ] = None,
    if_vc: IfVcOption = None,
    if_absent: IfAbsentOption = False,  # noqa: FBT002  # typer passes parameters by name
    ack: AckOption = None,
    ack_timeout: AckTimeoutOption = None,
) -> None:
    """Store VALUE under KEY. Put -- before a KEY or VALUE that begins with a dash.

    With --if-vc or --if-absent it exits with 1, and changes nothing, when another version is there. The node that is
    asked decides alone: name it, since two nodes may each let one through.

    Example: python -m client put greeting hello --ack all --ack-timeout 10

    Example: python -m client put job/7 mine --if-absent --ttl 30 --node node1
    """
    parsed = read_value(value, value_type)
    version = read_clock(if_vc)
    with kept_session(options) as session:
        written = session.put(
            key,
            parsed,
            ttl_seconds=ttl,
            if_vc=version,
            if_absent=if_absent,
            node=options.node,
            ack=ack,
            ack_timeout=ack_timeout,
        )
    if options.json:
        render.show_answer(written)
    else:
        render.show_put(key, parsed, written)
    say_when_not_reached(ack, written)


@command
def get(
    options: Options,
    key: Key,
    siblings: Annotated[bool, typer.Option("--siblings", help="Show all concurrent versions.")] = False,  # noqa: FBT002  # typer passes parameters by name
) -> None:
    """Show the value of KEY and its vector clock; exits with 1 when there is none.

    Example: python -m client get greeting --siblings
    """
    with kept_session(options) as session:
        value = session.get(key, siblings=siblings, node=options.node)
    if options.json:
        render.show_answer(value)
    elif siblings:
        render.show_siblings(value)
    else:
        render.show_value(value)


@command
def delete(  # typer passes parameters by name
    options: Options,
    key: Key,
    if_vc: IfVcOption = None,
    ack: AckOption = None,
    ack_timeout: AckTimeoutOption = None,
) -> None:
    """Delete KEY; also done when there is none.

    With --if-vc it exits with 1, and changes nothing, when another version is there.

    Example: python -m client delete greeting --ack broker

    Example: python -m client delete greeting --if-vc '[1, 0, 0]'
    """
    version = read_clock(if_vc)
    with kept_session(options) as session:
        written = session.delete(key, if_vc=version, node=options.node, ack=ack, ack_timeout=ack_timeout)
    if options.json:
        render.show_answer(written)
    else:
        render.show_delete(key, written)
    say_when_not_reached(ack, written)


@command
def mget(
    options: Options, keys: Annotated[list[str], typer.Argument(help="1 to 1000 keys.", show_default=False)]
) -> None:
    """Show several KEYS as they stand together at one moment; exits with 1 when none of them has a value.

    Example: python -m client mget greeting farewell
    """
    with kept_session(options) as session:
        cut = session.mget(keys, node=options.node)
    if options.json:
        render.show_answer(cut)
    else:
        render_data.show_rows(cut.stored)
    if not cut.versions:
        raise NotFoundError("none of the keys has a value")


@command
def batch(
    options: Options,
    file: Annotated[
        str, typer.Argument(help="A JSON array of operations, or one operation a line; - reads standard input.")
    ] = "-",
    ack: AckOption = None,
    ack_timeout: AckTimeoutOption = None,
) -> None:
    """Carry out the operations in FILE as one write: all or nothing, at the same moment on every node.

    An operation is one of {"op": "put", "key", "value", "ttl"?}, {"op": "delete", "key"}, {"op": "incr", "key", "by"?},
    {"op": "sadd", "key", "members"} and {"op": "srem", "key", "members"}. 1 to 1000 of them.

    Example: echo '[{"op": "put", "key": "x", "value": 1}, {"op": "incr", "key": "n"}]' | python -m client batch
    """
    operations = read_operations(file)
    with kept_session(options) as session:
        written = session.batch(operations, node=options.node, ack=ack, ack_timeout=ack_timeout)
    if options.json:
        render.show_answer(written)
    else:
        render_data.show_batch(len(operations), written)
    say_when_not_reached(ack, written)


@command
def scan(
    options: Options,
    prefix: Annotated[str, typer.Argument(help="Only keys that begin so; all by default.")] = "",
    limit: Annotated[int | None, typer.Option("--limit", help="Show at most so many keys.", min=1)] = None,
    after: Annotated[str | None, typer.Option("--after", help="Begin behind this key.", metavar="KEY")] = None,
) -> None:
    """Show keys and values in byte order. With --json one object a line.

    It is read in pages of 1000 keys, each as it stands at one moment.

    Example: python -m client scan user/ --limit 20
    """
    with kept_session(options) as session:
        for page in session.scan_pages(prefix, after=after, limit=limit, node=options.node):
            if options.json:
                render_data.show_rows_json(page.stored)
            elif page.keys:
                render_data.show_rows(page.stored)
