"""The control exchange on a real RabbitMQ: what operators see, and that nothing about it can hold up the writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pika
import pytest
import structlog

from node.transport import control
from node.transport.topology import CONTROL_QUEUE_ARGUMENTS
from tests.integration.transport.buses import rabbitmq_transport
from tests.support.recording_listener import message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pika.adapters.blocking_connection import BlockingChannel

    from tests.support.broker import PrivateBroker
    from tests.support.recording_listener import RecordingListener

    Run = Callable[..., RecordingListener]

pytestmark = pytest.mark.broker


@pytest.fixture
def channel(broker: PrivateBroker) -> Iterator[BlockingChannel]:
    """A channel past the transport, for looking and for mischief."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    yield connection.channel()
    connection.close()


def control_queues(broker: PrivateBroker, cluster: str) -> dict[str, set[str]]:
    """The queues bound to the cluster's control exchange, each with its routing keys."""
    lines = broker.ctl("list_bindings", "source_name", "destination_name", "routing_key", "--no-table-headers")
    found: dict[str, set[str]] = {}
    for line in lines.splitlines():
        source, queue, key = line.split("\t")
        if source == f"{cluster}.control":
            found.setdefault(queue, set()).add(key)
    return found


def described(broker: PrivateBroker, queue: str) -> list[str]:
    """Whether a queue is durable, deleted automatically, exclusive; and its arguments, as the broker prints them."""
    columns = ("name", "durable", "auto_delete", "exclusive", "arguments")
    lines = broker.ctl("list_queues", *columns, "--no-table-headers").splitlines()
    return next(line.split("\t")[1:] for line in lines if line.startswith(f"{queue}\t"))


def test_each_node_listens_on_a_queue_that_lives_no_longer_than_its_connection(
    broker: PrivateBroker, cluster_name: str, run: Run
) -> None:
    """Exclusive, not durable, bounded in time and size; bound for everybody and for the node alone."""
    transport = rabbitmq_transport(broker.url, cluster_name)
    run(transport).wait_control_up()
    [(queue, keys)] = control_queues(broker, cluster_name).items()
    # A broker user of the node's own gets rights by the beginning of the name.
    assert queue.startswith(f"control.{cluster_name}.node1.")
    assert keys == {"all", "node.node1"}
    durable, auto_delete, exclusive, arguments = described(broker, queue)
    assert (durable, auto_delete, exclusive) == ("false", "true", "true")
    printed = ",".join(f'{{"{name}",{_erlang(value)}}}' for name, value in CONTROL_QUEUE_ARGUMENTS.items())
    assert arguments == f"[{printed}]"
    exchanges = broker.ctl("list_exchanges", "name", "type", "durable", "--no-table-headers").splitlines()
    assert f"{cluster_name}.control\tdirect\ttrue" in exchanges
    transport.stop(5.0)
    assert control_queues(broker, cluster_name) == {}


def _erlang(value: str | int) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_a_control_message_is_transient_expires_and_names_its_sender(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run
) -> None:
    """The properties that operators see, read back from a queue of their own."""
    transport = rabbitmq_transport(broker.url, cluster_name)
    listener = run(transport)
    listener.wait_control_up()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, f"{cluster_name}.control", "all")
    transport.tell(None, b'{"clock": {}}')
    listener.wait_told(['{"clock": {}}'])
    _, properties, body = channel.basic_get(queue)
    assert body == b'{"clock": {}}'
    assert (properties.delivery_mode, properties.expiration) == (1, "30000")
    assert (properties.app_id, properties.content_type) == ("causalkv", "application/json")
    assert properties.user_id == broker.user


