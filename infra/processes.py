"""Ending processes, with everything that they started."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import subprocess

KILL_TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 0.05


def kill_group(leader: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, and wait until they are gone: their ports must be free again."""
    members: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            # The group outlives its leader: a script that was stopped may leave the virtual machine behind,
            # and that has helpers outside of the group.
            if os.getpgid(process.pid) == leader.pid:
                members |= {process, *process.children(recursive=True)}
    for process in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    leader.wait()
    deadline = time.monotonic() + KILL_TIMEOUT_SECONDS
    while any(_lives(process) for process in members) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _lives(process: psutil.Process) -> bool:
    try:
        # Nobody may be there to collect it, as in a container whose first process does not.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
