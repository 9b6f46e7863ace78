"""The project's own docker-compose.yml, started under another name and on free ports."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from testcontainers.compose import DockerCompose

from infra.ports import NO_TLS, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent.parent
NODES = ("node1", "node2", "node3")
PUBLISHED = (*NODES, "amqp", "management")
COMMAND_TIMEOUT_SECONDS = 240.0
WAIT_SECONDS = 60.0
# A node that is cut off notices by its heartbeat alone; a test need not wait a minute for that.
ADDITIONS = """
services:
  node1:
    environment:
      CAUSALKV_BROKER_HEARTBEAT_SECONDS: "5"
"""


class ComposeCluster:
    """A cluster of containers; ``directory`` takes the files with its settings."""

    def __init__(self, directory: Path) -> None:
        self.project = f"causalkv-test-{secrets.token_hex(4)}"
        self.ports = {name: free_port() for name in PUBLISHED}
        self._directory = directory
        self.configure()
        self._compose = DockerCompose(
            ROOT,
            compose_file_name=[str(ROOT / "docker-compose.yml"), str(directory / "additions.yml")],
            env_file=str(directory / "compose.env"),
            build=True,
            wait=True,
        )
        self.http = httpx.Client(timeout=10.0, trust_env=False, verify=NO_TLS)

    def configure(self, additions: str = ADDITIONS, **variables: str) -> None:
        """What stands beside docker-compose.yml, and the environment, from the next command on."""
        ports = {f"CAUSALKV_PORT_{name.upper()}": str(port) for name, port in self.ports.items()}
        settings = {"COMPOSE_PROJECT_NAME": self.project, "CAUSALKV_FAULTS": "1", **ports, **variables}
        lines = [f"{name}='{value}'\n" for name, value in settings.items()]
        (self._directory / "compose.env").write_text("".join(lines), encoding="utf-8")
        (self._directory / "additions.yml").write_text(additions, encoding="ascii")

    def up(self) -> None:
        """``docker compose up --build --wait``."""
        complaint = self.start()
        if complaint is not None:
            logs = self.run("logs", "--tail", "40", check=False)
            pytest.fail(f"docker compose up: {complaint[-2_000:]}\n{logs[-4_000:]}")

    def start(self) -> str | None:
        """The same; what it says when it fails, else None."""
        try:
            self._compose.start()
        except subprocess.CalledProcessError as error:
            return (error.stderr or b"").decode(errors="replace")
        return None

    def down(self) -> None:
        """``docker compose down``: containers and networks go, data stays."""
        self.run("down")

    def remove(self) -> None:
        """Remove containers, networks and data; the image stays, as the next build's cache."""
        self.http.close()
        self.run("--profile", "client", "down", "--volumes", "--remove-orphans", check=False)

    def run(self, *arguments: str, check: bool = True) -> str:
        """What ``docker compose …`` prints."""
        command = [*self._compose.docker_compose_command(), *arguments]
        return _output(command, check=check)

    def client(self, *arguments: str) -> str:
        """What ``python -m client …`` prints when it is run on the host."""
        urls = ",".join(self.url(node) for node in NODES)
        return _output([sys.executable, "-m", "client", *arguments], environment={"CAUSALKV_URLS": urls})

    def container(self, service: str) -> str:
        """The id of a service's container, running or not."""
        return self.run("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """What Docker knows about a service's container."""
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.container(service)))
        return found[0]

    def url(self, name: str) -> str:
        """Where a node, or the management UI, is reached from the host."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def status(self, node: str) -> dict[str, Any]:
        """A node's ``/status``."""
        answer = self.http.get(f"{self.url(node)}/status")
        answer.raise_for_status()
        status: dict[str, Any] = answer.json()
        return status

    def is_ready(self, node: str) -> bool:
        """Whether a node serves."""
        try:
            return self.http.get(f"{self.url(node)}/readyz").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def log_lines(self, service: str) -> list[str]:
        """What a service has logged."""
        return self.run("logs", "--no-color", "--no-log-prefix", service).splitlines()


def docker(*arguments: str) -> str:
    """What ``docker …`` prints."""
    return _output(["docker", *arguments])


def eventually(condition: Callable[[], bool], what: str, timeout_seconds: float = WAIT_SECONDS) -> None:
    """Wait until the condition holds; fail with ``what`` when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_seconds:.0f} s: {what}")
        time.sleep(0.2)


def _output(command: list[str], *, check: bool = True, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
        check=False,
    )
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}")
    return done.stdout
