"""The command line: ``python -m client``, also installed as ``causalkv``.

Results go to stdout, messages to stderr. Exit codes: 0 done, 1 not found, or another version is there than the one
that was asked for, 2 usage, 3 the cluster could not, 4 `check` found a broken promise, 130 interrupted, 141 whoever
read its output is gone.
"""

from __future__ import annotations

import io
import sys

import typer

from client.commands_bench import bench
from client.commands_check import check
from client.commands_demo import demo
from client.commands_events import events
from client.commands_keys import batch, delete, get, mget, put, scan
from client.commands_nodes import buffer, members, remove, status
from client.commands_session import session_app
from client.commands_transfer import export, import_
from client.commands_types import counter, incr, sadd, smembers, srem
from client.commands_watch import watch
from client.interruption import be_interruptible
from client.invocation import common_options

app = typer.Typer(
    name="causalkv",
    help="Read and write a causally consistent store. Nodes are found through CAUSALKV_URLS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(common_options)
for data_command in (put, get, delete, mget, batch, scan, watch, incr, counter, sadd, srem, smembers):
    app.command()(data_command)
for node_command in (status, buffer, events, members, remove, check, bench, export, demo):
    app.command()(node_command)
app.command("import")(import_)
app.add_typer(session_app, name="session")


def main() -> None:
    """Run the command line; the console script."""
    be_interruptible()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A stored character that the terminal's encoding lacks is shown escaped, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    app()
