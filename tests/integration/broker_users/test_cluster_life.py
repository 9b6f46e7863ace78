"""A cluster's whole life with no other rights than those of the nodes' own users: in order, on one broker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.integration.broker_users.brokers import CLUSTER, api, connection, url_of
from tests.integration.broker_users.conftest import NEW_NODES_PASSWORD
from tests.integration.healing.tools import HEAL_SECONDS, assert_everywhere, metric, put_all, repairs
from tests.integration.node.wire import sample
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from tests.integration.broker_users.brokers import RunningBroker
    from tests.support.cluster import ClusterUnderTest

JOIN_SECONDS = 30.0


def known(broker: RunningBroker, what: str) -> list[dict[str, Any]]:
    """Of the management API, as the administrator: rabbitmqctl takes a second of a processor for each question."""
    with api(broker, broker.users.administrator) as administrator:
        found: list[dict[str, Any]] = administrator.get(f"/{what}").raise_for_status().json()
    return found


def queues(broker: RunningBroker) -> set[str]:
    """The names of all queues of nodes, and for rejected messages."""
    return {each["name"] for each in known(broker, "queues") if each["name"].startswith(f"{CLUSTER}.")}


def users(broker: RunningBroker) -> dict[str, object]:
    """Each user, and whether it is more than a node."""
    return {each["name"]: each["tags"] for each in known(broker, "users")}


def complaints(cluster: ClusterUnderTest) -> list[str]:
    """Log lines about what the broker did not let a node do."""
    lines = [line for node in cluster for line in node.log_file.read_text().splitlines()]
    return [line for line in lines if "ACCESS_REFUSED" in line or "access to" in line]


def test_writes_reach_every_node(cluster: ClusterUnderTest) -> None:
    """The founding members declared all queues, each the others' too."""
    keys = [key for node in cluster for key in put_all(node, f"of-{node.name}-", 20)]
    assert_everywhere(cluster, keys)
    answer = cluster["node1"].http.post("/put", json={"key": "to-all", "value": 1, "ack": "all", "ack_timeout": 10})
    assert answer.json()["acked"] == "all"


def test_poison_goes_to_the_rejected_queue(users_broker: RunningBroker, cluster: ClusterUnderTest) -> None:
    """Published by the nodes that met it."""
    administrator = connection(users_broker, users_broker.users.administrator)
    channel = administrator.channel()
    channel.basic_publish(f"{CLUSTER}.writes", "", b"poison")
    wait_until(
        lambda: all(sample(node, "messages_rejected_total") == 1 for node in cluster), "all rejected it", HEAL_SECONDS
    )
    for queue in (f"{CLUSTER}.rejected", f"look.{CLUSTER}.rejected"):
        declared = partial(channel.queue_declare, queue, passive=True)
        wait_until(lambda ask=declared: ask().method.message_count == 3, f"copies in {queue}", HEAL_SECONDS)  # type: ignore[misc]  # bound at once
    administrator.close()


def test_what_a_queue_lost_is_repaired(users_broker: RunningBroker, cluster: ClusterUnderTest) -> None:
    """Asked for, and given, over control."""
    node3 = cluster["node3"]
    node3.kill()
    keys = put_all(cluster["node1"], "lost", 10)
    cluster["node1"].http.post("/put", json={"key": "k", "value": 1, "ack": "broker", "ack_timeout": 10})
    users_broker.ctl("purge_queue", f"{CLUSTER}.node3")
    node3.start()
    node3.wait_ready()
    assert_everywhere(cluster, keys)
    assert repairs(node3)


def test_a_node_that_lost_its_disk_takes_a_snapshot(cluster: ClusterUnderTest) -> None:
    """In parts, over control; and goes on under a new name of the same node, which its user may speak for."""
    keys = put_all(cluster["node1"], "much", 100)
    cluster.quiesce()
    node2 = cluster["node2"]
    node2.kill()
    node2.forget_data()
    node2.start()
    node2.wait_ready(JOIN_SECONDS)
    keys += put_all(node2, "again", 10)
    assert_everywhere(cluster, keys)
    assert metric(node2, "causalkv_snapshots_adopted_total") == 1


def test_a_fourth_node_joins_with_a_user_made_by_an_operator(
    users_broker: RunningBroker, cluster: ClusterUnderTest
) -> None:
    """Without it the broker does not let it in, which its log says; made anew, the user has the other password."""
    node4 = cluster.add("node4")
    try:
        node4.start()
        wait_until(
            lambda: "the broker refused the user or the password" in node4.log_file.read_text(),
            "it says what is wrong",
            HEAL_SECONDS,
            node4.log_tail,
        )
        for password in ("another", NEW_NODES_PASSWORD):
            done = users_broker.add_node("node4", password)
            assert done.returncode == 0, done.stderr
            assert "there is a user node4 for node4 of the cluster causalkv" in done.stderr
        node4.wait_ready(JOIN_SECONDS)
    except BaseException:
        cluster.take_out("node4").kill()
        raise
    rights = users_broker.ctl("list_permissions", "--no-table-headers").splitlines()
    by_user = {user: patterns for user, _, patterns in (line.partition("\t") for line in rights)}
    assert by_user["node4"] == by_user["node1"].replace("node1", "node4")
    keys = put_all(node4, "of-node4-", 10) + put_all(cluster["node1"], "for-node4-", 10)
    assert_everywhere(cluster, keys, JOIN_SECONDS)
    assert f"{CLUSTER}.node4" in queues(users_broker)


