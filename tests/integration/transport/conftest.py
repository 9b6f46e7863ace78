"""Fixtures of the transport's tests on a real RabbitMQ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.recording_listener import RecordingListener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from node.transport.port import Transport

STOP_SECONDS = 5.0


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
