"""What is different on RabbitMQ 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pika
import pytest

from tests.integration.transport.buses import rabbitmq_transport, read_messages
from tests.support.recording_listener import message

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.settings import QueueType
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


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_queue_made_before_it_had_a_limit_is_used_as_it_is(
    docker_broker_url: str, cluster_name: str, run: Run, queue_type: QueueType
) -> None:
    """An upgrade loses nothing that waits, and control, which is new to the broker, works at once."""
    connection = pika.BlockingConnection(pika.URLParameters(docker_broker_url))
    channel = connection.channel()
    own = f"{cluster_name}.node1"
    channel.queue_declare(own, durable=True, arguments={"x-queue-type": queue_type})
    channel.confirm_delivery()
    channel.basic_publish("", own, b"waiting", pika.BasicProperties(delivery_mode=2))
    connection.close()
    transport = rabbitmq_transport(docker_broker_url, cluster_name, queue_type=queue_type)
    listener = run(transport)
    listener.wait_texts(["waiting"])
    listener.wait_control_up()
    transport.tell("node1", b"heard")
    listener.wait_told(["heard"])


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_full_queue_keeps_the_newest_messages(
    docker_broker_url: str, cluster_name: str, run: Run, queue_type: QueueType
) -> None:
    """Version 4 knows the limit for both types of queue, and confirms what it keeps."""
    transport = rabbitmq_transport(
        docker_broker_url, cluster_name, queue_type=queue_type, queue_max_messages=100, prefetch_messages=200
    )
    listener = run(transport)
    texts = [f"m{number}" for number in range(150)]
    for text in texts:
        transport.publish(message(text))
    listener.wait_until(lambda: len(listener.confirmed) == len(texts), "all confirms")
    assert listener.refused == []
    found = read_messages(pika.URLParameters(docker_broker_url), f"{cluster_name}.node2")
    assert [body.decode() for _, body in found] == texts[50:]
