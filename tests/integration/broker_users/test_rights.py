"""What a node's broker user may do, and what not; the same of the user that only looks; judged by the broker itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from infra.local_cluster import NODE_IDS
from tests.integration.broker_users.brokers import CLUSTER, api, connection
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pika.adapters.blocking_connection import BlockingChannel

    from tests.integration.broker_users.brokers import RunningBroker
    from tests.support.cluster import ClusterUnderTest

    Attempt = Callable[[BlockingChannel], object]

ACCESS_REFUSED = 403
PRECONDITION_FAILED = 406
# Of other programs on the same broker, and of other clusters; the last two only look like the cluster's.
ELSEWHERE = ("elsewhere", "other.node1", "xcausalkv.node1", f"{CLUSTER}.node1.more")
LOOKED_AT = f"look.{CLUSTER}.rejected"
STATISTICS_SECONDS = 15.0


@contextmanager
def channel_of(broker: RunningBroker, user: str) -> Iterator[BlockingChannel]:
    """A channel as this user."""
    connected = connection(broker, user)
    try:
        yield connected.channel()
    finally:
        connected.close()


def refused(broker: RunningBroker, user: str, attempt: Attempt) -> int:
    """The code with which the broker closes the channel."""
    with channel_of(broker, user) as channel:
        channel.confirm_delivery()
        with pytest.raises(ChannelClosedByBroker) as error:
            attempt(channel)
        return int(error.value.reply_code)


def nodes_connections(look: httpx.Client) -> dict[str, str]:
    """The connections of nodes, and the user of each, as soon as the statistics show all nodes."""
    found: dict[str, str] = {}

    def all_are_shown() -> bool:
        shown = {each["name"]: each.get("user") for each in look.get("/connections").json()}
        found.update({name: user for name, user in shown.items() if user in NODE_IDS})
        return set(found.values()) == set(NODE_IDS)

    wait_until(all_are_shown, "the statistics show the nodes' connections", STATISTICS_SECONDS)
    return found


@pytest.fixture(scope="module")
def broker(users_broker: RunningBroker, cluster: ClusterUnderTest) -> RunningBroker:
    """With all that nodes make, and a queue and an exchange of somebody else."""
    cluster.quiesce()
    with channel_of(users_broker, users_broker.users.administrator) as channel:
        for name in ELSEWHERE:
            channel.queue_declare(name, durable=True)
            channel.exchange_declare(name, "fanout", durable=True)
    return users_broker


# ---------------------------------------------------------------------------------- a node's user


READING: dict[str, Callable[[str], Attempt]] = {
    "get": lambda queue: lambda channel: channel.basic_get(queue),
    "consume": lambda queue: lambda channel: channel.basic_consume(queue, lambda *_: None),
    "purge": lambda queue: lambda channel: channel.queue_purge(queue),
}


@pytest.mark.parametrize("how", READING)
@pytest.mark.parametrize("queue", [f"{CLUSTER}.node2", LOOKED_AT, *ELSEWHERE])
def test_a_node_reads_no_queue_of_others(broker: RunningBroker, queue: str, how: str) -> None:
    """Neither another node's, nor what is there to be looked at, nor anything outside of the cluster."""
    assert refused(broker, "node1", READING[how](queue)) == ACCESS_REFUSED


def test_a_node_reads_its_own_queue(broker: RunningBroker) -> None:
    """Else the refusals above would prove nothing."""
    for node in NODE_IDS:
        with channel_of(broker, node) as channel:
            assert channel.basic_get(f"{CLUSTER}.{node}") == (None, None, None)


@pytest.mark.parametrize("exchange", ["", "amq.fanout", "amq.topic", *ELSEWHERE])
def test_a_node_publishes_to_no_exchange_of_others(broker: RunningBroker, exchange: str) -> None:
    """Not to the default exchange either, which leads to single queues."""
    assert (
        refused(broker, "node1", lambda channel: channel.basic_publish(exchange, f"{CLUSTER}.node2", b"{}"))
        == ACCESS_REFUSED
    )


@pytest.mark.parametrize("exchange", ["writes", "control", "rejected"])
def test_a_node_publishes_under_no_other_name(broker: RunningBroker, exchange: str) -> None:
    """The broker itself refuses a user_id that is not the connection's user."""
    as_another = pika.BasicProperties(user_id="node2")
    assert (
        refused(broker, "node1", lambda channel: channel.basic_publish(f"{CLUSTER}.{exchange}", "", b"{}", as_another))
        == PRECONDITION_FAILED
    )


