"""Limits of the in-process fanout, and how settings lead to a transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.settings import Settings
from node.transport import create_transport, shared_fanout
from node.transport.memory import MemoryTransport
from node.transport.memory_fanout import CONTROL_MAX_MESSAGES, BoundedQueue, ControlInbox, MemoryFanout
from node.transport.port import ControlDelivery
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


@pytest.mark.parametrize("limits", [{"queue_max_messages": 2}, {"queue_max_bytes": 5}])
def test_a_full_queue_drops_its_oldest_messages(run: Run, limits: dict[str, int]) -> None:
    """By number or by size; a queue that is consumed loses nothing, and nobody is refused."""
    fanout = MemoryFanout(**limits)
    node1 = MemoryTransport(fanout, "node1", founding_members=("node2",))
    listener1 = run(node1)
    for count, text in enumerate(("aa", "bb", "cc"), 1):
        node1.publish(message(text))
        listener1.wait_until(lambda: len(listener1.deliveries) == count, "the delivery")  # noqa: B023  # used in this round only
    listener1.wait_until(lambda: len(listener1.confirmed) == 3, "confirms")
    assert listener1.refused == []
    assert fanout.queues["node2"].dropped == 1
    run(MemoryTransport(fanout, "node2")).wait_texts(["bb", "cc"])


def test_what_returns_to_a_full_queue_is_its_oldest() -> None:
    """The limit holds after a lost connection too."""
    queue: BoundedQueue[str] = BoundedQueue(max_messages=2, max_bytes=100, size_of=len)
    for text in "abc":
        queue.put(text)
    assert (queue.take(), queue.dropped) == ("b", 1)
    queue.put("d")
    queue.put_back("b")
    assert (list(queue), queue.dropped) == (["c", "d"], 2)
    queue.put("x" * 101)
    assert list(queue) == []


def test_a_fanout_that_refuses_places_nothing_until_it_takes_messages_again(run: Run) -> None:
    """As a broker that answers with nacks: the publisher keeps the message and offers it again."""
    fanout = MemoryFanout()
    node1 = MemoryTransport(fanout, "node1")
    listener = run(node1)
    fanout.refuse("no room")
    refused = message("a")
    node1.publish(refused)
    listener.wait_until(lambda: listener.refused == [refused.publish_id], "the refusal")
    assert ("publish_refused", "no room") in listener.told
    fanout.refuse(None)
    node1.publish(message("b"))
    listener.wait_texts(["b"])


def test_a_control_message_that_waited_too_long_is_dropped() -> None:
    """A listener that was busy is not told what is no longer true."""
    inbox = ControlInbox("node1", expiry_seconds=0.0)
    inbox.put(told(b"old"))
    assert inbox.take(10) == []
    inbox = ControlInbox("node1", expiry_seconds=60.0)
    inbox.put(told(b"a"))
    inbox.put(told(b"b"))
    assert [delivery.body for delivery in inbox.take(1)] == [b"a"]
    assert [delivery.body for delivery in inbox.take(10)] == [b"b"]


def test_a_listener_that_falls_behind_loses_the_oldest_control_messages() -> None:
    """What waits for it is bounded."""
    inbox = ControlInbox("node1", expiry_seconds=60.0)
    for number in range(CONTROL_MAX_MESSAGES + 5):
        inbox.put(told(b"%d" % number))
    assert inbox.take(1)[0].body == b"5"


def test_a_node_that_is_gone_keeps_no_control_messages(run: Run) -> None:
    """Its place is given up with its connection, however often it comes and goes."""
    fanout = MemoryFanout()
    node1 = MemoryTransport(fanout, "node1")
    listener = run(node1)
    fanout.switch_off()
    listener.wait_until(lambda: "consumer_down" in listener.names(), "down")
    fanout.switch_on()
    listener.wait_up(times=2)
    assert [inbox.node_id for inbox in fanout.listening] == ["node1"]
    node1.stop(5.0)
    assert fanout.listening == []


def told(body: bytes) -> ControlDelivery:
    """A control message with this body."""
    return ControlDelivery(body, user_id=None, content_type=None)


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


def test_the_queue_limit_of_the_settings_holds_in_the_process_too(run: Run) -> None:
    """Whoever asks for the fanout first sets it."""
    chosen = Settings(
        node_id="node1", nodes=("node1", "node2"), amqp_url="memory://", cluster="c3", queue_max_messages=100
    )
    node1 = create_transport(chosen)
    listener = run(node1)
    for number in range(101):
        node1.publish(message(str(number)))
        listener.wait_until(lambda: len(listener.deliveries) == number + 1, "the delivery")  # noqa: B023  # used in this round only
        node1.acknowledge(1, number + 1, multiple=True)
    assert len(shared_fanout("c3").queues["node2"]) == 100


def test_an_amqp_address_leads_to_rabbitmq() -> None:
    """All addresses are taken, and none of their passwords is shown."""
    transport = create_transport(settings("amqp://u:secret@one/%2F,amqps://u:secret@two/%2F"))
    assert isinstance(transport, RabbitMQTransport)
    shown = transport.describe()
    assert shown["addresses"] == ["amqp://u@one/%2F", "amqps://u@two/%2F"]
    assert (shown["publisher"], shown["consumer"]) == ("disconnected", "disconnected")
