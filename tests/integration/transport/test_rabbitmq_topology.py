"""What operators see in RabbitMQ: exchanges, queues, messages, rejected copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pika
import pytest
import structlog
from pika.exceptions import ChannelClosedByBroker

from node.errors import ConfigurationError
from node.transport.port import OutgoingMessage
from node.transport.topology import queue_arguments
from tests.integration.transport.buses import QUEUE_MAX_MESSAGES, rabbitmq_transport, read_messages
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


def test_the_first_node_declares_the_queues_of_all_members(broker: PrivateBroker, cluster_name: str, run: Run) -> None:
    """All exchanges and queues are durable, of the configured type, and bound; a newcomer adds its own."""
    transport = rabbitmq_transport(
        broker.url, cluster_name, "node9", founding_members=("node1", "node2"), queue_type="quorum"
    )
    run(transport).wait_control_up()
    queues = broker.ctl("list_queues", "name", "durable", "type", "--no-table-headers").splitlines()
    own = {tuple(line.split("\t")) for line in queues if line.startswith(f"{cluster_name}.")}
    expected = ("node1", "node2", "node9", "rejected")
    assert own == {(f"{cluster_name}.{name}", "true", "quorum") for name in expected}
    exchanges = broker.ctl("list_exchanges", "name", "durable", "type", "--no-table-headers").splitlines()
    own = {tuple(line.split("\t")) for line in exchanges if line.startswith(f"{cluster_name}.")}
    kinds = {"writes": "fanout", "rejected": "fanout", "control": "direct"}
    assert own == {(f"{cluster_name}.{name}", "true", kind) for name, kind in kinds.items()}
    bindings = broker.ctl("list_bindings", "source_name", "destination_name", "--no-table-headers").splitlines()
    writes, rejected = f"{cluster_name}.writes", f"{cluster_name}.rejected"
    own = {tuple(line.split("\t")) for line in bindings if line.startswith((writes, rejected))}
    assert own == {(writes, f"{cluster_name}.{name}") for name in expected[:3]} | {(rejected, rejected)}


def test_a_message_is_readable_and_proves_its_sender(broker: PrivateBroker, cluster_name: str, run: Run) -> None:
    """The properties that operators and other programs rely on, read back from a member's queue."""
    transport = rabbitmq_transport(broker.url, cluster_name)
    listener = run(transport)
    transport.publish(OutgoingMessage(1, "node1~a:7", b'{"key": "x"}', "node1~a", {"x-note": "n", "x-number": 5}))
    listener.wait_until(lambda: listener.confirmed == [1], "the confirm")
    [(properties, body)] = read_messages(pika.URLParameters(broker.url), f"{cluster_name}.node2")
    assert body == b'{"key": "x"}'
    assert properties.content_type == "application/json"
    assert properties.delivery_mode == 2
    assert properties.message_id == "node1~a:7"
    assert properties.app_id == "causalkv"
    assert properties.user_id == broker.user
    assert properties.headers == {"x-note": "n", "x-number": 5}


def test_a_message_id_that_is_too_long_for_amqp_is_cut(broker: PrivateBroker, cluster_name: str, run: Run) -> None:
    """It is for people to read: it must not make a message impossible to publish."""
    transport = rabbitmq_transport(broker.url, cluster_name)
    listener = run(transport)
    transport.publish(message("é" * 200))
    listener.wait_texts(["é" * 200])
    assert listener.deliveries[0].message_id == "é" * 127
    assert listener.count("publisher_down") == 0


def test_clusters_on_one_broker_do_not_hear_each_other(broker: PrivateBroker, cluster_name: str, run: Run) -> None:
    """The cluster's name keeps several clusters apart."""
    first = rabbitmq_transport(broker.url, f"{cluster_name}-a")
    second = rabbitmq_transport(broker.url, f"{cluster_name}-b")
    first_listener, second_listener = run(first), run(second)
    first.publish(message("of a"))
    second.publish(message("of b"))
    first_listener.wait_texts(["of a"])
    second_listener.wait_texts(["of b"])


