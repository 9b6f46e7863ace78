"""What is different on RabbitMQ 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pika
import pytest

from tests.integration.transport.buses import rabbitmq_transport, read_messages
from tests.support.recording_listener import message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.recording_listener import RecordingListener

    Run = Callable[..., RecordingListener]

pytestmark = pytest.mark.docker


def test_a_quorum_queue_keeps_a_message_however_often_its_node_crashes(
    docker_broker_url: str, cluster_name: str, run: Run
) -> None:
    """RabbitMQ 4 drops a message after 20 failed deliveries unless its queue says otherwise."""
    transport = rabbitmq_transport(docker_broker_url, cluster_name, queue_type="quorum")
    listener = run(transport)
    transport.publish(message("kept"))
    listener.wait_texts(["kept"])
    transport.stop(5.0)
    parameters = pika.URLParameters(docker_broker_url)
    for _ in range(25):
        # Reading takes the message and leaves without an acknowledgement, as a crash does.
        listener.wait_until(lambda: len(read_messages(parameters, f"{cluster_name}.node1")) == 1, "the message")
    again = run(rabbitmq_transport(docker_broker_url, cluster_name, queue_type="quorum"))
    again.wait_texts(["kept"])
