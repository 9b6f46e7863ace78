"""The exchanges and queues of a cluster, as data; the names are what operators see in the broker.

Queues have no length limit here: a limit on a node's queue would lose writes or stall every publisher.
What bounds them is the broker's disk alarm, which blocks publishers until somebody consumes, and the
outbox limit of each node then. An operator may add a policy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.settings import QueueType

# Names that a node's queue would share with another part of the cluster, now or in a later version.
RESERVED_NODE_IDS = frozenset({"rejected"})
UNLIMITED = -1
# Since 4.0 a quorum queue drops a message after 20 failed deliveries, and a crash of a node counts as one.
FIRST_VERSION_WITH_DELIVERY_LIMIT = (4, 0)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable fanout exchange."""

    name: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue and the exchange that it is bound to."""

    name: str
    exchange: str
    arguments: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Topology:
    """What must exist before a node publishes or consumes: exchanges first, then queues."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]


@dataclass(frozen=True, slots=True)
class ClusterNames:
    """The broker names of one cluster; ``cluster`` is their prefix.

    Raises ConfigurationError when a member's queue would have the name of something else.
    """

    cluster: str
    node_id: str
    founding_members: tuple[str, ...]

    def __post_init__(self) -> None:
        taken = RESERVED_NODE_IDS.intersection(self.members)
        if taken:
            raise ConfigurationError(
                f"CAUSALKV_NODES, CAUSALKV_NODE_ID: {min(taken)!r} is the name of another queue of the cluster: "
                "choose another node id"
            )

    @property
    def members(self) -> tuple[str, ...]:
        """All nodes whose queues this node declares: the founding members and itself, each once."""
        return tuple(dict.fromkeys((*self.founding_members, self.node_id)))

    @property
    def writes(self) -> str:
        """The exchange of all writes."""
        return f"{self.cluster}.writes"

    @property
    def rejected(self) -> str:
        """The exchange and the queue of rejected messages."""
        return f"{self.cluster}.rejected"

    def queue_of(self, node_id: str) -> str:
        """The queue that a node consumes."""
        return f"{self.cluster}.{node_id}"

    @property
    def own_queue(self) -> str:
        """The queue that this node consumes."""
        return self.queue_of(self.node_id)


def queue_arguments(queue_type: QueueType, server_version: tuple[int, int]) -> dict[str, str | int]:
    """The declaration arguments of a queue on a broker of this version."""
    arguments: dict[str, str | int] = {"x-queue-type": queue_type}
    # An older broker has no limit, and refuses the argument.
    if queue_type == "quorum" and server_version >= FIRST_VERSION_WITH_DELIVERY_LIMIT:
        arguments["x-delivery-limit"] = UNLIMITED
    return arguments


def cluster_topology(names: ClusterNames, queue_type: QueueType, server_version: tuple[int, int]) -> Topology:
    """Everything a node declares when it connects.

    The queues of all founding members are among it, so that nothing published before a member's first
    start misses its queue.
    """
    arguments = queue_arguments(queue_type, server_version)
    return Topology(
        exchanges=(Exchange(names.writes), Exchange(names.rejected)),
        queues=(
            *(Queue(names.queue_of(member), names.writes, arguments) for member in names.members),
            Queue(names.rejected, names.rejected, arguments),
        ),
    )


def parse_server_version(text: str) -> tuple[int, int]:
    """Major and minor number of a version such as ``3.10.8`` or ``4.1.0-rc.1``; (0, 0) when there is none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def type_in_use(broker_complaint: str) -> str | None:
    """The type of an existing queue, when the broker's complaint about a conflicting declaration names it."""
    if "x-queue-type" not in broker_complaint:
        return None
    found = re.search(r"current is (?:the value )?'(\w+)'", broker_complaint)
    return found[1] if found else None
