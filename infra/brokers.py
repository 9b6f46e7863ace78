"""Finding a broker for a local cluster: the first of several ways that works on this machine."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra import debian, docker_engine
from infra.errors import BrokerNotFoundError, InfrastructureError
from infra.ports import MANAGEMENT_PORT, broker_answers, is_free
from infra.private_broker import PrivateBroker, find_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AMQP_URL_VARIABLE = "CAUSALKV_AMQP_URL"
CLUSTER_VARIABLE = "CAUSALKV_CLUSTER"
DEFAULT_CLUSTER = "causalkv"
MEMORY_URL = "memory://"


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that is up: how nodes reach it, where a person looks at it, how to end it.

    ``cluster`` is the prefix of exchange and queue names on it; ``stop`` ends only what was started here.
    """

    description: str
    amqp_url: str
    management: str | None
    cluster: str
    stop: Callable[[], None]

    @property
    def is_memory(self) -> bool:
        """Whether this is the in-process fanout, which needs all nodes in one process."""
        return self.amqp_url == MEMORY_URL


def find_broker(directory: Path, *, data_is_kept: bool, say: Callable[[str], None]) -> Broker:
    """Start, or find, a broker; ``directory`` holds a private one's data, ``say`` tells a person what is done.

    A broker named in CAUSALKV_AMQP_URL is used or is an error; what is only found here may fail, and
    then the next way is tried, down to the in-process fanout.
    Raises BrokerNotFoundError when the given broker does not answer.
    """
    given = os.environ.get(AMQP_URL_VARIABLE)
    if given:
        return _given(given, directory, data_is_kept=data_is_kept)

    ways: list[tuple[str, Callable[[], bool], Callable[[], Broker]]] = [
        ("the installed RabbitMQ", lambda: find_server() is not None, partial(start_private, directory)),
        (
            "RabbitMQ in Docker",
            lambda: docker_engine.engine_version() is not None,
            partial(start_in_docker, directory, data_is_kept=data_is_kept),
        ),
        ("RabbitMQ from the system's packages (apt-get)", debian.can_install, partial(_install_and_start, directory)),
    ]
    for name, is_possible, start in ways:
        if not is_possible():
            continue
        say(f"Starting {name} …")
        try:
            return start()
        except InfrastructureError as error:
            say(f"That did not work: {error}")
    say("No RabbitMQ here, and none could be started: the nodes run in one process, over an in-process fanout.")
    return _memory()


def start_private(directory: Path) -> Broker:
    """Start an installed RabbitMQ privately, with its data in ``directory``."""
    broker = PrivateBroker(
        directory / "broker", management=True, management_port=MANAGEMENT_PORT if is_free(MANAGEMENT_PORT) else None
    )
    broker.start()
    return Broker(
        description=f"RabbitMQ, started for this cluster (log: {broker.log_file})",
        amqp_url=broker.amqp_url,
        management=f"{broker.management_url} (user {broker.user}, password {broker.password})",
        cluster=_cluster_name(),
        stop=broker.stop,
    )


def start_in_docker(directory: Path, *, data_is_kept: bool) -> Broker:
    """Start RabbitMQ in a container; a volume named after ``directory`` keeps its data when wanted."""
    name = hashlib.sha256(str(directory.absolute()).encode()).hexdigest()[:12]
    broker = docker_engine.DockerBroker(volume=f"causalkv-demo-{name}" if data_is_kept else None)
    broker.start()
    return Broker(
        description=f"RabbitMQ in the Docker container {broker.name}",
        amqp_url=broker.amqp_url,
        management=f"{broker.management_url} (user {broker.user}, password {broker.password})",
        cluster=_cluster_name(),
        stop=broker.stop,
    )


def _install_and_start(directory: Path) -> Broker:
    debian.install_rabbitmq()
    return start_private(directory)


def _given(url: str, directory: Path, *, data_is_kept: bool) -> Broker:
    if url.strip() == MEMORY_URL:
        return _memory()
    addresses = [part.strip() for part in url.split(",")]
    shown = ", ".join(_without_password(address) for address in addresses)
    if not any(broker_answers(address) for address in addresses):
        raise BrokerNotFoundError(f"no broker answers at {shown}: start it, or unset {AMQP_URL_VARIABLE}")

    # Other nodes may live on that broker: names of our own keep both apart.
    cluster = os.environ.get(CLUSTER_VARIABLE)
    stop: Callable[[], None] = _nothing
    if not cluster:
        cluster = _kept_name(directory / "cluster-name")
        if not data_is_kept:
            # Imported here: only this way of four touches a broker that outlives the cluster.
            from infra.broker_cleanup import delete_cluster  # noqa: PLC0415  # reason above

            stop = partial(delete_cluster, addresses, cluster)
    return Broker(f"the broker at {shown} (from {AMQP_URL_VARIABLE})", url, None, cluster, stop)


def _memory() -> Broker:
    return Broker("none: an in-process fanout", MEMORY_URL, None, _cluster_name(), _nothing)


def _cluster_name() -> str:
    return os.environ.get(CLUSTER_VARIABLE) or DEFAULT_CLUSTER


def _kept_name(file: Path) -> str:
    """A name made once for this data folder: the nodes' queues must be found again under it."""
    if not file.exists():
        file.write_text(f"{DEFAULT_CLUSTER}-demo-{secrets.token_hex(4)}", encoding="ascii")
    return file.read_text(encoding="ascii")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _nothing() -> None:
    pass
