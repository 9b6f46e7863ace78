"""Brokers with a user for each node: the installed RabbitMQ, and the one in the image that Docker Compose uses."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import httpx
import pika

from infra.broker_users import FOLDER
from infra.docker_engine import DockerBroker
from infra.ports import NO_TLS
from infra.private_broker import PrivateBroker
from tests.support.broker import require_broker
from tests.support.docker import require_docker

if TYPE_CHECKING:
    from infra.broker_users import BrokerUsers

CLUSTER = "causalkv"
COMMAND_TIMEOUT_SECONDS = 240.0


class RunningBroker(Protocol):
    """What the tests ask of either."""

    @property
    def users(self) -> BrokerUsers:
        """Who may log in."""

    @property
    def amqp_url(self) -> str:
        """Its address, for the administrator."""

    @property
    def management_url(self) -> str | None:
        """Its management UI and API."""

    def add_node(self, node: str, password: str) -> subprocess.CompletedProcess[str]:
        """Make a user for one more node, as docs say."""

    def ctl(self, *arguments: str) -> str:
        """What ``rabbitmqctl`` prints."""

    def start(self) -> None:
        """Start it."""

    def stop(self) -> None:
        """End it, and leave nothing."""


class InstalledBroker(PrivateBroker):
    """The one of this machine."""

    def __init__(self) -> None:
        require_broker()
        self._temporary = tempfile.TemporaryDirectory(prefix="causalkv-broker-")
        super().__init__(Path(self._temporary.name), management=True, cluster=CLUSTER)

    def add_node(self, node: str, password: str) -> subprocess.CompletedProcess[str]:
        """See RunningBroker."""
        return _run([str(FOLDER / "add-node"), node], password, environment=self.commands)

    def stop(self, timeout_seconds: float = 20.0) -> None:
        """See RunningBroker."""
        super().stop(timeout_seconds)
        self._temporary.cleanup()


class BrokerInDocker(DockerBroker):
    """The one of docker-compose.yml."""

    def __init__(self) -> None:
        require_docker()
        super().__init__(cluster=CLUSTER)

    def add_node(self, node: str, password: str) -> subprocess.CompletedProcess[str]:
        """See RunningBroker."""
        return _run(["docker", "exec", "-i", self.name, "add-node", node], password)

    def ctl(self, *arguments: str) -> str:
        """See RunningBroker."""
        done = _run(["docker", "exec", self.name, "rabbitmqctl", "--quiet", *arguments])
        assert done.returncode == 0, done.stderr
        return done.stdout


def url_of(broker: RunningBroker, user: str, password: str | None = None) -> str:
    """The broker's address for one of its users."""
    secret = quote(password or broker.users.passwords[user], safe="")
    return f"amqp://{user}:{secret}@{broker.amqp_url.rpartition('@')[2]}"


def connection(broker: RunningBroker, user: str) -> pika.BlockingConnection:
    """A connection as one of its users."""
    return pika.BlockingConnection(pika.URLParameters(url_of(broker, user)))


def api(broker: RunningBroker, user: str) -> httpx.Client:
    """The management API as this user.

    A connection for each request: RabbitMQ 3.10 sometimes closes one behind a refusal whose request had a body,
    just when the next request goes out on it.
    """
    return httpx.Client(
        base_url=f"{broker.management_url}/api",
        auth=(user, broker.users.passwords[user]),
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=False,
        verify=NO_TLS,
        timeout=30,
    )


def _run(
    command: list[str], text: str = "", *, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=text,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
        check=False,
    )