@pytest.mark.parametrize("name", [*ELSEWHERE, LOOKED_AT, f"control.{CLUSTER}.node2.0123abcd", "amq.gen-0123abcd"])
def test_a_node_makes_and_deletes_nothing_outside_of_its_cluster(broker: RunningBroker, name: str) -> None:
    """Neither what other programs have, nor what stands there to be looked at, nor where other nodes listen."""
    attempts: list[Attempt] = [
        lambda channel: channel.queue_declare(name, durable=True),
        lambda channel: channel.queue_delete(name),
        lambda channel: channel.exchange_declare(name, "fanout", durable=True),
        lambda channel: channel.exchange_delete(name),
    ]
    assert {refused(broker, "node1", attempt) for attempt in attempts} == {ACCESS_REFUSED}


@pytest.mark.parametrize("queue", [LOOKED_AT, *ELSEWHERE])
def test_a_node_binds_no_queue_of_others(broker: RunningBroker, queue: str) -> None:
    """The cluster's writes must not be led elsewhere, nor what is led elsewhere into its queues."""
    into_others: Attempt = lambda channel: channel.queue_bind(queue, f"{CLUSTER}.writes")  # noqa: E731  # one of two
    from_others: Attempt = lambda channel: channel.queue_bind(f"{CLUSTER}.node1", "elsewhere")  # noqa: E731
    assert refused(broker, "node1", into_others) == ACCESS_REFUSED
    assert refused(broker, "node1", from_others) == ACCESS_REFUSED


def test_a_node_sees_nothing_in_the_management_api(broker: RunningBroker) -> None:
    """Its user is for AMQP."""
    with api(broker, "node1") as node1:
        assert node1.get("/queues").status_code == httpx.codes.UNAUTHORIZED


# ------------------------------------------------------------------------------ the user that looks


def test_who_looks_sees_exchanges_bindings_queues_and_the_nodes_connections(
    broker: RunningBroker, cluster: ClusterUnderTest
) -> None:
    """Each node under its own name."""
    cluster["node1"].put("seen", 1).raise_for_status()
    with api(broker, "look") as look:
        bindings = look.get(f"/exchanges/%2F/{CLUSTER}.writes/bindings/source").json()
        assert {each["destination"] for each in bindings} == {f"{CLUSTER}.{node}" for node in NODE_IDS}
        queues = {each["name"] for each in look.get("/queues/%2F").json()}
        assert {name for name in queues if name.startswith(f"{CLUSTER}.")} == {
            f"{CLUSTER}.{name}" for name in (*NODE_IDS, "rejected", "node1.more")
        }
        assert {name for name in queues if name.startswith("look.")} == {f"look.{CLUSTER}.writes", LOOKED_AT}
        assert set(nodes_connections(look).values()) == set(NODE_IDS)
        assert look.get("/overview").json()["node"]


def test_who_looks_reads_a_rejected_message_with_its_reason_and_leaves_it(
    broker: RunningBroker, cluster: ClusterUnderTest
) -> None:
    """From the queue that is there to be looked at, as often as wanted."""
    cluster.quiesce()
    with channel_of(broker, broker.users.administrator) as channel:
        channel.basic_publish(f"{CLUSTER}.writes", "", b"no write at all")
    wanted = {"count": 5, "ackmode": "ack_requeue_true", "encoding": "auto"}
    seen: list[dict[str, Any]] = []
    with api(broker, "look") as look:

        def is_there() -> bool:
            seen[:] = look.post(f"/queues/%2F/{quote(LOOKED_AT)}/get", json=wanted).raise_for_status().json()
            return len(seen) == len(NODE_IDS)

        wait_until(is_there, "each node has rejected it", STATISTICS_SECONDS)
        assert is_there()
    assert {message["payload"] for message in seen} == {"no write at all"}
    headers = [message["properties"]["headers"] for message in seen]
    assert {each["x-causalkv-rejected-by"] for each in headers} == set(NODE_IDS)
    assert all(each["x-causalkv-reason"].startswith("not a causalkv message") for each in headers)
    # For operators, the original stays where only they and the nodes can take it away.
    with channel_of(broker, broker.users.administrator) as channel:
        kept = channel.queue_declare(f"{CLUSTER}.rejected", passive=True).method.message_count
        assert kept == len(NODE_IDS)
        channel.queue_purge(f"{CLUSTER}.rejected")
        channel.queue_purge(LOOKED_AT)


