"""Broken connections, restarts, alarms: what the link does about them on a real broker."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pika
import pytest
import structlog

from node.transport.rabbitmq import RabbitMQTransport
from tests.integration.transport.buses import RabbitMQBus, rabbitmq_transport, read_messages
from tests.support.recording_listener import message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.broker import PrivateBroker
    from tests.support.recording_listener import RecordingListener

    Run = Callable[..., RecordingListener]

pytestmark = pytest.mark.broker

# A broker takes some seconds to start, and the next attempt to connect may be some more away.
RESTART_SECONDS = 60.0


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_link_comes_back_when_the_broker_does(
    own_broker: PrivateBroker, cluster_name: str, run: Run, end: str
) -> None:
    """Confirmed messages survive a restart and a kill -9; each side tells its loss and its return once."""
    transport = rabbitmq_transport(own_broker.url, cluster_name)
    with structlog.testing.capture_logs() as logs:
        listener = run(transport)
        kept = message("kept")
        transport.publish(kept)
        listener.wait_until(lambda: listener.confirmed == [kept.publish_id], "the confirm")
        getattr(own_broker, end)()
        listener.wait_until(lambda: {"publisher_down", "consumer_down"} <= set(listener.names()), "both sides down")
        own_broker.start()
        listener.wait_until(lambda: listener.count("consumer_up") == 2, "consuming", RESTART_SECONDS)
        listener.wait_until(lambda: listener.count("publisher_up") == 2, "publishing", RESTART_SECONDS)
        listener.wait_texts(["kept", "kept"])  # nothing was acknowledged
        transport.publish(message("new"))
        listener.wait_texts(["kept", "kept", "new"])
    assert len(read_messages(pika.URLParameters(own_broker.url), f"{cluster_name}.node2")) == 2
    for link in ("publisher", "consumer"):
        levels = [entry["log_level"] for entry in logs if entry["link"] == link and entry["log_level"] != "debug"]
        assert levels == ["info", "warning", "info"]


def test_a_consumer_that_the_broker_cancels_starts_again_on_a_new_queue(
    broker: PrivateBroker, cluster_name: str, run: Run
) -> None:
    """Deleting a queue under its consumer is told by basic.cancel: the queue is made and consumed again."""
    transport = rabbitmq_transport(broker.url, cluster_name)
    listener = run(transport)
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    connection.channel().queue_delete(f"{cluster_name}.node1")
    connection.close()
    listener.wait_until(lambda: listener.count("consumer_up") == 2, "consuming again")
    assert listener.count("consumer_down") == 1
    assert listener.count("publisher_down") == 0
    transport.publish(message("after"))
    listener.wait_texts(["after"])


def test_a_channel_that_the_broker_closes_is_replaced(broker: PrivateBroker, cluster_name: str, run: Run) -> None:
    """Publishing to an exchange that somebody deleted makes the broker close the channel: all is made again."""
    transport = rabbitmq_transport(broker.url, cluster_name)
    listener = run(transport)
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    connection.channel().exchange_delete(f"{cluster_name}.writes")
    connection.close()
    transport.publish(message("lost"))
    listener.wait_until(lambda: listener.count("publisher_up") == 2, "publishing again")
    assert listener.confirmed == []
    transport.publish(message("sent"))
    listener.wait_texts(["sent"])
    assert "NOT_FOUND" in str(transport.describe()["last_error"])


@pytest.mark.slow
def test_a_memory_alarm_blocks_publishing_and_nothing_else(
    own_broker: PrivateBroker, cluster_name: str, run: Run
) -> None:
    """Consuming goes on; what waits, a rejected copy too, goes out when the alarm is over; stop does not hang."""
    transport = rabbitmq_transport(own_broker.url, cluster_name)
    listener = run(transport)
    for text in ("a", "poison"):
        transport.publish(message(text))
    listener.wait_texts(["a", "poison"])
    listener.wait_until(lambda: len(listener.confirmed) == 2, "confirms")

    with own_broker.alarm("memory"):
        waiting = message("waiting")
        transport.publish(waiting)
        listener.wait_until(lambda: "publisher_blocked" in listener.names(), "blocked")
        assert transport.describe()["publisher"] == "blocked"
        assert transport.describe()["consumer"] == "connected"
        first, poison = listener.deliveries[:2]
        transport.acknowledge(first.connection_epoch, first.tag, multiple=False)
        transport.reject(poison, "poisonous")
        # Acknowledgements pass: the queue keeps only what is rejected and not yet copied.
        listener.wait_until(lambda: _unacknowledged(own_broker, f"{cluster_name}.node1") == 1, "the acknowledgement")
        assert waiting.publish_id not in listener.confirmed

    listener.wait_until(lambda: "publisher_unblocked" in listener.names(), "unblocked")
    listener.wait_until(lambda: waiting.publish_id in listener.confirmed, "the confirm")
    assert transport.describe()["publisher"] == "connected"
    listener.wait_texts(["a", "poison", "waiting"])
    listener.wait_until(lambda: _unacknowledged(own_broker, f"{cluster_name}.node1") == 1, "only the last one left")
    [(properties, _)] = read_messages(pika.URLParameters(own_broker.url), f"{cluster_name}.rejected")
    assert properties.headers["x-causalkv-reason"] == "poisonous"

    with own_broker.alarm("memory"):
        transport.publish(message("never"))
        listener.wait_until(lambda: listener.count("publisher_blocked") == 2, "blocked again")
        began = time.monotonic()
        transport.stop(4.0)
        assert time.monotonic() - began < 5.0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("causalkv-")]


def _unacknowledged(broker: PrivateBroker, queue: str) -> int:
    lines = broker.ctl("list_queues", "name", "messages_unacknowledged", "--no-table-headers").splitlines()
    return next(int(line.split("\t")[1]) for line in lines if line.startswith(f"{queue}\t"))


def test_of_several_addresses_one_that_answers_is_found(broker: PrivateBroker, cluster_name: str, run: Run) -> None:
    """Addresses are tried in turn; a dead first one only costs its attempt."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"amqp://guest:guest@127.0.0.1:{nobody.getsockname()[1]}/%2F"
        transport = rabbitmq_transport(f"{dead},{broker.url}", cluster_name)
        with structlog.testing.capture_logs() as logs:
            listener = run(transport)
        transport.publish(message("a"))
        listener.wait_texts(["a"])
        assert "refused" in str(transport.describe()["last_error"])
    # A classic queue lives on one broker of a cluster: with several, quorum queues are advised.
    assert "CAUSALKV_QUEUE_TYPE=quorum" in logs[0]["what_to_do"]


