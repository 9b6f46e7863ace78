"""The port's promises about control messages, members that come and go, and full queues, kept by every transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.transport.buses import QUEUE_MAX_MESSAGES, Bus
from tests.support.recording_listener import RecordingListener, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.transport.port import Transport

    StartNode = Callable[..., tuple[Transport, RecordingListener]]


def start_listening(start_node: StartNode, node_id: str) -> tuple[Transport, RecordingListener]:
    """Start a node and wait until control messages come and can be sent."""
    transport, listener = start_node(node_id)
    listener.wait_control_up()
    return transport, listener


# -------------------------------------------------------------------------------------------- control


def test_a_told_message_reaches_one_node_or_all(start_node: StartNode) -> None:
    """With a target it comes there and nowhere else, without one it comes everywhere, the sender included."""
    node1, listener1 = start_listening(start_node, "node1")
    _, listener2 = start_listening(start_node, "node2")
    node1.tell("node2", b"binary")
    node1.tell(None, b'{"for": "all"}')
    node1.tell("node1", b"myself")
    listener2.wait_told(["binary", '{"for": "all"}'])
    listener1.wait_told(['{"for": "all"}', "myself"])
    kinds = [delivery.content_type for delivery in listener2.control]
    assert kinds == ["application/octet-stream", "application/json"]
    assert all(delivery.user_id for delivery in listener2.control)
    assert listener1.deliveries == listener2.deliveries == []


def test_a_node_named_like_the_address_of_all_gets_only_its_own(start_node: StartNode) -> None:
    """No node id can mean everybody."""
    node1, listener1 = start_listening(start_node, "node1")
    _, listener_all = start_listening(start_node, "all")
    node1.tell("all", b"to the node")
    node1.tell(None, b"to everybody")
    listener_all.wait_told(["to the node", "to everybody"])
    listener1.wait_told(["to everybody"])


def test_what_was_told_while_a_node_was_down_does_not_wait_for_it(start_node: StartNode) -> None:
    """A control message is for who listens now: an old clock or request is worth nothing."""
    node1, listener1 = start_listening(start_node, "node1")
    node2, _ = start_listening(start_node, "node2")
    node2.stop(5.0)
    node1.tell("node2", b"missed")
    node1.tell(None, b"missed too")
    listener1.wait_told(["missed too"])
    _, again = start_listening(start_node, "node2")
    node1.tell("node2", b"now")
    again.wait_told(["now"])


def test_control_comes_back_after_an_outage(bus: Bus, start_node: StartNode) -> None:
    """What is told meanwhile is dropped and counted; the return is told, once for each connection made."""
    node1, listener1 = start_listening(start_node, "node1")
    _, listener2 = start_listening(start_node, "node2")
    bus.switch_off()
    for listener in (listener1, listener2):
        listener.wait_until(lambda: {"publisher_down", "consumer_down"} <= set(listener.names()), "down")  # noqa: B023  # used in this round only
    node1.tell(None, b"lost")
    assert node1.control_dropped == node1.describe()["control_dropped"] == 1
    bus.switch_on()
    for listener in (listener1, listener2):
        listener.wait_control_up(times=2)
    node1.tell(None, b"heard")
    for listener in (listener1, listener2):
        listener.wait_told(["heard"])
        assert listener.count("control_up") == 2


# -------------------------------------------------------------------------------------------- members


def test_a_new_members_queue_exists_before_the_member_starts(bus: Bus, start_node: StartNode) -> None:
    """What is published before its first start waits for it there, as for a founding member."""
    node1, listener1 = start_node("node1")
    assert bus.backlog("node4") is None
    node1.members_are(["node1", "node2", "node4"])

    def is_kept() -> bool:
        node1.publish(message("early"))
        return bool(bus.backlog("node4"))

    listener1.wait_until(is_kept, "a message in the queue")
    _, listener4 = start_node("node4")
    listener4.wait_until(lambda: bool(listener4.deliveries), "a delivery")
    assert listener4.texts()[0] == "early"


def test_members_named_without_a_link_have_their_queues_with_the_next_one(bus: Bus, start_node: StartNode) -> None:
    """The members are kept, whether there is a connection or not."""
    node1, listener1 = start_node("node1")
    bus.switch_off()
    listener1.wait_until(lambda: {"publisher_down", "consumer_down"} <= set(listener1.names()), "both sides down")
    node1.members_are(["node4"])
    bus.switch_on()
    listener1.wait_up(times=2)
    listener1.wait_until(lambda: bus.backlog("node4") is not None, "the queue")


def test_a_name_that_no_node_can_have_gets_no_queue(bus: Bus, start_node: StartNode) -> None:
    """A member list comes from other nodes: what is wrong in it must not harm the link."""
    node1, listener1 = start_node("node1")
    node1.members_are(["rejected", "node 4", "n" * 300, "", "node5"])
    listener1.wait_until(lambda: bus.backlog("node5") is not None, "the queue of the one that can be")
    assert bus.backlog("node 4") is None
    node1.publish(message("a"))
    listener1.wait_texts(["a"])
    assert listener1.count("consumer_down") == listener1.count("publisher_down") == 0
    assert bus.rejected() == []  # nobody's queue is the one of rejected messages


def test_a_removed_members_queue_is_gone_and_no_reconnect_brings_it_back(bus: Bus, start_node: StartNode) -> None:
    """It holds no message any more, and takes none."""
    node1, listener1 = start_node("node1")
    assert bus.backlog("node2") is not None
    node1.members_are(["node1"])
    node1.delete_queue("node2")
    listener1.wait_until(lambda: bus.backlog("node2") is None, "the end of the queue")
    bus.switch_off()
    listener1.wait_until(lambda: {"publisher_down", "consumer_down"} <= set(listener1.names()), "both sides down")
    bus.switch_on()
    listener1.wait_up(times=2)
    node1.publish(message("a"))
    listener1.wait_texts(["a"])
    assert bus.backlog("node2") is None


@pytest.mark.parametrize("node_id", ["node1", "rejected", ""])
def test_only_another_nodes_queue_can_be_deleted(bus: Bus, start_node: StartNode, node_id: str) -> None:
    """The own queue is consumed, and the others of the cluster are no member's."""
    node1, listener1 = start_node("node1")
    with pytest.raises(ValueError, match="node"):
        node1.delete_queue(node_id)
    node1.publish(message("a"))
    listener1.wait_texts(["a"])
    assert bus.rejected() == []


