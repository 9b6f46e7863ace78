"""A node is cut off from the fanout on purpose: both ways, at once, for as long as it is asked, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.transport.port import CUT_REASON
from tests.support.recording_listener import RecordingListener, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.transport.port import Transport
    from tests.integration.transport.buses import Bus

    StartNode = Callable[..., tuple[Transport, RecordingListener]]


def cut(transport: Transport, listener: RecordingListener) -> None:
    """Cut the node off, and wait until both sides say so."""
    transport.cut()
    listener.wait_until(lambda: {"publisher_down", "consumer_down"} <= set(listener.names()), "both sides down")


def test_a_node_that_is_cut_off_neither_sends_nor_receives_and_the_others_go_on(start_node: StartNode) -> None:
    """What it publishes meanwhile is dropped, what it is sent waits in its queue."""
    node1, listener1 = start_node("node1")
    node2, listener2 = start_node("node2")
    cut(node1, listener1)
    assert {reason for name, reason in listener1.told if name.endswith("_down")} == {CUT_REASON}
    assert (node1.describe()["publisher"], node1.describe()["consumer"]) == ("disconnected", "disconnected")
    node1.publish(message("from node1"))
    node2.publish(message("from node2"))
    node2.tell(None, b"{}")
    listener2.wait_texts(["from node2"])
    assert listener1.deliveries == []
    node1.restore()
    listener1.wait_texts(["from node2"])
    listener1.wait_up(times=2)
    node1.publish(message("later"))
    listener2.wait_texts(["from node2", "later"])
    assert listener1.control == []
    assert "publisher_down" not in listener2.names()


def test_what_was_not_acknowledged_before_a_cut_comes_again_after_it(start_node: StartNode) -> None:
    """A cut is a lost connection: the next one has a higher epoch."""
    node1, listener1 = start_node("node1")
    node1.publish(message("a"))
    listener1.wait_texts(["a"])
    cut(node1, listener1)
    node1.restore()
    listener1.wait_texts(["a", "a"])
    first, second = listener1.deliveries
    assert second.redelivered
    assert second.connection_epoch > first.connection_epoch


def test_a_node_is_cut_off_as_often_as_asked_and_restoring_twice_is_harmless(start_node: StartNode) -> None:
    """Neither does it matter that nothing was cut."""
    node1, listener1 = start_node("node1")
    node1.restore()
    for number in range(1, 4):
        node1.cut()
        node1.cut()
        listener1.wait_until(lambda n=number: listener1.names().count("consumer_down") == n, "it is cut off")  # type: ignore[misc]  # bound at once
        node1.restore()
        node1.restore()
        listener1.wait_up(times=number + 1)


def test_a_node_that_is_cut_off_before_it_starts_connects_when_it_is_restored(bus: Bus) -> None:
    """Nothing is connected meanwhile."""
    node1, listener1 = bus.transport("node1"), RecordingListener()
    node1.cut()
    node1.start(listener1)
    try:
        node2, listener2 = bus.transport("node2"), RecordingListener()
        node2.start(listener2)
        try:
            listener2.wait_up()
            assert listener1.told == []
            node1.restore()
            listener1.wait_up()
        finally:
            node2.stop(5.0)
    finally:
        node1.stop(5.0)


def test_a_node_that_is_cut_off_can_be_stopped(start_node: StartNode) -> None:
    """It waits for nobody."""
    node1, listener1 = start_node("node1")
    cut(node1, listener1)
    node1.stop(5.0)
    node1.restore()
    assert listener1.names().count("publisher_up") == 1
