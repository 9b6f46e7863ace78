"""The options of commands that write, and what is said of a level that was not reached."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from client.answers import AckLevel
from client.errors import UsageError
from client.invocation import say
from client.requests import ACK_TIMEOUT_DEFAULT_SECONDS, ACK_TIMEOUT_MAX_SECONDS

if TYPE_CHECKING:
    from client.answers import AckReached

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
IfVcOption = Annotated[
    str | None,
    typer.Option(
        "--if-vc", help="Only when the version that is there has this clock, such as '[1, 0, 0]'.", metavar="CLOCK"
    ),
]
IfAbsentOption = Annotated[bool, typer.Option("--if-absent", help="Only when there is no version.")]


def read_clock(text: str | None) -> list[int] | None:
    """Read a clock as ``get`` shows it, with or without brackets. Raises UsageError."""
    if text is None:
        return None
    numbers = text.strip().removeprefix("[").removesuffix("]").split(",")
    if not all(re.fullmatch(r"\s*[0-9]{1,19}\s*", number) for number in numbers):
        raise UsageError(f"--if-vc is {text[:80]!r}: use the clock that get shows, such as '[1, 0, 0]'")
    return [int(number) for number in numbers]


def say_when_not_reached(ack: AckLevel | None, written: AckReached) -> None:
    """Say that a write is done although its level was not reached: a script that took it for failed would repeat it."""
    if ack is not None and not written.has_reached(ack):
        say(
            f"the write is done, but was acknowledged as {written.acked or 'nothing that is known'} and not as {ack} "
            "in time: it goes on by itself, and must not be repeated"
        )
