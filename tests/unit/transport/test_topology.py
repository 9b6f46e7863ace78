"""Names and arguments of exchanges and queues."""

from __future__ import annotations

import pytest

from node.errors import ConfigurationError
from node.transport.topology import (
    ClusterNames,
    cluster_topology,
    control_key,
    parse_server_version,
    queue_arguments,
    refuse_to_delete,
    type_in_use,
)


def test_all_founding_members_and_this_node_have_a_queue_on_the_writes_exchange() -> None:
    """A node that is no founding member adds itself; a founding member stands in the list once."""
    for node_id, members in (("n9", ["n1", "n2", "n9"]), ("n2", ["n1", "n2"])):
        topology = cluster_topology(ClusterNames("c", node_id, ("n1", "n2")), "classic", 5000, (3, 10))
        bound = {queue.name: queue.exchange for queue in topology.queues}
        assert bound == {f"c.{member}": "c.writes" for member in members} | {"c.rejected": "c.rejected"}
        assert {exchange.name for exchange in topology.exchanges} == {"c.writes", "c.rejected"}


def test_every_queue_drops_its_oldest_message_at_its_limit() -> None:
    """A node that stays away must not stall the others; the rejected messages have a limit of their own."""
    topology = cluster_topology(ClusterNames("c", "n1", ("n2",)), "quorum", 5000, (3, 10))
    limits = {queue.name: queue.arguments["x-max-length"] for queue in topology.queues}
    assert limits == {"c.n1": 5000, "c.n2": 5000, "c.rejected": 100_000}
    assert {queue.arguments["x-overflow"] for queue in topology.queues} == {"drop-head"}


def test_other_members_take_the_place_of_the_former_ones() -> None:
    """This node is always among them; what cannot be a node id is left out."""
    names = ClusterNames("c", "n1", ("n2", "n3")).with_members(["n4", "n4", "rejected", "no id", "n\n", ""])
    assert names.members == ("n4", "n1")


def test_a_control_message_is_addressed_to_one_node_or_all() -> None:
    """No node id leads to the address of all, and none breaks AMQP's limit."""
    assert control_key(None) == "all"
    assert control_key("all") == "node.all"
    assert len(control_key("é" * 500).encode()) <= 255


@pytest.mark.parametrize("node_id", ["n1", "rejected", "n 2", "n\n", "x" * 65])
def test_what_is_not_another_nodes_queue_is_not_deleted(node_id: str) -> None:
    """The own queue, other queues of the cluster, and names that nobody can have."""
    with pytest.raises(ValueError, match="node"):
        refuse_to_delete(node_id, own_node_id="n1")


@pytest.mark.parametrize(
    ("queue_type", "version", "limit"),
    [("classic", (3, 10), None), ("classic", (4, 0), None), ("quorum", (3, 13), None), ("quorum", (4, 0), -1)],
)
def test_the_delivery_limit_is_lifted_where_there_is_one(
    queue_type: str, version: tuple[int, int], limit: int | None
) -> None:
    """Only quorum queues from 4.0 on have a limit; older brokers refuse the argument."""
    arguments = queue_arguments(queue_type, 5000, version)  # type: ignore[arg-type]  # one of the two types
    assert arguments["x-queue-type"] == queue_type
    assert arguments.get("x-delivery-limit") == limit


@pytest.mark.parametrize(
    ("text", "version"),
    [("3.10.8", (3, 10)), ("4.1.0-rc.1", (4, 1)), ("4.0.5+2.g1a2b", (4, 0)), ("", (0, 0)), ("unknown", (0, 0))],
)
def test_a_version_is_read_as_far_as_it_is_one(text: str, version: tuple[int, int]) -> None:
    """A broker that tells no version is taken for an old one."""
    assert parse_server_version(text) == version


def test_the_type_of_a_conflicting_queue_is_read_from_the_brokers_complaint() -> None:
    """None when the complaint is about something else."""
    complaint = "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': "
    assert type_in_use(complaint + "received 'quorum' but current is 'classic'") == "classic"
    assert type_in_use("PRECONDITION_FAILED - inequivalent arg 'durable': current is 'false'") is None


@pytest.mark.parametrize(("node_id", "members"), [("rejected", ("n1",)), ("n1", ("n1", "rejected"))])
def test_a_member_whose_queue_would_be_the_rejected_queue_is_refused(node_id: str, members: tuple[str, ...]) -> None:
    """Such a node would consume what operators are to look at."""
    with pytest.raises(ConfigurationError, match="'rejected' is the name of another queue"):
        ClusterNames("c", node_id, members)
