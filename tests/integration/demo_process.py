"""./infra/demo as a subprocess, watched from outside: what it prints, and what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.local_cluster import NODE_IDS, ports_of
from infra.ports import free_port, is_free

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
DEADLINE_SECONDS = 120.0


class DemoProcess:
    """One run; all that it starts inherits ``directory`` as TMPDIR, which is how leftovers are recognised."""

    def __init__(self, directory: Path, arguments: list[str], environment: dict[str, str], base_port: int) -> None:
        self.directory = directory
        self.base_port = base_port
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAUSALKV_")}
        self._process = subprocess.Popen(
            [str(ROOT / "infra" / "demo"), "--base-port", str(base_port), *arguments],
            env=inherited | {"TMPDIR": str(directory)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._said: list[str] = []
        self._played: list[str] = []
        streams = ((self._process.stdout, self._played), (self._process.stderr, self._said))
        # extend() takes line after line, so that what was said can be looked at while it runs.
        self._readers = [threading.Thread(target=into.extend, args=(stream,), daemon=True) for stream, into in streams]
        for reader in self._readers:
            reader.start()

    @property
    def transcript(self) -> str:
        """What went to stdout so far."""
        return "".join(self._played)

    @property
    def messages(self) -> str:
        """What went to stderr so far."""
        return "".join(self._said)

    def wait_for_message(self, text: str) -> None:
        """Wait until it has said this on stderr."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while text not in self.messages:
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"never said {text!r}:\n{self.messages}")
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone; what it started is its own business."""
        self._process.send_signal(number)

    def exit_code(self) -> int:
        """Wait for its end."""
        try:
            code = self._process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not end:\n{self.messages}")
        for reader in self._readers:
            reader.join(10)
        return code

    def started(self) -> list[psutil.Process]:
        """The processes that live and were started by it, itself included."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("TMPDIR") == str(self.directory) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def assert_nothing_is_left(self) -> None:
        """No process, no taken port, no file."""
        assert [process.cmdline() for process in self.started()] == []
        assert [port for port in ports_of(self.base_port).values() if not is_free(port)] == []
        assert list(self.directory.iterdir()) == []

    def kill(self) -> None:
        """End whatever a failed test left."""
        for process in self.started():
            process.kill()
        self._process.wait()


@contextmanager
def demo(
    directory: Path, *arguments: str, base_port: int | None = None, environment: dict[str, str] | None = None
) -> Iterator[DemoProcess]:
    """Run ./infra/demo on ports of its own."""
    directory.mkdir(exist_ok=True)
    process = DemoProcess(directory, list(arguments), environment or {}, base_port or free_ports_in_a_row())
    try:
        yield process
    finally:
        process.kill()


def free_ports_in_a_row() -> int:
    """The first of as many free neighbouring ports as there are nodes."""
    for _ in range(100):
        first = free_port()
        if first + len(NODE_IDS) <= 65535 and all(is_free(first + offset) for offset in range(len(NODE_IDS))):
            return first
    pytest.fail("no free neighbouring ports")