def test_a_queue_of_another_type_is_used_as_it_is_and_reported_once(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run
) -> None:
    """Changing CAUSALKV_QUEUE_TYPE must not lose what waits in a queue, nor stop the node."""
    own_queue = f"{cluster_name}.node1"
    as_ours = queue_arguments("classic", QUEUE_MAX_MESSAGES, (3, 10))
    channel.queue_declare(own_queue, durable=True, arguments=as_ours)
    channel.basic_publish("", own_queue, b"waited")
    transport = rabbitmq_transport(broker.url, cluster_name, queue_type="quorum")
    with structlog.testing.capture_logs() as logs:
        listener = run(transport)
        listener.wait_texts(["waited"])
        transport.publish(message("new"))
        listener.wait_texts(["waited", "new"])
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [entry["queue"] for entry in warnings] == [own_queue]
    assert "delete the queue" in warnings[0]["what_to_do"]
    assert transport.describe()["queue_type"] == "classic"
    assert listener.count("publisher_down") == 0


def test_a_queue_without_a_limit_is_used_as_it_is(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run
) -> None:
    """As an earlier version made it: what waits there is not lost, and an operator hears of the difference once."""
    own_queue = f"{cluster_name}.node1"
    channel.queue_declare(own_queue, durable=True, arguments={"x-queue-type": "classic"})
    channel.basic_publish("", own_queue, b"waited")
    transport = rabbitmq_transport(broker.url, cluster_name)
    with structlog.testing.capture_logs() as logs:
        run(transport).wait_texts(["waited"])
    [warning] = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warning["queue"] == own_queue
    assert "x-max-length" in warning["broker_says"]
    assert transport.describe()["queue_type"] == "as it exists"


def test_a_message_without_a_queue_is_refused_and_the_queues_are_made_again(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run
) -> None:
    """The broker confirms a returned message too: it must count as refused, and the next one must arrive."""
    transport = rabbitmq_transport(broker.url, cluster_name, founding_members=("node1",))
    listener = run(transport)
    channel.queue_unbind(f"{cluster_name}.node1", f"{cluster_name}.writes")
    lost, kept = message("lost"), message("kept")
    transport.publish(lost)
    listener.wait_until(lambda: listener.refused == [lost.publish_id], "the refusal")
    listener.wait_until(lambda: _is_bound(broker, cluster_name), "the binding")
    transport.publish(kept)
    listener.wait_texts(["kept"])
    listener.wait_until(lambda: bool(listener.confirmed), "a confirm")
    assert listener.confirmed == [kept.publish_id]
    assert listener.count("publisher_down") == 0


def _is_bound(broker: PrivateBroker, cluster_name: str) -> bool:
    """Whether the writes exchange leads to node1's queue."""
    bindings = broker.ctl("list_bindings", "source_name", "destination_name", "--no-table-headers").splitlines()
    return f"{cluster_name}.writes\t{cluster_name}.node1" in bindings


def test_a_rejected_copy_keeps_the_original_and_says_why_and_by_whom(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run
) -> None:
    """An operator finds everything about a rejected message in one place."""
    transport = rabbitmq_transport(broker.url, cluster_name)
    listener = run(transport)
    properties = pika.BasicProperties(
        content_type="text/plain", message_id="strange", app_id="intruder", headers={"x-trace": "abc"}
    )
    channel.basic_publish(f"{cluster_name}.writes", "", b"\xff not JSON", properties)
    listener.wait_until(lambda: len(listener.deliveries) == 1, "the delivery")
    transport.reject(listener.deliveries[0], "not JSON")
    found: list[tuple[pika.BasicProperties, bytes]] = []
    listener.wait_until(lambda: _found(found, broker, f"{cluster_name}.rejected"), "the copy")
    copy, body = found[0]
    assert body == b"\xff not JSON"
    assert (copy.content_type, copy.message_id, copy.app_id) == ("text/plain", "strange", "intruder")
    assert copy.delivery_mode == 2
    assert copy.headers == {
        "x-trace": "abc",
        "x-causalkv-reason": "not JSON",
        "x-causalkv-rejected-by": "node1",
    }


