"""The port's promises, kept by every transport that stands behind it."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from tests.integration.transport.buses import Bus, RabbitMQBus
from tests.support.recording_listener import RecordingListener, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.transport.port import Transport

    StartNode = Callable[..., tuple[Transport, RecordingListener]]


def acknowledge_all(transport: Transport, listener: RecordingListener) -> None:
    """Acknowledge up to the last delivery."""
    last = listener.deliveries[-1]
    transport.acknowledge(last.connection_epoch, last.tag, multiple=True)


def backlog(listener: RecordingListener) -> object:
    """How many messages waited in the queue when consuming began last."""
    return [value for name, value in listener.told if name == "consumer_up"][-1][1]  # type: ignore[index]  # a pair


def test_a_message_reaches_every_member_the_sender_included(start_node: StartNode) -> None:
    """A fanout brings each message to all queues, as it was sent."""
    node1, listener1 = start_node("node1")
    _, listener2 = start_node("node2")
    node1.publish(message("hello"))
    for listener in (listener1, listener2):
        listener.wait_texts(["hello"])
        delivery = listener.deliveries[0]
        assert delivery.message_id == "hello"
        assert (delivery.content_type, delivery.app_id) == ("application/json", "causalkv")
        assert not delivery.redelivered


def test_messages_arrive_in_the_order_of_the_calls(start_node: StartNode) -> None:
    """Messages of one sender enter each queue in the order in which they were published."""
    node1, listener1 = start_node("node1", prefetch_messages=1000)
    _, listener2 = start_node("node2", prefetch_messages=1000)
    texts = [f"m{number}" for number in range(500)]
    for text in texts:
        node1.publish(message(text))
    listener1.wait_texts(texts)
    listener2.wait_texts(texts)


def test_every_message_is_confirmed_once(start_node: StartNode) -> None:
    """What every queue holds is confirmed, each message once, whatever the order."""
    node1, listener1 = start_node("node1")
    messages = [message(f"m{number}") for number in range(300)]
    for one in messages:
        node1.publish(one)
    listener1.wait_until(lambda: len(listener1.confirmed) >= len(messages), "all confirms")
    assert sorted(listener1.confirmed) == [one.publish_id for one in messages]


def test_messages_published_before_a_founding_members_first_start_wait_for_it(start_node: StartNode) -> None:
    """The first member makes the queues of all, and a late starter hears how much waits for it."""
    node1, listener1 = start_node("node1")
    for text in ("a", "b", "c"):
        node1.publish(message(text))
    listener1.wait_until(lambda: len(listener1.confirmed) == 3, "confirms")
    _, listener2 = start_node("node2")
    listener2.wait_texts(["a", "b", "c"])
    assert backlog(listener2) == 3


def test_an_unacknowledged_message_comes_again_to_the_next_consumer(start_node: StartNode) -> None:
    """What was delivered and not acknowledged is delivered again, in its place, marked as such."""
    node1, listener1 = start_node("node1")
    for text in ("a", "b", "c"):
        node1.publish(message(text))
    listener1.wait_texts(["a", "b", "c"])
    first = listener1.deliveries[0]
    node1.acknowledge(first.connection_epoch, first.tag, multiple=False)
    node1.stop(5.0)
    _, again = start_node("node1")
    again.wait_texts(["b", "c"])
    assert all(delivery.redelivered for delivery in again.deliveries)


def test_an_acknowledged_message_does_not_come_again(start_node: StartNode) -> None:
    """An acknowledgement with ``multiple`` covers all deliveries before it."""
    node1, listener1 = start_node("node1")
    for text in ("a", "b", "c"):
        node1.publish(message(text))
    listener1.wait_texts(["a", "b", "c"])
    acknowledge_all(node1, listener1)
    node1.stop(5.0)
    _, again = start_node("node1")
    assert backlog(again) == 0


def test_the_prefetch_bounds_the_unacknowledged_deliveries(start_node: StartNode) -> None:
    """No more deliveries come than may be unacknowledged, and the rest follows acknowledgements."""
    node1, listener1 = start_node("node1", prefetch_messages=3)
    for number in range(5):
        node1.publish(message(f"m{number}"))
    listener1.wait_until(lambda: len(listener1.confirmed) == 5, "confirms")
    listener1.wait_texts(["m0", "m1", "m2"])
    acknowledge_all(node1, listener1)
    listener1.wait_texts(["m0", "m1", "m2", "m3", "m4"])


def test_after_an_outage_both_sides_come_back_and_unacknowledged_messages_come_again(
    bus: Bus, start_node: StartNode
) -> None:
    """A lost connection is told, and so is the next one, with a higher epoch."""
    node1, listener1 = start_node("node1")
    node1.publish(message("a"))
    listener1.wait_texts(["a"])
    bus.switch_off()
    listener1.wait_until(lambda: {"publisher_down", "consumer_down"} <= set(listener1.names()), "both sides down")
    bus.switch_on()
    listener1.wait_up(times=2)
    listener1.wait_texts(["a", "a"])
    first, second = listener1.deliveries
    assert second.redelivered
    assert second.connection_epoch > first.connection_epoch


def test_an_acknowledgement_of_a_former_connections_delivery_is_ignored(bus: Bus, start_node: StartNode) -> None:
    """Epoch and tag name a delivery: the same tag of another epoch is another delivery."""
    node1, listener1 = start_node("node1")
    node1.publish(message("a"))
    listener1.wait_texts(["a"])
    bus.switch_off()
    bus.switch_on()
    listener1.wait_texts(["a", "a"])
    former = listener1.deliveries[0]
    node1.acknowledge(former.connection_epoch, former.tag, multiple=True)
    node1.stop(5.0)
    _, again = start_node("node1")
    again.wait_texts(["a"])


def test_a_rejection_of_a_former_connections_delivery_is_ignored(bus: Bus, start_node: StartNode) -> None:
    """The message comes again, and is rejected again then: one copy for each time that this happens."""
    node1, listener1 = start_node("node1")
    node1.publish(message("bad"))
    listener1.wait_texts(["bad"])
    bus.switch_off()
    bus.switch_on()
    listener1.wait_texts(["bad", "bad"])
    former, current = listener1.deliveries
    node1.reject(former, "too late")
    node1.reject(current, "in time")
    listener1.wait_until(lambda: bool(bus.rejected()), "a copy")
    assert bus.rejected() == [(b"bad", "in time")]


def test_what_is_published_while_the_publisher_is_down_is_dropped(bus: Bus, start_node: StartNode) -> None:
    """The caller keeps what is unconfirmed and offers it again: the transport must not send it on its own."""
    node1, listener1 = start_node("node1")
    bus.switch_off()
    listener1.wait_until(lambda: "publisher_down" in listener1.names(), "publisher down")
    node1.publish(message("lost"))
    bus.switch_on()
    listener1.wait_up(times=2)
    node1.publish(message("sent"))
    listener1.wait_texts(["sent"])
    listener1.wait_until(lambda: len(listener1.confirmed) == 1, "one confirm")


def test_a_rejected_message_is_copied_with_its_reason_and_then_acknowledged(bus: Bus, start_node: StartNode) -> None:
    """A message that the node cannot use goes where operators look, and never comes again."""
    node1, listener1 = start_node("node1")
    for text in ("good", "bad", "fine"):
        node1.publish(message(text))
    listener1.wait_texts(["good", "bad", "fine"])
    node1.reject(listener1.deliveries[1], "not JSON: line 1")
    acknowledge_all(node1, listener1)
    listener1.wait_until(lambda: bus.rejected() == [(b"bad", "not JSON: line 1")], "the copy")
    node1.stop(5.0)
    _, again = start_node("node1")
    assert backlog(again) == 0


def test_after_stop_nothing_is_told_any_more(start_node: StartNode) -> None:
    """Stopping is quick, flushes what was handed over, and the listener is left alone from then on."""
    node1, listener1 = start_node("node1")
    node2, listener2 = start_node("node2")
    node1.publish(message("last"))
    began = time.monotonic()
    node1.stop(5.0)
    assert time.monotonic() - began < 5.0
    told = len(listener1.told)
    listener2.wait_texts(["last"])
    node2.publish(message("unheard"))
    listener2.wait_texts(["last", "unheard"])
    assert len(listener1.told) == told
    node1.publish(message("after"))
    node1.stop(5.0)


def test_a_transport_that_was_never_started_can_be_stopped(bus: Bus) -> None:
    """Stopping early in the start of a node is no error."""
    transport = bus.transport("node1")
    transport.publish(message("nowhere"))
    transport.stop(1.0)


def test_stop_does_not_wait_for_a_broker_that_is_away(bus: Bus) -> None:
    """Waiting for the next attempt to connect ends at once when the node stops."""
    bus.switch_off()
    transport = bus.transport("node1")
    transport.start(RecordingListener())
    began = time.monotonic()
    transport.stop(10.0)
    assert time.monotonic() - began < 2.0


def test_many_threads_may_publish_at_once(start_node: StartNode) -> None:
    """All methods may be called from any thread: nothing is lost or doubled, and each thread's order is kept."""
    node1, listener1 = start_node("node1", prefetch_messages=1000)

    def publish(thread: int) -> None:
        for number in range(100):
            node1.publish(message(f"{thread}.{number}"))

    threads = [threading.Thread(target=publish, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listener1.wait_until(lambda: len(listener1.deliveries) == 400, "400 deliveries")
    for thread_number in range(4):
        of_thread = [text for text in listener1.texts() if text.startswith(f"{thread_number}.")]
        assert of_thread == [f"{thread_number}.{number}" for number in range(100)]


def test_describe_tells_the_state_in_json_and_no_secret(bus: Bus, start_node: StartNode) -> None:
    """``/status`` shows it as it is."""
    node1, listener1 = start_node("node1")
    shown = node1.describe()
    assert (shown["publisher"], shown["consumer"]) == ("connected", "connected")
    bus.switch_off()
    listener1.wait_until(lambda: {"publisher_down", "consumer_down"} <= set(listener1.names()), "both sides down")
    shown = node1.describe()
    assert (shown["publisher"], shown["consumer"]) == ("disconnected", "disconnected")
    assert shown["last_error"]
    text = json.dumps(shown)
    if isinstance(bus, RabbitMQBus):
        assert bus.password not in text
        assert str(bus.proxy.port) in text