def test_what_a_stranger_tells_arrives_as_it_is(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run
) -> None:
    """The transport judges nothing and breaks at nothing: whoever reads control messages must not trust them."""
    listener = run(rabbitmq_transport(broker.url, cluster_name))
    listener.wait_control_up()
    exchange = f"{cluster_name}.control"
    channel.basic_publish(exchange, "all", b"", pika.BasicProperties(content_type="é" * 100, headers={"x": [1]}))
    channel.basic_publish(exchange, "node.node1", b"\xff" * 1_000_000)
    listener.wait_until(lambda: len(listener.control) == 2, "both")
    empty, large = listener.control
    assert (empty.body, empty.user_id, empty.content_type) == (b"", None, "é" * 100)
    assert (len(large.body), large.user_id, large.content_type) == (1_000_000, None, None)
    assert listener.count("consumer_down") == 0


def test_a_deleted_control_queue_is_replaced_and_the_writes_go_on(
    broker: PrivateBroker, cluster_name: str, run: Run
) -> None:
    """A server-side cancel costs a new channel, not the connection."""
    transport = rabbitmq_transport(broker.url, cluster_name)
    with structlog.testing.capture_logs() as logs:
        listener = run(transport)
        listener.wait_control_up()
        [queue] = control_queues(broker, cluster_name)
        broker.ctl("delete_queue", queue)
        listener.wait_control_up(times=2)
        transport.tell("node1", b"heard")
        listener.wait_told(["heard"])
    assert queue not in control_queues(broker, cluster_name)
    assert listener.count("consumer_down") == listener.count("publisher_down") == 0
    [warning] = [entry for entry in logs if entry["log_level"] == "warning"]
    assert "the broker ended the consumer" in warning["reason"]


def test_a_deleted_control_exchange_is_made_and_bound_again(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells a consumer that its bindings are gone: they are renewed from time to time."""
    monkeypatch.setattr(control, "BIND_AGAIN_SECONDS", 0.1)
    transport = rabbitmq_transport(broker.url, cluster_name)
    listener = run(transport)
    listener.wait_control_up()
    channel.exchange_delete(f"{cluster_name}.control")

    def is_heard() -> bool:
        transport.tell("node1", b"heard")
        return bool(listener.control)

    listener.wait_until(is_heard, "a control message")
    assert listener.count("consumer_down") == listener.count("publisher_down") == 0


def test_a_control_exchange_of_another_kind_does_not_keep_the_writes_from_travelling(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run
) -> None:
    """Nothing on it is needed for safety: it is warned of once a direction, and tried until it works."""
    channel.exchange_declare(f"{cluster_name}.control", "topic")
    transport = rabbitmq_transport(broker.url, cluster_name)
    with structlog.testing.capture_logs() as logs:
        listener = run(transport)
        transport.publish(message("a"))
        listener.wait_texts(["a"])
        listener.wait_until(lambda: sum("a channel was closed" in entry["event"] for entry in logs) == 2, "warnings")
        assert listener.count("control_up") == 0
        channel.exchange_delete(f"{cluster_name}.control")
        listener.wait_control_up()
    assert sum(entry["log_level"] == "warning" for entry in logs) == 2
    transport.tell(None, b"heard")
    listener.wait_told(["heard"])


@pytest.mark.slow
def test_control_is_silent_while_the_broker_takes_nothing(
    own_broker: PrivateBroker, cluster_name: str, run: Run
) -> None:
    """Old clocks would only fill the socket: they are dropped, counted, and later ones pass again."""
    transport = rabbitmq_transport(own_broker.url, cluster_name)
    listener = run(transport)
    listener.wait_control_up()
    with own_broker.alarm("memory"):
        transport.publish(message("a"))  # a broker tells of its alarm only those who publish
        listener.wait_until(lambda: "publisher_blocked" in listener.names(), "blocked")
        for _ in range(3):
            transport.tell(None, b"silent")
        assert transport.control_dropped == transport.describe()["control_dropped"] == 3
    listener.wait_until(lambda: "publisher_unblocked" in listener.names(), "unblocked")
    listener.wait_texts(["a"])
    transport.tell(None, b"heard")
    listener.wait_told(["heard"])
