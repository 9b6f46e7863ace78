"""Docker, as far as a local cluster needs it: is there an engine, and a broker in a container."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING

from infra.broker_users import FOLDER, BrokerUsers
from infra.errors import StartFailedError
from infra.ports import LOOPBACK, MANAGEMENT_PORT, answers_http, free_port, is_free, speaks_amqp, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGE = "rabbitmq:4-management"
ANSWER_TIMEOUT_SECONDS = 20.0
# The image may have to be downloaded first.
RUN_TIMEOUT_SECONDS = 600.0
READY_TIMEOUT_SECONDS = 120.0


def engine_version() -> str | None:
    """The version of the Docker engine that answers, None when there is none or it may not be used."""
    return _first_line("docker", "version", "--format", "{{.Server.Version}}")


def compose_version() -> str | None:
    """The version of Docker Compose (2 or later), None when it is missing."""
    return _first_line("docker", "compose", "version", "--short")


class DockerBroker:
    """RabbitMQ with its management UI in a container, on loopback ports.

    It has the users of ``infra/rabbitmq/definitions.json``, with rights to what the cluster of this name has there.
    ``volume`` names a Docker volume that keeps the broker's data; without it they go with the container.
    """

    def __init__(self, *, cluster: str, volume: str | None = None) -> None:
        self.name = f"causalkv-demo-{secrets.token_hex(4)}"
        self._cluster = cluster
        self._volume = volume
        self.users = BrokerUsers.drawn("causalkv")
        self.amqp_port = free_port()
        self.management_port = MANAGEMENT_PORT if is_free(MANAGEMENT_PORT) else free_port()

    @property
    def amqp_url(self) -> str:
        """Address with credentials, as CAUSALKV_AMQP_URL takes it."""
        user = self.users.administrator
        return f"amqp://{user}:{self.users.passwords[user]}@{LOOPBACK}:{self.amqp_port}/%2F"

    @property
    def management_url(self) -> str:
        """Address of the management UI."""
        return f"http://{LOOPBACK}:{self.management_port}"

    def start(self) -> None:
        """Start the container and wait until the broker in it serves its ports.

        Raises StartFailedError with what Docker says; no container is left then.
        """
        try:
            self._run({**self.users.variables(), "CAUSALKV_CLUSTER": self._cluster})
            wait_until(self._is_ready, READY_TIMEOUT_SECONDS, f"RabbitMQ in the container {self.name}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove the container; safe to call twice."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            _docker("stop", "--time", "20", self.name, timeout_seconds=40)
        _docker("rm", "--force", "--volumes", self.name)

    def _run(self, settings: Mapping[str, str]) -> None:
        command = ["run", "--detach", "--name", self.name, "--hostname", "causalkv"]
        for name, value in settings.items():
            command += ["--env", f"{name}={value}"]
        command += ["--publish", f"{LOOPBACK}:{self.amqp_port}:5672"]
        command += ["--publish", f"{LOOPBACK}:{self.management_port}:15672"]
        if self._volume:
            command += ["--volume", f"{self._volume}:/var/lib/rabbitmq"]
        # As in docker-compose.yml.
        command += ["--volume", f"{FOLDER}:/etc/causalkv:ro", "--tmpfs", "/run/causalkv"]
        command += ["--volume", f"{FOLDER}/add-node:/usr/local/bin/add-node:ro"]
        command += ["--volume", f"{FOLDER}/rabbitmq.conf:/etc/rabbitmq/conf.d/30-causalkv.conf:ro"]
        command += ["--entrypoint", "sh", IMAGE, "/etc/causalkv/start"]
        try:
            done = _docker(*command, timeout_seconds=RUN_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise StartFailedError(f"docker run {IMAGE} did not end within {RUN_TIMEOUT_SECONDS:.0f} s") from None
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise StartFailedError(f"docker run {IMAGE}: {lines[-1]}")

    def _is_ready(self) -> bool:
        # Answers count, not connections: a published port takes those long before the broker does. Asking from
        # inside (docker exec) too early would make the Erlang cookie with the wrong owner.
        return speaks_amqp(LOOPBACK, self.amqp_port) and answers_http(self.management_url)


def _docker(*arguments: str, timeout_seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments],  # noqa: S607  # the user's own Docker client, wherever it is
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
        start_new_session=True,  # Ctrl-C must not cut a removal short
    )


def _first_line(*command: str) -> str | None:
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = _docker(*command[1:], timeout_seconds=ANSWER_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
