"""Node processes for tests: started as users start them, or forked from a process that has imported a node already.

Three quarters of a start's work are imports, and a run of all tests starts hundreds of nodes. A forked one is a process
like any other, with its own memory, files and signals, and runs what ``python -m node`` runs. What comes before that is
tested where nodes are always started as users do it: configuration, logs, demo, Docker.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

from infra.local_cluster import PROJECT_ROOT, NodeProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class RunningNode(Protocol):
    """What tests do with a process; ``subprocess.Popen`` has it."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def poll(self) -> int | None:
        """Its exit code, None while it runs; minus the signal that ended it."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; returns the exit code. Raises subprocess.TimeoutExpired."""

    def kill(self) -> None:
        """SIGKILL."""

    def terminate(self) -> None:
        """SIGTERM."""


def started_by_command(environment: Mapping[str, str], log_file: Path) -> RunningNode:
    """A new ``python -m node``, with its output in the log file."""
    node = NodeProcess("node", [sys.executable, "-m", "node"], dict(environment), [], log_file)
    node.start()
    assert node.process is not None
    return node.process


class ForkedNode:
    """A process forked by a server that waits, with a node imported, since the first one was asked for."""

    _context = multiprocessing.get_context("forkserver")

    def __init__(self, environment: Mapping[str, str], log_file: Path) -> None:
        self._context.set_forkserver_preload(["node.process", __name__])
        log_file.touch()  # there at once, as when the parent opens it
        self._process = self._context.Process(target=_run, args=(dict(environment), log_file), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, None while it runs; minus the signal that ended it."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; returns the exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("a forked node", timeout or 0.0)
        return code

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()


def _run(environment: dict[str, str], log_file: Path) -> None:
    """Become what ``python -m node`` is with this environment."""
    from node.process import main  # noqa: PLC0415  # the server has it; who only asks for nodes does not need it

    gc.disable()  # as ``node/__main__.py`` does
    os.setsid()
    os.chdir(PROJECT_ROOT)
    os.environ.clear()
    os.environ.update(environment)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]  # these two are text files
    os.close(log)
    sys.argv = ["node"]
    sys.exit(main())