def test_no_confirm_is_told_for_a_message_of_a_lost_connection(
    broker: PrivateBroker, cluster_name: str, run: Run
) -> None:
    """A confirm that the network swallowed is never made up: the caller offers the message again."""
    bus = RabbitMQBus(broker.url, cluster_name, "classic")
    with bus.proxy:
        transport = bus.transport("node1")
        listener = run(transport)
        bus.proxy.hold_answers()
        swallowed = message("swallowed")
        transport.publish(swallowed)
        direct = pika.URLParameters(broker.url)
        queue = f"{cluster_name}.node2"
        listener.wait_until(lambda: len(read_messages(direct, queue)) == 1, "the message in a peer's queue")
        bus.proxy.cut()
        listener.wait_until(lambda: listener.count("publisher_down") == 1, "down")
        bus.proxy.restore()
        listener.wait_up(times=2)
        again = message("swallowed")
        transport.publish(again)
        listener.wait_until(lambda: again.publish_id in listener.confirmed, "the confirm")
        assert listener.confirmed == [again.publish_id]
        # At least once: the broker had the first one too.
        listener.wait_texts(["swallowed", "swallowed"])


@pytest.mark.slow
def test_a_broker_that_falls_silent_is_left(broker: PrivateBroker, cluster_name: str, run: Run) -> None:
    """Without an answer to heartbeats a connection counts as lost, though nothing closed it."""
    bus = RabbitMQBus(broker.url, cluster_name, "classic")
    with bus.proxy:
        transport = RabbitMQTransport(
            node_id="node1",
            founding_members=("node1",),
            cluster=cluster_name,
            urls=[bus.url],
            queue_type="classic",
            queue_max_messages=1000,
            prefetch_messages=10,
            heartbeat_seconds=1,
        )
        listener = run(transport)
        bus.proxy.hold_answers()
        listener.wait_until(lambda: {"publisher_down", "consumer_down"} <= set(listener.names()), "both down", 60.0)
        assert "heartbeat" in str(transport.describe()["last_error"])
        bus.proxy.release_answers()
        listener.wait_up(times=2)
