"""Limits of the in-process fanout, and how settings lead to a transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.settings import Settings
from node.transport import create_transport, shared_fanout
from node.transport.memory import MemoryFanout, MemoryTransport
from node.transport.rabbitmq import RabbitMQTransport
from tests.support.recording_listener import RecordingListener, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from node.transport.port import Transport

    Run = Callable[[Transport], RecordingListener]


@pytest.fixture
def run() -> Iterator[Run]:
    """Start a transport and wait until it is up; it is stopped after the test."""
    running: list[Transport] = []

    def start(transport: Transport) -> RecordingListener:
        listener = RecordingListener()
        running.append(transport)
        transport.start(listener)
        listener.wait_up()
        return listener

    yield start
    for transport in running:
        transport.stop(5.0)


def test_a_full_queue_refuses_the_message_for_all(run: Run) -> None:
    """A message is in every queue or in none: its publisher offers it again later."""
    fanout = MemoryFanout(queue_max_messages=2)
    node1 = MemoryTransport(fanout, "node1", founding_members=("node2",))
    listener1 = run(node1)
    messages = [message(text) for text in "abc"]
    for one in messages:
        node1.publish(one)
        if one is not messages[-1]:
            listener1.wait_until(lambda: listener1.texts()[-1:] == [one.message_id], "the delivery")  # noqa: B023  # used in this round only
    listener1.wait_until(lambda: listener1.refused == [messages[2].publish_id], "the refusal")
    assert listener1.texts() == ["a", "b"]
    listener2 = run(MemoryTransport(fanout, "node2"))
    listener2.wait_texts(["a", "b"])
    node1.publish(messages[2])
    listener2.wait_texts(["a", "b", "c"])


def test_only_the_last_rejected_messages_are_kept(run: Run) -> None:
    """The oldest go first; nothing grows without end."""
    fanout = MemoryFanout(rejected_max_messages=2)
    node1 = MemoryTransport(fanout, "node1")
    listener = run(node1)
    for text in "abc":
        node1.publish(message(text))
    listener.wait_texts(["a", "b", "c"])
    for delivery in listener.deliveries:
        node1.reject(delivery, f"why {delivery.message_id}")
    kept = [(one.body, one.reason, one.rejected_by) for one in fanout.rejected]
    assert kept == [(b"b", "why b", "node1"), (b"c", "why c", "node1")]


def test_a_listener_that_fails_does_not_end_the_link() -> None:
    """One failing call must not stall the node in silence."""

    class Failing(RecordingListener):
        def delivered(self, delivery: object) -> None:
            super().delivered(delivery)  # type: ignore[arg-type]  # as the port's
            raise ZeroDivisionError

    node1 = MemoryTransport(MemoryFanout(), "node1")
    listener = Failing()
    node1.start(listener)
    listener.wait_up()
    node1.publish(message("a"))
    node1.publish(message("b"))
    listener.wait_texts(["a", "b"])
    node1.stop(5.0)


def settings(amqp_url: str, *, node_id: str = "node1", cluster: str = "c1") -> Settings:
    """Settings of a node."""
    return Settings(node_id=node_id, amqp_url=amqp_url, cluster=cluster)


def test_nodes_of_one_process_and_cluster_share_a_fanout(run: Run) -> None:
    """``memory://`` connects the nodes of a process, and no other cluster's."""
    node1 = create_transport(settings("memory://"))
    node2 = create_transport(settings("memory://", node_id="node2"))
    other = create_transport(settings("memory://", cluster="c2"))
    _, listener2, listener_other = run(node1), run(node2), run(other)
    node1.publish(message("a"))
    listener2.wait_texts(["a"])
    assert listener_other.texts() == []
    assert shared_fanout("c1") is shared_fanout("c1")
    assert shared_fanout("c1") is not shared_fanout("c2")


def test_the_memory_transport_proves_the_sending_node(run: Run) -> None:
    """As the broker's user does where each node has its own."""
    node1 = create_transport(settings("memory://", cluster="proof"))
    listener = run(node1)
    node1.publish(message("a", sender="node2~forged"))
    listener.wait_texts(["a"])
    assert listener.deliveries[0].user_id == "node1"


def test_an_amqp_address_leads_to_rabbitmq() -> None:
    """All addresses are taken, and none of their passwords is shown."""
    transport = create_transport(settings("amqp://u:secret@one/%2F,amqps://u:secret@two/%2F"))
    assert isinstance(transport, RabbitMQTransport)
    shown = transport.describe()
    assert shown["addresses"] == ["amqp://u@one/%2F", "amqps://u@two/%2F"]
    assert (shown["publisher"], shown["consumer"]) == ("disconnected", "disconnected")
