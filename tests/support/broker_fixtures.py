"""Fixtures with a real RabbitMQ."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import pytest

from infra.ports import speaks_amqp
from tests.support.broker import PrivateBroker
from tests.support.docker import require_docker

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCKER_IMAGE = "rabbitmq:4-management"
AMQP_PORT = 5672
DOCKER_START_SECONDS = 90.0


@pytest.fixture(scope="session")
def broker() -> Iterator[PrivateBroker]:
    """One broker for all tests of a run, which keep apart by the names of their clusters; do not end or block it."""
    with PrivateBroker() as started:
        yield started


@pytest.fixture(scope="session")
def docker_broker_url() -> Iterator[str]:
    """The address of a RabbitMQ 4 in a container, for all tests of a run."""
    require_docker()
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415  # slow to import, needed by few

    container = DockerContainer(DOCKER_IMAGE).with_exposed_ports(AMQP_PORT)
    container.with_env("RABBITMQ_DEFAULT_USER", "tester").with_env("RABBITMQ_DEFAULT_PASS", "of-the-container")
    with container:
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(AMQP_PORT))
        deadline = time.monotonic() + DOCKER_START_SECONDS
        while not speaks_amqp(host, port):
            if time.monotonic() > deadline:
                pytest.fail(f"{DOCKER_IMAGE} is not ready after {DOCKER_START_SECONDS:.0f} s: {container.get_logs()}")
            time.sleep(0.2)
        yield f"amqp://tester:of-the-container@{host}:{port}/%2F"


@pytest.fixture(scope="session")
def _broker_to_break() -> Iterator[PrivateBroker]:
    with PrivateBroker() as started:
        yield started


@pytest.fixture
def own_broker(_broker_to_break: PrivateBroker) -> PrivateBroker:
    """A broker that one test has for itself, and may stop, kill, empty or block.

    It runs, whatever the test before did to it; that one's queues may still be there, so names of one's own are
    needed. One for all such tests, because a start keeps a processor busy for seconds.
    """
    _broker_to_break.start()
    return _broker_to_break


@pytest.fixture
def cluster_name() -> str:
    """A cluster name that no other test uses."""
    return f"test-{secrets.token_hex(4)}"
