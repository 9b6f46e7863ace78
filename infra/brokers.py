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
from node.broker_address import with_password

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.broker_users import BrokerUsers

AMQP_URL_VARIABLE = "CAUSALKV_AMQP_URL"
TRUSTED_USERS_VARIABLE = "CAUSALKV_TRUSTED_BROKER_USERS"
AMQP_PASSWORD_VARIABLE = "CAUSALKV_AMQP_PASSWORD"  # noqa: S105  # a name, not a password
CLUSTER_VARIABLE = "CAUSALKV_CLUSTER"
DEFAULT_CLUSTER = "causalkv"
MEMORY_URL = "memory://"


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that is up: how nodes reach it, where a person looks at it, how to end it.

    ``cluster`` is the prefix of exchange and queue names on it; ``stop`` ends only what was started here. ``users``:
    where the broker serves this cluster alone, each node has a user of its own there, and ``amqp_url`` is the
    administrator's.
    """

    description: str
    amqp_url: str
    management: str | None
    cluster: str
    stop: Callable[[], None]
    users: BrokerUsers | None = None

    @property
    def is_memory(self) -> bool:
        """Whether this is the in-process fanout, which needs all nodes in one process."""
        return self.amqp_url == MEMORY_URL

    def environment_of(self, node: str) -> dict[str, str]:
        """How this node is told to reach it."""
        if self.users is None:
            return {AMQP_URL_VARIABLE: self.amqp_url}
        parts = urlsplit(self.amqp_url)
        host = parts.netloc.rpartition("@")[2]
        return {
            AMQP_URL_VARIABLE: parts._replace(netloc=f"{node}@{host}").geturl(),
            AMQP_PASSWORD_VARIABLE: self.users.passwords[node],
            # A data folder that is kept may hold messages from before each node had a user of its own.
            TRUSTED_USERS_VARIABLE: self.users.administrator,
        }


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
        directory / "broker",
        management=True,
        cluster=_cluster_name(),
        management_port=MANAGEMENT_PORT if is_free(MANAGEMENT_PORT) else None,
    )
    broker.start()
    return _own(broker, f"RabbitMQ, started for this cluster (log: {broker.log_file})")


def start_in_docker(directory: Path, *, data_is_kept: bool) -> Broker:
    """Start RabbitMQ in a container; a volume named after ``directory`` keeps its data when wanted."""
    name = hashlib.sha256(str(directory.absolute()).encode()).hexdigest()[:12]
    broker = docker_engine.DockerBroker(
        cluster=_cluster_name(), volume=f"causalkv-demo-{name}" if data_is_kept else None
    )
    broker.start()
    return _own(broker, f"RabbitMQ in the Docker container {broker.name}")


def _own(broker: PrivateBroker | docker_engine.DockerBroker, description: str) -> Broker:
    users = broker.users
    return Broker(
        description=description,
        amqp_url=broker.amqp_url,
        management=f"{broker.management_url} (user {users.administrator}, password "
        f"{users.passwords[users.administrator]})",
        cluster=_cluster_name(),
        stop=broker.stop,
        users=users,
    )


def _install_and_start(directory: Path) -> Broker:
    debian.install_rabbitmq()
    return start_private(directory)


def _given(url: str, directory: Path, *, data_is_kept: bool) -> Broker:
    if url.strip() == MEMORY_URL:
        return _memory()
    addresses = [part.strip() for part in url.split(",")]
    try:
        shown = ", ".join(_without_password(address) for address in addresses)
    except ValueError:  # not quoted: the password may be in it
        raise BrokerNotFoundError(
            f"{AMQP_URL_VARIABLE} is no broker's address: use amqp://user:password@host:5672/%2F"
        ) from None
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

            password = os.environ.get(AMQP_PASSWORD_VARIABLE)
            if password:
                addresses = [with_password(address, password) for address in addresses]
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
    """An address to show. Raises ValueError when it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        raise ValueError
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _nothing() -> None:
    pass
