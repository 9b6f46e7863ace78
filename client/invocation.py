"""What all commands have in common: their options, their session, and how they end."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.client import Client
from client.cluster import DEFAULT_TIMEOUT_SECONDS
from client.errors import (
    ClientError,
    ContextNotReachedError,
    ForeignContextError,
    NoNodeCouldError,
    NotFoundError,
    PreconditionFailedError,
    SessionFileError,
    UsageError,
)
from client.render import json_text, printable
from client.session_file import SessionFile, state_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from client.session import Session

# 1 is the answer "no": there is no value, or another version than the one that was asked for.
NOT_FOUND_EXIT, USAGE_EXIT, CLUSTER_EXIT = 1, 2, 3
# Only `check`: the cluster broke a promise.
VIOLATION_EXIT = 4
# As shells report a process that ended by SIGINT and SIGPIPE.
INTERRUPTED_EXIT, BROKEN_PIPE_EXIT = 130, 141

DEFAULT_SESSION = "default"
PROXY_VARIABLE = "CAUSALKV_PROXY"
TIMEOUT_MAX_SECONDS = 3600.0
STALE_SESSION_ADVICE = (
    "if the cluster was wiped since, `python -m client session reset` forgets what the session saw, "
    "and --no-session goes without"
)

NodeOption = Annotated[str | None, typer.Option(help="Ask the node of this name, and no other.", metavar="NAME")]
SessionOption = Annotated[
    str | None, typer.Option(help=f"Use the session of this name instead of '{DEFAULT_SESSION}'.", metavar="NAME")
]
NoSessionOption = Annotated[bool, typer.Option("--no-session", help="Neither use nor keep what was seen before.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        help="The longest that the command takes, all attempts included; --ack-timeout comes on top.",
        show_default=f"{DEFAULT_TIMEOUT_SECONDS:g}",
        metavar="SECONDS",
        min=0.1,
        max=TIMEOUT_MAX_SECONDS,
    ),
]


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every command takes, before or after its name."""

    node: str | None = None
    session: str | None = None
    no_session: bool = False
    json: bool = False
    timeout_seconds: float | None = None

    def over(self, earlier: Options) -> Options:
        """Join with options given before the command's name; those given after it win."""
        return Options(
            node=earlier.node if self.node is None else self.node,
            session=earlier.session if self.session is None else self.session,
            no_session=self.no_session or earlier.no_session,
            json=self.json or earlier.json,
            timeout_seconds=earlier.timeout_seconds if self.timeout_seconds is None else self.timeout_seconds,
        )


def common_options(  # noqa: PLR0917  # typer passes parameters by name
    ctx: typer.Context,
    node: NodeOption = None,
    session: SessionOption = None,
    no_session: NoSessionOption = False,  # noqa: FBT002  # typer passes parameters by name
    json: JsonOption = False,  # noqa: FBT002  # as above
    timeout: TimeoutOption = None,
) -> None:
    """Take the common options and leave them, joined with those given before, in ``ctx.obj``."""
    earlier = ctx.obj if isinstance(ctx.obj, Options) else Options()
    ctx.obj = Options(node, session, no_session, json, timeout).over(earlier)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common options, as its first argument, and one way to end: no traceback, exit code said.

    Typer reads a function's signature: the wrapper's is the command's own without its first parameter, plus that of
    `common_options`.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    common = list(inspect.signature(common_options, eval_str=True).parameters.values())

    @functools.wraps(function)
    def run(**arguments: Any) -> None:
        ctx = arguments["ctx"]
        with _ending_well():
            common_options(**{parameter.name: arguments.pop(parameter.name) for parameter in common})
            if ctx.obj.session is not None and ctx.obj.no_session:
                raise UsageError("--session and --no-session exclude each other")
            function(ctx.obj, **arguments)
            sys.stdout.flush()

    parameters = sorted([*own, *common], key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # how decorators tell inspect
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__  # else typer would look through to the function's own hints
    return run


@contextmanager
def _ending_well() -> Iterator[None]:
    """Turn every way in which a command can fail into one message on stderr and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted; if a write was under way, it may or may not have been applied")
        raise typer.Exit(INTERRUPTED_EXIT) from None
    except ClientError as error:
        say(str(error))
        if _is_about_the_context(error):
            say(STALE_SESSION_ADVICE)
        if isinstance(error, PreconditionFailedError) and error.current is not None:
            say(f"there is: {error.key} = {json_text(error.current.value)}   vc {error.current.vc}")
        raise typer.Exit(_exit_code(error)) from None
    except BrokenPipeError:
        # Python flushes stdout once more at exit; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE_EXIT) from None
    except OSError as error:
        say(f"the system refuses: {error}")
        raise typer.Exit(CLUSTER_EXIT) from None
    except typer.Exit:
        raise
    except Exception as error:  # noqa: BLE001  # no traceback reaches a user, whatever we got wrong
        say(f"internal error, please report it: {type(error).__name__}: {error}")
        raise typer.Exit(CLUSTER_EXIT) from None


def _exit_code(error: ClientError) -> int:
    if isinstance(error, NotFoundError | PreconditionFailedError):
        return NOT_FOUND_EXIT
    return USAGE_EXIT if isinstance(error, UsageError) else CLUSTER_EXIT


def _is_about_the_context(error: ClientError) -> bool:
    if isinstance(error, NoNodeCouldError):
        return any(map(_is_about_the_context, error.by_node.values()))
    return isinstance(error, ContextNotReachedError | ForeignContextError)


def say(text: str) -> None:
    """Print a message on stderr; it may hold text from elsewhere, such as a node's error."""
    typer.echo(f"causalkv: {printable(text)}", err=True)


def confirm(question: str) -> None:
    """On a terminal, go on only when the answer is yes; elsewhere nobody is there to be asked, and scripts mean it.

    Raises typer.Exit.
    """
    if sys.stdin is None or not sys.stdin.isatty():  # None: it was closed
        return
    # Not typer.confirm: that writes a part of its question on stdout, where results go.
    typer.echo(f"{printable(question)} [y/N]: ", nl=False, err=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
    if answer.strip().lower() in ("y", "yes"):
        return
    if not answer.endswith("\n"):
        typer.echo(err=True)  # Ctrl-C and the end of the input leave the line of the question open
    say("nothing was changed")
    raise typer.Exit(INTERRUPTED_EXIT)


def open_client(options: Options, *, default_timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> Client:
    """Open the client that the options and the environment describe."""
    timeout_seconds = default_timeout_seconds if options.timeout_seconds is None else options.timeout_seconds
    return Client(timeout_seconds=timeout_seconds, proxy=os.environ.get(PROXY_VARIABLE) or None)


def session_file(options: Options, urls: tuple[str, ...]) -> SessionFile:
    """Return the file of the session that the options name."""
    return SessionFile(DEFAULT_SESSION if options.session is None else options.session, urls, state_directory())


@contextmanager
def kept_session(options: Options) -> Iterator[Session]:
    """Open the session that the options name, and keep what it saw, also when the command fails."""
    with open_client(options) as client:
        if options.no_session:
            yield client.session()
            return
        file = session_file(options, client.urls)
        kept = file.load()
        session = client.session(kept)
        try:
            yield session
        finally:
            if session.token != kept:
                _keep(file, session)


def _keep(file: SessionFile, session: Session) -> None:
    try:
        file.save(session.token)
    except SessionFileError as error:
        # The command itself is done or failed for a reason of its own: that decides the exit code.
        say(f"warning: what this command saw is not kept, and the next one will not wait for it: {error}")