def test_a_queue_deleted_under_its_node_is_made_again(start_node: StartNode) -> None:
    """Nobody can take a running node's queue away for long: it consumes the next one, in a new epoch."""
    node1, _ = start_listening(start_node, "node1")
    node2, listener2 = start_listening(start_node, "node2")
    node1.delete_queue("node2")
    listener2.wait_until(lambda: listener2.count("consumer_up") == 2, "consuming again")
    listener2.wait_control_up(times=2)
    assert (listener2.count("consumer_down"), listener2.count("publisher_down")) == (1, 0)
    node2.publish(message("a"))
    listener2.wait_texts(["a"])
    node1.tell("node2", b"heard")
    listener2.wait_told(["heard"])


# ------------------------------------------------------------------------------------------ full queues


def test_a_full_queue_drops_its_oldest_and_refuses_nobody(start_node: StartNode) -> None:
    """A member that stays away loses what its queue cannot hold; the others and the publisher notice nothing."""
    node1, listener1 = start_node("node1", prefetch_messages=2 * QUEUE_MAX_MESSAGES)
    texts = [f"m{number}" for number in range(QUEUE_MAX_MESSAGES + 5)]
    half = QUEUE_MAX_MESSAGES // 2
    for start in range(0, len(texts), half):  # so that the own queue, which is consumed, is never full
        for text in texts[start : start + half]:
            node1.publish(message(text))
        listener1.wait_texts(texts[: start + half])
    listener1.wait_until(lambda: len(listener1.confirmed) == len(texts), "all confirms")
    assert listener1.refused == []
    _, listener2 = start_node("node2", prefetch_messages=2 * QUEUE_MAX_MESSAGES)
    listener2.wait_texts(texts[5:])