@pytest.mark.parametrize("name", ["", "no.de", "rejected", "writes", "look", "causalkv"])
def test_no_user_is_made_that_could_be_taken_for_something_else(users_broker: RunningBroker, name: str) -> None:
    """Nor is an administrator made a node, which would take its rights away."""
    before = users(users_broker)
    done = users_broker.add_node(name, "password")
    assert done.returncode == 2
    assert done.stderr.startswith("add-node: ")
    assert users(users_broker) == before


@pytest.mark.parametrize("password", ["", "\n", "two\twords"])
def test_no_user_is_made_with_a_password_that_cannot_be_meant(users_broker: RunningBroker, password: str) -> None:
    """One line says so."""
    done = users_broker.add_node("node5", password)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "node5" not in users(users_broker)


def test_a_member_is_removed_by_another_node_with_its_queue(
    users_broker: RunningBroker, cluster: ClusterUnderTest
) -> None:
    """What a node may delete is what a removal needs."""
    keys = put_all(cluster["node4"], "last-", 5)
    assert_everywhere(cluster, keys, JOIN_SECONDS)
    gone = cluster.take_out("node4")
    gone.terminate()
    gone.http.close()

    def is_removed() -> bool:
        answer = cluster["node1"].http.post("/members/remove", json={"node": "node4"})
        return answer.status_code == httpx.codes.OK

    wait_until(is_removed, "it counts as down, and is removed", JOIN_SECONDS)
    wait_until(lambda: f"{CLUSTER}.node4" not in queues(users_broker), "its queue is deleted", HEAL_SECONDS)
    users_broker.ctl("delete_user", "node4")
    assert_everywhere(cluster, keys)


def test_the_link_is_made_anew_with_every_queue_in_place(
    users_broker: RunningBroker, cluster: ClusterUnderTest
) -> None:
    """Also when somebody deleted an exchange and the queues: the nodes' rights are enough to make all of it again."""
    administrator = connection(users_broker, users_broker.users.administrator)
    channel = administrator.channel()
    for exchange in ("writes", "control"):
        channel.exchange_delete(f"{CLUSTER}.{exchange}")
    for queue in ("node1", "node2", "node3", "rejected"):
        channel.queue_delete(f"{CLUSTER}.{queue}")
    administrator.close()
    users_broker.ctl("close_all_connections", "the link is made anew")
    wait_until(
        lambda: queues(users_broker) == {f"{CLUSTER}.{name}" for name in ("node1", "node2", "node3", "rejected")},
        "all is there again",
        JOIN_SECONDS,
    )
    cluster.wait_connected()
    keys = [key for node in cluster for key in put_all(node, f"again-{node.name}-", 5)]
    assert_everywhere(cluster, keys, JOIN_SECONDS)


def test_nothing_was_refused_to_a_node_all_the_while(cluster: ClusterUnderTest) -> None:
    """The rights are enough."""
    assert complaints(cluster) == []


def test_a_node_that_may_not_declare_says_which_right_is_missing(
    users_broker: RunningBroker, cluster: ClusterUnderTest
) -> None:
    """In the broker's words, and goes on when it has it."""
    node3 = cluster["node3"]
    node3.terminate()
    users_broker.ctl("set_permissions", "node3", "^$", "^$", "^$")
    node3.start()
    wait_until(lambda: bool(complaints(cluster)), "it is told", HEAL_SECONDS, node3.log_tail)
    [complaint, *_] = complaints(cluster)
    assert "cannot declare causalkv.writes" in complaint
    assert "refused for user 'node3'" in complaint
    wait_until(lambda: node3.answers("/healthz"), "it answers", HEAL_SECONDS, node3.log_tail)
    node3.put("meanwhile", "meanwhile").raise_for_status()
    # The same rights as before, and the same password.
    done = users_broker.add_node("node3", users_broker.users.passwords["node3"])
    assert done.returncode == 0, done.stderr
    cluster.wait_connected()
    assert_everywhere(cluster, ["meanwhile"], JOIN_SECONDS)


def test_a_node_of_another_name_finds_no_way_in(users_broker: RunningBroker, cluster: ClusterUnderTest) -> None:
    """node5, run with node1's password, could be taken for node1; the broker does not let it have its queue."""
    node5 = cluster.add("node5")
    try:
        node5.start(CAUSALKV_AMQP_URL=url_of(users_broker, "node1"))
        wait_until(
            lambda: "ACCESS_REFUSED" in node5.log_file.read_text(), "its queue is refused", HEAL_SECONDS, node5.log_tail
        )
        assert [each["node"] for each in cluster["node2"].status()["members"]] == ["node1", "node2", "node3"]
    finally:
        cluster.take_out("node5").kill()
        node5.http.close()
