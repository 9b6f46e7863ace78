"""Three nodes as processes on this machine, on neighbouring loopback ports."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from infra.errors import StartFailedError
from infra.ports import LOOPBACK, NO_TLS, POLL_SECONDS
from infra.processes import kill_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.brokers import Broker

NODE_IDS = ("node1", "node2", "node3")
DEFAULT_BASE_PORT = 8001
PROJECT_ROOT = Path(__file__).resolve().parent.parent
READY_TIMEOUT_SECONDS = 60.0
# A node finishes what it accepted within 10 s.
STOP_TIMEOUT_SECONDS = 15.0
LOG_TAIL_LINES = 15


@dataclass(slots=True)
class NodeProcess:
    """One process that serves one node (or, with the in-process fanout, all of them)."""

    name: str
    command: list[str]
    environment: dict[str, str]
    urls: list[str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, with its output in the log file."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=PROJECT_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the one who owns the cluster, who stops it in order
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs or was never started."""
        return self.process.poll() if self.process else None

    def log_tail(self) -> str:
        """The last lines of its log."""
        return end_of_log(self.log_file)


class LocalCluster:
    """node1 to node3 at ``base_port`` and the two ports after it; data and logs in ``directory``."""

    def __init__(self, directory: Path, broker: Broker, *, base_port: int = DEFAULT_BASE_PORT) -> None:
        self.urls = {node: f"http://{LOOPBACK}:{port}" for node, port in ports_of(base_port).items()}
        directory.mkdir(parents=True, exist_ok=True)
        common = os.environ | {
            "CAUSALKV_NODES": ",".join(NODE_IDS),
            "CAUSALKV_AMQP_URL": broker.amqp_url,
            "CAUSALKV_CLUSTER": broker.cluster,
            "CAUSALKV_HTTP_HOST": LOOPBACK,
            "PYTHONUNBUFFERED": "1",
        }
        if broker.is_memory:
            self.processes = [self._all_in_one(directory, base_port, common)]
        else:
            self.processes = [self._single(directory, node, common | broker.environment_of(node)) for node in NODE_IDS]

    def start(self) -> None:
        """Start all nodes and wait until each is ready to serve.

        Raises StartFailedError with the end of the log of a node that is not; stop() is still the caller's duty.
        """
        for process in self.processes:
            process.start()
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        with httpx.Client(timeout=2.0, trust_env=False, verify=NO_TLS) as client:
            for process, url in self._waited_for():
                while not _is_ready(client, url):
                    _check(process, deadline)
                    time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End all nodes, in order where they manage it in time; safe to call twice."""
        running = [process.process for process in self.processes if process.process and process.exit_code is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            kill_group(process)

    def _waited_for(self) -> Iterator[tuple[NodeProcess, str]]:
        for process in self.processes:
            for url in process.urls:
                yield process, url

    def _single(self, directory: Path, node: str, common: dict[str, str]) -> NodeProcess:
        url = self.urls[node]
        own = {
            "CAUSALKV_NODE_ID": node,
            "CAUSALKV_HTTP_PORT": url.rpartition(":")[2],
            "CAUSALKV_ADVERTISED_URL": url,
            "CAUSALKV_DATA_DIR": str(directory / node),
        }
        return NodeProcess(node, [sys.executable, "-m", "node"], common | own, [url], directory / f"{node}.log")

    def _all_in_one(self, directory: Path, base_port: int, common: dict[str, str]) -> NodeProcess:
        command = [sys.executable, "-m", "node.in_process_cluster", "--base-port", str(base_port)]
        command += ["--data-dir", str(directory)]
        return NodeProcess("nodes", command, common, list(self.urls.values()), directory / "nodes.log")


def end_of_log(file: Path) -> str:
    """The last lines of a log; nothing when there is none."""
    if not file.exists():
        return ""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:])


def ports_of(base_port: int) -> dict[str, int]:
    """The HTTP port of each node."""
    return {node: base_port + offset for offset, node in enumerate(NODE_IDS)}


def _is_ready(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/readyz").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _check(process: NodeProcess, deadline: float) -> None:
    if process.exit_code is not None:
        raise StartFailedError(f"{process.name} ended with exit code {process.exit_code}:\n{process.log_tail()}")
    if time.monotonic() > deadline:
        raise StartFailedError(
            f"{process.name} was not ready within {READY_TIMEOUT_SECONDS:.0f} s:\n{process.log_tail()}"
        )
