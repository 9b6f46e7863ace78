"""``./infra/demo``: a broker, three nodes and the founding scenario, and nothing left behind.

The transcript goes to stdout, everything about it to stderr.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import psutil
import typer

from infra.broker_users import LOOK
from infra.brokers import find_broker
from infra.errors import InfrastructureError, StartFailedError
from infra.local_cluster import DEFAULT_BASE_PORT, NODE_IDS, PROJECT_ROOT, LocalCluster, ports_of
from infra.ports import require_free

if TYPE_CHECKING:
    from types import FrameType

    from infra.brokers import Broker

HIGHEST_BASE_PORT = 65535 - len(NODE_IDS) + 1
WATCH_SECONDS = 0.5
CLIENT_TIMEOUT_SECONDS = 120.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedBySignal(BaseException):
    """A person or the system ended the demo; not an Exception, so that no handler on the way keeps it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="leave the cluster running until Ctrl-C")] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="keep data and logs in this folder and go on from there; default: a temporary one"),
    ] = None,
    base_port: Annotated[
        int, typer.Option(min=1, max=HIGHEST_BASE_PORT, help="port of node1; node2 and node3 take the next two")
    ] = DEFAULT_BASE_PORT,
) -> None:
    """Start RabbitMQ and three nodes on this machine, play the founding scenario, and stop them again."""
    for number in SIGNALS:
        # nohup asks for SIGHUP to be ignored.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    ready = False
    try:
        # Entered first, so left last: whatever a signal kept from being noted is found here.
        with ExitStack() as cleanup:
            cleanup.callback(_end_children)
            require_free({port: node for node, port in ports_of(base_port).items()})
            directory = _data_directory(data, cleanup)
            broker = find_broker(directory, data_is_kept=data is not None, say=_say)
            cleanup.callback(broker.stop)
            cluster = LocalCluster(directory, broker, base_port=base_port)
            cleanup.callback(cluster.stop)
            cleanup.callback(_say, "\nStopping everything that was started …")
            cleanup.callback(_ignore_signals)
            _say("Starting three nodes …")
            cluster.start()
            _show_where_to_look(cluster, broker)
            _play(cluster, directory)
            ready = True
            if keep:
                _say("\nRunning until Ctrl-C.")
                _watch(cluster)
            else:
                _say("\n./infra/demo --keep leaves the cluster running, to look around.")
    except InfrastructureError as error:
        _say(f"\n{error}")
        raise typer.Exit(1) from None
    except InterruptedBySignal as interruption:
        # Ctrl-C is how a cluster that was kept is meant to end.
        if keep and ready and interruption.number == signal.SIGINT:
            return
        raise typer.Exit(128 + interruption.number) from None


def _data_directory(data: Path | None, cleanup: ExitStack) -> Path:
    if data is not None:
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InfrastructureError(f"--data {data}: {error.strerror}") from None
        return data.absolute()
    directory = tempfile.mkdtemp(prefix="causalkv-demo-")
    cleanup.callback(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


def _show_where_to_look(cluster: LocalCluster, broker: Broker) -> None:
    lines = ["", "Where to look:", f"  {'dashboard':<12} {next(iter(cluster.urls.values()))}"]
    lines += [f"  {node:<12} {url}/status" for node, url in cluster.urls.items()]
    lines += [f"  {'broker':<12} {broker.description}"]
    if broker.management:
        lines += [f"  {'management':<12} {broker.management}, exchange {broker.cluster}.writes"]
    if broker.users:
        lines += [f"  {'':<12} to look and change nothing: user {LOOK}, password {broker.users.passwords[LOOK]}"]
    lines += [f"  {'log':<12} {process.log_file}" for process in cluster.processes]
    _say("\n".join([*lines, ""]))


def _play(cluster: LocalCluster, directory: Path) -> None:
    """Run the client's demo as a user would."""
    environment = os.environ | {"CAUSALKV_URLS": ",".join(cluster.urls.values())}
    # The session of the user's own cluster means nothing here.
    environment["CAUSALKV_STATE_DIR"] = str(directory / "client")
    client = subprocess.Popen(
        [sys.executable, "-m", "client", "demo"],
        cwd=PROJECT_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        exit_code = client.wait(CLIENT_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        exit_code = None
    finally:
        if client.poll() is None:
            client.kill()
            client.wait()
    if exit_code != 0:
        what = f"exit code {exit_code}" if exit_code is not None else f"not done within {CLIENT_TIMEOUT_SECONDS:.0f} s"
        logs = "\n".join(f"--- {process.log_file.name}\n{process.log_tail()}" for process in cluster.processes)
        raise StartFailedError(f"the scenario did not succeed ({what}); the ends of the nodes' logs:\n{logs}")


def _watch(cluster: LocalCluster) -> NoReturn:
    """Wait for a signal; a node that ends meanwhile is told once, and the others go on."""
    told: set[str] = set()
    while True:
        for process in cluster.processes:
            if process.exit_code is not None and process.name not in told:
                told.add(process.name)
                _say(f"{process.name} ended (exit code {process.exit_code}); its log: {process.log_file}")
        if len(told) == len(cluster.processes):
            raise StartFailedError("no node is left")
        time.sleep(WATCH_SECONDS)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    _ignore_signals()
    raise InterruptedBySignal(number)


def _ignore_signals() -> None:
    """From here on the cleanup runs to its end; each of its steps has a limit."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_children() -> None:
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
            child.wait(5)


def _say(text: str) -> None:
    # A closed terminal must not keep the cleanup from running.
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    typer.run(run)