def test_who_looks_reads_writes_once_an_administrator_leads_them_to_the_queue_for_it(
    broker: RunningBroker, cluster: ClusterUnderTest
) -> None:
    """Without touching a node's queue; the binding is for the time that somebody looks."""
    queue = f"look.{CLUSTER}.writes"
    binding = f"/bindings/%2F/e/{CLUSTER}.writes/q/{queue}"
    wanted = {"count": 5, "ackmode": "ack_requeue_true", "encoding": "auto"}
    with api(broker, broker.users.administrator) as administrator, api(broker, "look") as look:
        administrator.post(binding, json={}).raise_for_status()
        try:
            cluster["node1"].put("looked-at", "readable").raise_for_status()
            cluster.quiesce()
            [message] = look.post(f"/queues/%2F/{queue}/get", json=wanted).raise_for_status().json()
        finally:
            administrator.delete(f"{binding}/~").raise_for_status()
    assert '"readable"' in message["payload"]
    assert '"vector_clock"' in message["payload"]
    assert message["properties"]["user_id"] == "node1"


@pytest.mark.parametrize("queue", [*NODE_IDS, "rejected"])
def test_who_looks_can_take_nothing_out_of_a_queue_that_counts(broker: RunningBroker, queue: str) -> None:
    """To read is to be able to purge: so it may do neither there."""
    name = f"{CLUSTER}.{queue}"
    wanted = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    with api(broker, "look") as look:
        answers = [
            look.post(f"/queues/%2F/{name}/get", json=wanted),
            look.delete(f"/queues/%2F/{name}/contents"),
            look.delete(f"/queues/%2F/{name}"),
        ]
    assert [answer.is_success for answer in answers] == [False, False, False], [answer.text for answer in answers]
    for reading in READING.values():
        assert refused(broker, "look", reading(name)) == ACCESS_REFUSED


def test_who_looks_can_publish_make_and_delete_nothing(broker: RunningBroker) -> None:
    """Neither through the API nor over AMQP."""
    message = {"properties": {}, "routing_key": LOOKED_AT, "payload": "x", "payload_encoding": "string"}
    with api(broker, "look") as look:
        refusals = [
            look.post(f"/exchanges/%2F/{CLUSTER}.writes/publish", json=message),
            look.post("/exchanges/%2F/amq.default/publish", json=message),
            look.put("/queues/%2F/made-by-look", json={"durable": True}),
            look.delete(f"/queues/%2F/{LOOKED_AT}"),
            look.delete(f"/exchanges/%2F/{CLUSTER}.writes"),
            look.post(f"/bindings/%2F/e/{CLUSTER}.writes/q/{LOOKED_AT}", json={}),
            look.put("/users/intruder", json={"password": "x", "tags": "administrator"}),
            look.put("/permissions/%2F/look", json={"configure": ".*", "write": ".*", "read": ".*"}),
            look.post("/definitions", json={"users": []}),
            look.put("/policies/%2F/p", json={"pattern": ".*", "definition": {"max-length": 0}, "apply-to": "queues"}),
        ]
        # Those of the nodes, which stay: about one that is just gone, RabbitMQ 3.10 fails to answer.
        refusals += [look.delete(f"/connections/{quote(name)}") for name in nodes_connections(look)]
    assert [answer.text for answer in refusals if answer.is_success] == []
    attempts: list[Attempt] = [
        lambda channel: channel.basic_publish(f"{CLUSTER}.writes", "", b"{}"),
        lambda channel: channel.basic_publish("", f"{CLUSTER}.node1", b"{}"),
        lambda channel: channel.queue_declare("", exclusive=True),
    ]
    assert {refused(broker, "look", attempt) for attempt in attempts} == {ACCESS_REFUSED}


# ------------------------------------------------------------------------------- the administrator


def test_an_administrator_can_put_a_message_back_as_it_was(broker: RunningBroker) -> None:
    """With its sender's user_id, which the broker lets nobody else set."""
    as_it_was = pika.BasicProperties(user_id="node2")
    with channel_of(broker, broker.users.administrator) as channel:
        channel.confirm_delivery()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, b"put back", as_it_was)
        _, properties, body = channel.basic_get(queue, auto_ack=True)
    assert (properties.user_id, body) == ("node2", b"put back")


def test_every_node_logs_in_as_itself_and_says_so(broker: RunningBroker, cluster: ClusterUnderTest) -> None:
    """In its log, where its address shows the user and no password."""
    for node in cluster:
        log = node.log_file.read_text()
        assert "only messages are taken whose sender the broker vouches for" in log
        assert f"amqp://{node.name}@" in log
        assert broker.users.passwords[node.name] not in log