def test_a_hostile_message_is_rejected_without_breaking_the_link(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run
) -> None:
    """Properties that cannot be sent again, or that the broker would act on, do not stop the copy."""
    transport = rabbitmq_transport(broker.url, cluster_name)
    listener = run(transport)
    headers = {
        "CC": ["somewhere"],
        "x-nested": {"a": [1, {"b": None}]},
        "x-long": "x" * 100_000,
        "x-bytes": b"\xff\xfe",
        "x-causalkv-reason": "none at all",
    }
    properties = pika.BasicProperties(
        content_type="é" * 127, message_id="m" * 255, user_id=broker.user, expiration="600000", headers=headers
    )
    channel.basic_publish(f"{cluster_name}.writes", "", b"", properties)
    listener.wait_until(lambda: len(listener.deliveries) == 1, "the delivery")
    transport.reject(listener.deliveries[0], "bad \ud800 surrogate " + "y" * 10_000)
    found: list[tuple[pika.BasicProperties, bytes]] = []
    listener.wait_until(lambda: _found(found, broker, f"{cluster_name}.rejected"), "the copy")
    copy, body = found[0]
    assert body == b""
    assert copy.expiration is None
    assert copy.headers["x-causalkv-reason"].startswith("bad ? surrogate yyy")
    assert copy.headers["x-causalkv-user-id"] == broker.user
    assert "CC" not in copy.headers
    assert "x-long" not in copy.headers
    assert copy.headers["x-nested"] == "{'a': [1, {'b': None}]}"
    assert listener.count("publisher_down") == listener.count("consumer_down") == 0


def _found(messages: list[tuple[pika.BasicProperties, bytes]], broker: PrivateBroker, queue: str) -> bool:
    messages[:] = read_messages(pika.URLParameters(broker.url), queue)
    return bool(messages)


def test_a_wrong_password_is_told_without_showing_it(broker: PrivateBroker, cluster_name: str, run: Run) -> None:
    """Logs and ``/status`` name the broker, the user and the reason, and never the password."""
    url = broker.url.replace(broker.password, "s3cret-and-wrong")
    transport = rabbitmq_transport(url, cluster_name)
    with structlog.testing.capture_logs() as logs:
        listener = run(transport, until_up=False)
        listener.wait_until(lambda: transport.describe()["last_error"] is not None, "an error")
        listener.wait_until(
            lambda: len(logs) >= 3 and {"consumer", "publisher"} <= {entry["link"] for entry in logs},
            "several attempts, of both",
        )
    assert transport.describe()["last_error"] == "the broker refused the user or the password"
    assert "s3cret" not in str(logs)
    assert "s3cret" not in str(transport.describe())
    # One line for each of the two connections; the attempts are for those who look for them.
    assert sorted(entry["link"] for entry in logs if entry["log_level"] == "warning") == ["consumer", "publisher"]
    assert listener.told == []


def test_another_nodes_exclusive_queue_is_named_as_the_reason(
    broker: PrivateBroker, cluster_name: str, channel: BlockingChannel, run: Run
) -> None:
    """What the broker does not let this node declare is told, and tried again until it is possible."""
    queue = f"{cluster_name}.node1"
    channel.queue_declare(queue, exclusive=True)
    transport = rabbitmq_transport(broker.url, cluster_name)
    listener = run(transport, until_up=False)
    listener.wait_until(lambda: queue in str(transport.describe()["last_error"]), "the reason")
    channel.queue_delete(queue)
    listener.wait_up()
    with pytest.raises(ChannelClosedByBroker, match="RESOURCE_LOCKED"):
        channel.queue_declare(queue, exclusive=True)  # it is durable now


def test_a_node_id_that_is_the_name_of_another_queue_is_refused() -> None:
    """A node named ``rejected`` would consume the rejected messages."""
    with pytest.raises(ConfigurationError, match="'rejected'"):
        rabbitmq_transport("amqp://127.0.0.1/", "c", "rejected")


@pytest.mark.parametrize(
    "url",
    [
        "amqp://user@127.0.0.1/",
        "amqp://u:hidden@127.0.0.1/?colour=red",
        "amqp://u:1/hidden@127.0.0.1/",
    ],
)
def test_an_address_that_pika_cannot_use_is_a_configuration_error(url: str) -> None:
    """The mistake is told at the start, in one line and without the password."""
    with pytest.raises(ConfigurationError, match="CAUSALKV_AMQP_URL") as caught:
        rabbitmq_transport(url, "c")
    assert "hidden" not in str(caught.value)
