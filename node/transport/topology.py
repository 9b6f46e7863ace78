"""The exchanges and queues of a cluster, as data; the names are what operators see in the broker.

Every queue has a length limit, and drops its oldest messages at it: a node that stays away must neither fill
the broker's disk nor stall the others, as refusing would. What a node's queue has lost is repaired from its
peers' histories. Nodes configured with different limits use the queue as the first one made it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from node.errors import ConfigurationError
from node.logs import get_logger
from node.settings import NODE_ID_PATTERN
from node.transport.amqp import short_text
from node.transport.port import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.settings import QueueType

# Names that a node's queue would share with another part of the cluster, now or in a later version.
RESERVED_NODE_IDS = frozenset({"rejected"})
UNLIMITED = -1
# Since 4.0 a quorum queue drops a message after 20 failed deliveries, and a crash of a node counts as one.
FIRST_VERSION_WITH_DELIVERY_LIMIT = (4, 0)
REJECTED_MAX_MESSAGES = 100_000
# Of a full queue the oldest message goes; refusing the newest instead would stall all publishers.
DROP_OLDEST = "drop-head"

CONTROL_EXCHANGE_TYPE = "direct"
CONTROL_EXPIRY_MILLISECONDS = 30_000
CONTROL_QUEUE_MAX_BYTES = 32 * 1024 * 1024
# The type is named because a virtual host may have another default, which cannot be exclusive.
CONTROL_QUEUE_ARGUMENTS: Mapping[str, str | int] = {
    "x-queue-type": "classic",
    "x-message-ttl": CONTROL_EXPIRY_MILLISECONDS,
    "x-max-length-bytes": CONTROL_QUEUE_MAX_BYTES,
    "x-overflow": DROP_OLDEST,
}

log = get_logger("causalkv.transport")


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
    """The broker names of one cluster; ``cluster`` is their prefix, ``peers`` are the members as far as known.

    Raises ConfigurationError when a member's queue would have the name of something else.
    """

    cluster: str
    node_id: str
    peers: tuple[str, ...]

    def __post_init__(self) -> None:
        taken = RESERVED_NODE_IDS.intersection(self.members)
        if taken:
            raise ConfigurationError(
                f"CAUSALKV_NODES, CAUSALKV_NODE_ID: {min(taken)!r} is the name of another queue of the cluster: "
                "choose another node id"
            )

    def with_members(self, node_ids: Sequence[str]) -> ClusterNames:
        """The same cluster with these members instead."""
        return replace(self, peers=usable_node_ids(node_ids))

    @property
    def members(self) -> tuple[str, ...]:
        """All nodes whose queues this node declares: the members and itself, each once."""
        return tuple(dict.fromkeys((*self.peers, self.node_id)))

    @property
    def writes(self) -> str:
        """The exchange of all writes."""
        return f"{self.cluster}.writes"

    @property
    def rejected(self) -> str:
        """The exchange and the queue of rejected messages."""
        return f"{self.cluster}.rejected"

    @property
    def control(self) -> str:
        """The exchange of clocks, repair and snapshots."""
        return f"{self.cluster}.control"

    def queue_of(self, node_id: str) -> str:
        """The queue that a node consumes."""
        return f"{self.cluster}.{node_id}"

    def new_control_queue(self) -> str:
        """A name for the queue on which this node listens for control messages over one connection.

        Another one each time: that of a connection whose loss the broker has not noticed is still there, and locked.
        What it begins with is the node's, so that a broker user can be given the right to it alone; and not the
        cluster's, whose name stands before what lasts.
        """
        return f"control.{self.cluster}.{self.node_id}.{secrets.token_hex(4)}"

    @property
    def own_queue(self) -> str:
        """The queue that this node consumes."""
        return self.queue_of(self.node_id)


def is_node_id(node_id: str) -> bool:
    """Whether a node can have this name, and its queue the name that follows from it."""
    return re.fullmatch(NODE_ID_PATTERN, node_id) is not None and node_id not in RESERVED_NODE_IDS


def usable_node_ids(node_ids: Sequence[str]) -> tuple[str, ...]:
    """Those that can be members' names, each once; the others are logged, because a member list is no proof."""
    for node_id in node_ids:
        if not is_node_id(node_id):
            log.warning(
                "no queue for a member whose name no node can have",
                member=node_id[:80],
                what_to_do="see who added it, and take it out: python -m client remove",
            )
    return tuple(dict.fromkeys(filter(is_node_id, node_ids)))


def refuse_to_delete(node_id: str, *, own_node_id: str) -> None:
    """Raise ValueError unless this is another node's id, whose queue may be deleted."""
    if node_id == own_node_id:
        raise ValueError(f"{node_id!r} is this node, which consumes its queue: remove it from another node")
    if not is_node_id(node_id):
        raise ValueError(f"{node_id[:80]!r} is no node id, and has no queue")


def control_key(target: str | None) -> str:
    """The routing key of a control message to one node, or (None) to everybody."""
    return EVERYBODY if target is None else short_text(f"node.{target}")


def queue_arguments(queue_type: QueueType, max_messages: int, server_version: tuple[int, int]) -> dict[str, str | int]:
    """The declaration arguments of a queue on a broker of this version."""
    arguments: dict[str, str | int] = {
        "x-queue-type": queue_type,
        "x-max-length": max_messages,
        "x-overflow": DROP_OLDEST,
    }
    # An older broker has no limit, and refuses the argument.
    if queue_type == "quorum" and server_version >= FIRST_VERSION_WITH_DELIVERY_LIMIT:
        arguments["x-delivery-limit"] = UNLIMITED
    return arguments


def cluster_topology(
    names: ClusterNames, queue_type: QueueType, queue_max_messages: int, server_version: tuple[int, int]
) -> Topology:
    """Everything a node declares when it connects, but for control, which nothing must wait for.

    The queues of all members are among it, so that nothing published before a founding member's first
    start misses its queue.
    """
    rejected = queue_arguments(queue_type, REJECTED_MAX_MESSAGES, server_version)
    return Topology(
        exchanges=(Exchange(names.writes), Exchange(names.rejected)),
        queues=(
            *member_queues(names, names.members, queue_type, queue_max_messages, server_version),
            Queue(names.rejected, names.rejected, rejected),
        ),
    )


def member_queues(
    names: ClusterNames,
    node_ids: Sequence[str],
    queue_type: QueueType,
    queue_max_messages: int,
    server_version: tuple[int, int],
) -> tuple[Queue, ...]:
    """The queues of these nodes."""
    arguments = queue_arguments(queue_type, queue_max_messages, server_version)
    return tuple(Queue(names.queue_of(node_id), names.writes, arguments) for node_id in node_ids)


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
