"""Names and arguments of exchanges and queues."""

from __future__ import annotations

import pytest

from node.errors import ConfigurationError
from node.transport.topology import (
    ClusterNames,
    cluster_topology,
    parse_server_version,
    queue_arguments,
    type_in_use,
)


def test_all_founding_members_and_this_node_have_a_queue_on_the_writes_exchange() -> None:
    """A node that is no founding member adds itself; a founding member stands in the list once."""
    for node_id, members in (("n9", ["n1", "n2", "n9"]), ("n2", ["n1", "n2"])):
        topology = cluster_topology(ClusterNames("c", node_id, ("n1", "n2")), "classic", (3, 10))
        bound = {queue.name: queue.exchange for queue in topology.queues}
        assert bound == {f"c.{member}": "c.writes" for member in members} | {"c.rejected": "c.rejected"}
        assert {exchange.name for exchange in topology.exchanges} == {"c.writes", "c.rejected"}


@pytest.mark.parametrize(
    ("queue_type", "version", "limit"),
    [("classic", (3, 10), None), ("classic", (4, 0), None), ("quorum", (3, 13), None), ("quorum", (4, 0), -1)],
)
def test_the_delivery_limit_is_lifted_where_there_is_one(
    queue_type: str, version: tuple[int, int], limit: int | None
) -> None:
    """Only quorum queues from 4.0 on have a limit; older brokers refuse the argument."""
    arguments = queue_arguments(queue_type, version)  # type: ignore[arg-type]  # one of the two types
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
