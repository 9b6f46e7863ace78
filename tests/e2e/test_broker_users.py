"""Users of the broker under Docker Compose: from an older volume on, through changed passwords, with clear failures."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pika
import pytest
from pika.exceptions import AMQPError

from tests.e2e.compose_cluster import NODES, ComposeCluster, eventually
from tests.support.docker import require_docker

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1200)]

LOCAL_DEFAULTS = {"guest": "guest", "look": "look", **{node: node for node in NODES}}
# As docker-compose.yml was before each node had a user of its own, but for its health check. That was a
# rabbitmq-diagnostics, run by root: at today's interval it makes the cookie of a broker that starts slowly, which the
# broker cannot read then.
AS_IT_WAS = """
services:
  rabbitmq:
    entrypoint: [docker-entrypoint.sh, rabbitmq-server]
    environment: !override
      RABBITMQ_DEFAULT_USER: guest
      RABBITMQ_DEFAULT_PASS: guest
    volumes: !override [broker:/var/lib/rabbitmq, ./infra/rabbitmq/is-ready:/etc/causalkv/is-ready:ro]
""" + "".join(
    f"""
  node{number}:
    environment:
      CAUSALKV_AMQP_URL: amqp://guest:guest@rabbitmq:5672/%2F
      CAUSALKV_AMQP_PASSWORD: guest
"""
    for number in (1, 2, 3)
)
AS_IT_IS = "services: {}\n"


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeCluster]:
    """Not started; its tests follow one another on the same volumes."""
    require_docker()
    compose = ComposeCluster(tmp_path_factory.mktemp("compose"))
    try:
        yield compose
    finally:
        compose.remove()


def may_log_in(cluster: ComposeCluster, user: str, password: str) -> bool:
    """Whether the broker lets this user in over AMQP, at the published port."""
    address = f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{cluster.ports['amqp']}/%2F"
    try:
        pika.BlockingConnection(pika.URLParameters(address)).close()
    except AMQPError:
        return False
    return True


def users_of_connections(cluster: ComposeCluster, *login: str) -> set[str]:
    """The users as whom somebody is connected, from the management API."""
    user, password = login
    answer = httpx.get(f"{cluster.url('management')}/api/connections", auth=(user, password), trust_env=False)
    answer.raise_for_status()
    return {connection.get("user", "") for connection in answer.json()}


def put(cluster: ComposeCluster, node: str, key: str) -> None:
    """A write whose value is its key."""
    cluster.http.post(f"{cluster.url(node)}/put", json={"key": key, "value": key}).raise_for_status()


def shows(cluster: ComposeCluster, node: str, key: str) -> bool:
    """Whether a node has it."""
    try:
        answer = cluster.http.get(f"{cluster.url(node)}/get", params={"key": key})
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK and answer.json()["value"] == key


def everywhere(cluster: ComposeCluster, *keys: str) -> None:
    """Wait until all nodes have them."""
    for node in NODES:
        for key in keys:
            eventually(lambda node=node, key=key: shows(cluster, node, key), f"{key} at {node}")  # type: ignore[misc]  # bound at once


def test_an_older_broker_gets_the_users_and_keeps_all_that_waits_in_its_queues(own_cluster: ComposeCluster) -> None:
    """Published in the name of the user that all shared, and still believed."""
    cluster = own_cluster
    cluster.configure(AS_IT_WAS)
    cluster.up()
    eventually(lambda: users_of_connections(cluster, "guest", "guest") == {"guest"}, "all share a user")
    put(cluster, "node1", "before")
    everywhere(cluster, "before")
    cluster.run("stop", "node3")
    put(cluster, "node1", "waits in the queue")
    eventually(lambda: cluster.status("node1")["outbox"] == 0, "it is published")
    incarnations = {node: cluster.status(node)["incarnation"] for node in ("node1", "node2")}

    cluster.configure(AS_IT_IS)
    cluster.up()

    everywhere(cluster, "before", "waits in the queue")
    assert {node: cluster.status(node)["incarnation"] for node in incarnations} == incarnations
    # Out of its queue, that is: nobody had to give it again.
    assert cluster.status("node3")["healing"]["repairs"] == []
    put(cluster, "node3", "after")
    everywhere(cluster, "after")
    metrics = [cluster.http.get(f"{cluster.url(node)}/metrics").text for node in NODES]
    assert all("\ncausalkv_messages_rejected_total 0.0\n" in text for text in metrics)


def test_each_node_is_connected_under_its_own_name(own_cluster: ComposeCluster) -> None:
    """And all can log in who are said to, from the host."""
    eventually(lambda: users_of_connections(own_cluster, "look", "look") == set(NODES), "each under its own name")
    for user, password in LOCAL_DEFAULTS.items():
        assert may_log_in(own_cluster, user, password), user
        assert not may_log_in(own_cluster, user, f"{password}x"), user


def test_passwords_that_are_changed_count_from_the_next_start_on(own_cluster: ComposeCluster) -> None:
    """Whatever they are made of; what was written stays."""
    awkward = 'p"a\\s|&/@:%41?#[ü] x'
    own_cluster.configure(AS_IT_IS, CAUSALKV_BROKER_PASSWORD="for-all", CAUSALKV_BROKER_PASSWORD_NODE2=awkward)  # noqa: S106  # of nobody
    own_cluster.up()
    put(own_cluster, "node2", "changed")
    everywhere(own_cluster, "before", "after", "changed")
    changed = dict.fromkeys(LOCAL_DEFAULTS, "for-all") | {"node2": awkward}
    for user, password in changed.items():
        assert may_log_in(own_cluster, user, password), user
        assert not may_log_in(own_cluster, user, LOCAL_DEFAULTS[user]), user
    warnings = [line for line in own_cluster.log_lines("rabbitmq") if "the administrator's password" in line]
    assert warnings
    assert "NODE1" in warnings[-1]
    assert "NODE2" not in warnings[-1]
    assert not any("for-all" in line for line in own_cluster.log_lines("rabbitmq"))


def test_users_that_cannot_be_made_are_told_in_one_line(own_cluster: ComposeCluster) -> None:
    """`up` fails, and the broker's log says which variable is wrong."""
    own_cluster.configure(AS_IT_IS, CAUSALKV_BROKER_USER="node1")
    complaint = own_cluster.start()
    assert complaint is not None
    assert "rabbitmq" in complaint
    last = own_cluster.log_lines("rabbitmq")[-1]
    assert "the broker does not start: two users would have the name node1" in last
    own_cluster.configure(AS_IT_IS)
    own_cluster.up()
    everywhere(own_cluster, "before", "after", "changed")
