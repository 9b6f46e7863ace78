"""What a node is asked at every scrape: how it stands now, and how far its peers are.

Asked, not kept up to date: nothing of it costs the path of a write, and a member that is taken out leaves no gauge
behind.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from node.errors import CausalKVError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Sized

    from prometheus_client import Metric

    from node.ages import Ages
    from node.members_report import MemberReport


class NodeInfo(NamedTuple):
    """Who a node is."""

    node_id: str
    cluster: str
    replica: str


class WriteLimits(NamedTuple):
    """What a node may hold of writes."""

    outbox_max_writes: int
    history_max_writes: int
    store_max_bytes: int


class Watched(Protocol):
    """What is asked at every scrape; cheap, and from any thread."""

    @property
    def info(self) -> NodeInfo:
        """Who the node is."""

    @property
    def write_limits(self) -> WriteLimits:
        """What it may hold."""

    @property
    def ages(self) -> Ages:
        """How old the oldest of something is."""

    @property
    def ready(self) -> tuple[bool, str]:
        """Whether the node has caught up and serves."""

    @property
    def held_count(self) -> int:
        """Writes in the causal buffer."""

    @property
    def outbox_count(self) -> int:
        """Own writes that the broker has not confirmed."""

    @property
    def unconfirmed_messages(self) -> int:
        """Messages on the wire that the broker has not confirmed."""

    @property
    def waiting_requests(self) -> int:
        """Requests that wait for their causal context."""

    @property
    def ack_waiting_requests(self) -> int:
        """Requests that wait for an acknowledgement level."""

    @property
    def control_unsent(self) -> int:
        """Control messages that could not be sent, so far."""

    @property
    def conflict_keys(self) -> int:
        """Keys that hold several versions."""

    @property
    def clock(self) -> Sized:
        """The node's clock: an entry for each replica that has written."""

    @property
    def history_writes(self) -> int:
        """Writes in history."""

    @property
    def missing_writes(self) -> int:
        """Writes that others are known to have and this node lacks."""

    @property
    def members(self) -> Sequence[MemberReport]:
        """The members of the cluster."""

    @property
    def store_used_bytes(self) -> int:
        """Size of the local store."""


_GAUGES: tuple[tuple[str, str, Callable[[Watched], float]], ...] = (
    ("ready", "1 when caught up and serving", lambda node: node.ready[0]),
    ("held_writes", "Writes in the causal buffer", lambda node: node.held_count),
    (
        "held_oldest_seconds",
        "Time that the oldest write in the causal buffer has been there; 0 when it is empty",
        lambda node: node.ages.held_oldest_seconds if node.held_count else 0.0,
    ),
    ("outbox_writes", "Own writes that the broker has not confirmed", lambda node: node.outbox_count),
    (
        "outbox_limit_writes",
        "Own writes that may wait for the broker before further ones are refused",
        lambda node: node.write_limits.outbox_max_writes,
    ),
    (
        "oldest_unconfirmed_seconds",
        "Age of the oldest own write that the broker has not confirmed; 0 when there is none",
        lambda node: node.ages.oldest_unconfirmed_seconds if node.outbox_count else 0.0,
    ),
    ("unconfirmed_messages", "Messages on the wire to the broker", lambda node: node.unconfirmed_messages),
    ("waiting_requests", "Requests that wait for their causal context", lambda node: node.waiting_requests),
    (
        "ack_waiting_requests",
        "Requests that wait until their write is acknowledged further away",
        lambda node: node.ack_waiting_requests,
    ),
    ("conflict_keys", "Keys that hold several versions now", lambda node: node.conflict_keys),
    (
        "clock_replicas",
        "Replicas that the node's clock counts: names under which nodes have written",
        lambda node: len(node.clock),
    ),
    ("history_writes", "Writes kept in history, for repair", lambda node: node.history_writes),
    (
        "history_limit_writes",
        "Writes in history beyond which members that are down hold back nothing",
        lambda node: node.write_limits.history_max_writes,
    ),
    ("missing_writes", "Writes that others have and this node lacks", lambda node: node.missing_writes),
    (
        "stable_lag_writes",
        "Writes applied here that not every member has, of those that are waited for, as far as they have said",
        lambda node: node.ages.stable_lag_writes,
    ),
    (
        "stable_lag_seconds",
        "Age, by its hybrid timestamp, of the oldest write that keeps the stable cut back; 0 when there is none",
        lambda node: node.ages.stable_lag_seconds,
    ),
    ("members", "Members of the cluster, this node included", lambda node: len(node.members)),
    ("store_used_bytes", "Size of the local store", lambda node: node.store_used_bytes),
    (
        "store_limit_bytes",
        "Size that the local store may grow to",
        lambda node: node.write_limits.store_max_bytes,
    ),
)

# Of each member but this node; what is None is not known yet.
_PEER_GAUGES: tuple[tuple[str, str, Callable[[MemberReport], float | None]], ...] = (
    ("peer_alive", "1 when the peer told its clock lately", lambda peer: peer.alive),
    ("peer_away", "1 when the peer is silent for so long that nobody waits for it", lambda peer: peer.away),
    ("peer_silent_seconds", "Time since the peer told its clock", lambda peer: peer.silent_seconds),
    ("peer_lag_writes", "Writes applied here that the peer lacks, by its last word", lambda peer: peer.lag_writes),
    (
        "peer_holds_back_writes",
        "Writes in history that are kept here because the peer lacks them",
        lambda peer: peer.holds_back_writes,
    ),
    (
        "peer_wall_ahead_seconds",
        "How far the peer's wall clock is ahead of this node's; negative when it is behind",
        lambda peer: peer.clock_ahead_seconds,
    ),
)


def _asked(value: Callable[[Watched], float], node: Watched) -> float:
    """The value, NaN when the store cannot be read: the other metrics are wanted most when something is wrong."""
    try:
        return value(node)
    except CausalKVError:
        return math.nan


class ScrapedMetrics(Collector):
    """The metrics of one node that are asked from it."""

    def __init__(self, node: Watched) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """See Collector; on the thread that serves the scrape."""
        node = self._node
        info = node.info
        family = GaugeMetricFamily("causalkv_node_info", "Who this node is; always 1", labels=info._fields)
        family.add_metric(info, 1)
        yield family
        for name, text, value in _GAUGES:
            yield GaugeMetricFamily(f"causalkv_{name}", text, value=_asked(value, node))
        text = "Control messages dropped before they were sent"
        yield CounterMetricFamily("causalkv_control_unsent_messages", text, value=node.control_unsent)
        peers = [member for member in node.members if member.node != info.node_id]
        for name, text, measured in _PEER_GAUGES:
            family = GaugeMetricFamily(f"causalkv_{name}", text, labels=["peer"])
            for peer in peers:
                value_now = measured(peer)
                if value_now is not None:
                    family.add_metric([peer.node], value_now)
            yield family
