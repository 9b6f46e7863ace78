"""Fixtures of the transports' tests: all kinds of them in turn, and RabbitMQ alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.transport.buses import Bus, MemoryBus, RabbitMQBus
from tests.support.recording_listener import RecordingListener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from node.transport.port import Transport

    StartNode = Callable[..., tuple[Transport, RecordingListener]]

STOP_SECONDS = 5.0
KINDS = [
    "memory",
    pytest.param("classic", marks=pytest.mark.broker),
    pytest.param("quorum", marks=pytest.mark.broker),
    pytest.param("classic on 4", marks=pytest.mark.docker),
    pytest.param("quorum on 4", marks=pytest.mark.docker),
]


@pytest.fixture
def run() -> Iterator[Callable[..., RecordingListener]]:
    """Start a transport and, unless told otherwise, wait until it is up; it is stopped after the test."""
    running: list[Transport] = []

    def start(transport: Transport, *, until_up: bool = True) -> RecordingListener:
        listener = RecordingListener()
        running.append(transport)
        transport.start(listener)
        if until_up:
            listener.wait_up()
        return listener

    yield start
    for transport in running:
        transport.stop(STOP_SECONDS)


@pytest.fixture(params=KINDS)
def bus(request: pytest.FixtureRequest, cluster_name: str) -> Iterator[Bus]:
    """Each kind of transport in turn; RabbitMQ, installed and version 4, with either type of queue."""
    if request.param == "memory":
        yield MemoryBus()
        return
    queue_type, _, version = request.param.partition(" on ")
    url = request.getfixturevalue("docker_broker_url") if version else request.getfixturevalue("broker").url
    rabbitmq = RabbitMQBus(url, cluster_name, queue_type)
    with rabbitmq.proxy:
        yield rabbitmq


@pytest.fixture
def start_node(bus: Bus) -> Iterator[StartNode]:
    """Start a transport on the bus and wait until it is up; all are stopped after the test."""
    started: list[Transport] = []

    def start(node_id: str, *, prefetch_messages: int = 100) -> tuple[Transport, RecordingListener]:
        transport, listener = bus.transport(node_id, prefetch_messages=prefetch_messages), RecordingListener()
        started.append(transport)
        transport.start(listener)
        listener.wait_up()
        return transport, listener

    yield start
    for transport in started:
        transport.stop(STOP_SECONDS)
