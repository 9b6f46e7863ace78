"""What a node counts and measures, for Prometheus.

Plain methods, one for each thing that happens; the core knows nothing of it. Every label has a bounded set of
values, whatever peers and clients send.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client import CollectorRegistry

_HTTP_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COMMIT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_COMMIT_ITEMS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600, 86400)
_HELD_SECONDS = (0.001, 0.01, 0.1, 0.5, 1, 5, 30, 300, 3600, 86400)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

LABEL_VALUES_MAX = 256
OTHER = "other"


Metric = TypeVar("Metric", bound=MetricWrapperBase)


class Watched(Protocol):
    """What is asked at every scrape; cheap, and from any thread."""

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
        """Control messages that could not be sent."""

    @property
    def history_writes(self) -> int:
        """Writes in history."""

    @property
    def missing_writes(self) -> int:
        """Writes that others are known to have and this node lacks."""

    @property
    def members(self) -> Sequence[object]:
        """The members of the cluster."""

    @property
    def store_used_bytes(self) -> int:
        """Size of the local store."""


class _Children(Generic[Metric]):
    """The children of a metric by the value of its one label.

    Beyond a limit new values share one child, so that those who send the values cannot make memory grow.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._children: dict[str, Metric] = {}

    def __getitem__(self, value: str) -> Metric:
        child = self._children.get(value)
        if child is None:
            if len(self._children) >= LABEL_VALUES_MAX:
                value = OTHER
            child = self._metric.labels(value)
            self._children[value] = child
        return child


class HealingMetrics:
    """What a node does to heal the cluster."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"causalkv_{name}", text, registry=registry)

        self.repairs_asked = counter("repairs_asked", "Requests for missing writes that were sent to peers")
        self.repaired_writes = counter("repaired_writes", "Missing writes that came from peers on request")
        self.given_writes = counter("repair_given_writes", "Writes given to peers that missed them")
        self.snapshot_parts_taken = counter("snapshot_parts_taken", "Parts of snapshots that came from peers")
        self.snapshot_parts_given = counter("snapshot_parts_given", "Parts of snapshots given to peers")
        self.snapshots_adopted = counter("snapshots_adopted", "Snapshots of peers that were merged")
        self.control_dropped = counter("control_dropped", "Control messages dropped as not valid or not asked for")
        self.twins_seen = counter("twins_seen", "Messages of another process under this node's id")
        self.timestamps_ahead = counter("timestamps_ahead", "Writes dated too far in the future, sampled under load")
        self._skew = _Children(
            Gauge(
                "causalkv_peer_wall_ahead_seconds", "How far a peer's wall clock is ahead", ["peer"], registry=registry
            )
        )

    def peer_wall_ahead(self, peer: str, seconds: float) -> None:
        """A peer told its wall clock."""
        self._skew[peer].set(seconds)


class NodeMetrics:
    """All metrics of one node, in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self._declare_requests()
        self._declare_writes()
        self._declare_messages()
        self.healing = HealingMetrics(registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"causalkv_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"causalkv_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"causalkv_{name}", text, labels, registry=self.registry, buckets=buckets)

    def _declare_requests(self) -> None:
        self._http: dict[tuple[str, str, int], Histogram] = {}
        self._http_seconds = self._histogram(
            "http_request_seconds",
            "Time to carry out a request, waiting included; _count is the number of requests",
            _HTTP_SECONDS,
            "route",
            "method",
            "status",
        )
        reads = self._counter("reads", "Reads of a key, by whether it had a value", "result")
        self._hits, self._misses = reads.labels("hit"), reads.labels("miss")
        self._limits = _Children(self._counter("limits_reached", "Times that a limit refused something", "limit"))

    def _declare_writes(self) -> None:
        self._writes_accepted = self._counter("writes_accepted", "Writes accepted from clients, durable here")
        self._applied = _Children(self._counter("writes_applied", "Writes of other nodes applied here", "origin"))
        self._duplicates = self._counter("duplicates_dropped", "Received writes that were here already")
        self._own_echoes = self._counter("own_echoes", "Own writes that came back from the fanout")
        self._held_back = self._counter("writes_held_back", "Received writes that had to wait for others")
        self._held_seconds = self._histogram("held_seconds", "Time in the causal buffer until applied", _HELD_SECONDS)
        self._commit_items = self._histogram(
            "commit_items", "Writes, deliveries and answers in one commit", _COMMIT_ITEMS
        )
        self._commit_seconds = self._histogram("commit_seconds", "Time of one commit, sync included", _COMMIT_SECONDS)
        self._store_limit = self._gauge("store_limit_bytes", "Size that the local store may grow to")
        text = "From acceptance at the origin, by its hybrid timestamp, to application here; sampled under load"
        self._lag = _Children(self._histogram("replication_lag_seconds", text, _LAG_SECONDS, "origin"))
        text = "How far the last write of an origin was ahead of the clock here; 0 when it was not"
        self._skew = _Children(self._gauge("clock_skew_seconds", text, "origin"))

    def _declare_messages(self) -> None:
        self._messages_confirmed = self._counter("messages_confirmed", "Messages that the broker confirmed")
        self._writes_published = self._counter("writes_published", "Own writes in confirmed messages")
        self._messages_refused = self._counter("messages_refused", "Own messages that the broker nacked or returned")
        self._messages_rejected = self._counter("messages_rejected", "Received messages put aside as not valid")
        self._broker_connected = self._gauge("broker_connected", "1 when the link to the broker is up")
        self._broker_blocked = self._gauge("broker_blocked", "1 when the broker takes no messages for now")

    def watch(self, service: Watched) -> None:
        """Ask ``service`` for these at every scrape."""
        gauges: list[tuple[str, str, Callable[[], float]]] = [
            ("ready", "1 when caught up and serving", lambda: service.ready[0]),
            ("held_writes", "Writes in the causal buffer", lambda: service.held_count),
            ("outbox_writes", "Own writes that the broker has not confirmed", lambda: service.outbox_count),
            ("unconfirmed_messages", "Messages on the wire to the broker", lambda: service.unconfirmed_messages),
            ("waiting_requests", "Requests that wait for their causal context", lambda: service.waiting_requests),
            (
                "ack_waiting_requests",
                "Requests that wait until their write is acknowledged further away",
                lambda: service.ack_waiting_requests,
            ),
            (
                "control_unsent_messages",
                "Control messages dropped before they were sent, so far",
                lambda: service.control_unsent,
            ),
            ("history_writes", "Writes kept in history, for repair", lambda: service.history_writes),
            ("missing_writes", "Writes that others have and this node lacks", lambda: service.missing_writes),
            ("members", "Members of the cluster, this node included", lambda: len(service.members)),
            ("store_used_bytes", "Size of the local store", lambda: service.store_used_bytes),
        ]
        for name, text, value in gauges:
            self._gauge(name, text).set_function(value)

    # ------------------------------------------------------------------------------- requests

    def http_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered; ``route`` is one of the served paths, or says that none matched."""
        child = self._http.get((route, method, status))
        if child is None:
            # Clients may send any word as a method, so only known ones are remembered and named.
            known = method in _METHODS
            child = self._http_seconds.labels(route, method if known else OTHER, str(status))
            if known:
                self._http[route, method, status] = child
        child.observe(seconds)

    def read(self, *, hit: bool) -> None:
        """A key was read."""
        (self._hits if hit else self._misses).inc()

    def limit_reached(self, limit: str) -> None:
        """A limit of this node refused something; ``limit`` names it as the settings do."""
        self._limits[limit].inc()

    # --------------------------------------------------------------------------------- writes

    def writes_accepted(self, writes: int) -> None:
        """Local writes became durable."""
        self._writes_accepted.inc(writes)

    def applied(self, origin_node: str, writes: int = 1) -> None:
        """Writes of another node took effect here."""
        self._applied[origin_node].inc(writes)

    def dropped(self, writes: int, *, own_echo: bool) -> None:
        """Received writes changed nothing: they were here already, or came from here."""
        (self._own_echoes if own_echo else self._duplicates).inc(writes)

    def held_back(self) -> None:
        """A received write has to wait in the causal buffer."""
        self._held_back.inc()

    def released(self, held_seconds: float) -> None:
        """A held write was applied after this time in the causal buffer."""
        self._held_seconds.observe(held_seconds)

    def commit(self, items: int, seconds: float) -> None:
        """A transaction over this many items was committed; ``seconds`` includes the sync."""
        self._commit_items.observe(items)
        self._commit_seconds.observe(seconds)

    def store_limit(self, size_bytes: int) -> None:
        """The local store may grow to this size."""
        self._store_limit.set(size_bytes)

    def replication_lag(self, origin_node: str, seconds: float) -> None:
        """A write of another node was applied this long after its hybrid timestamp.

        Negative when that node's clock is ahead of this node's: that is clock skew, not lag.
        """
        self._lag[origin_node].observe(max(0.0, seconds))
        self._skew[origin_node].set(max(0.0, -seconds))

    # ------------------------------------------------------------------------------- messages

    def published(self, writes: int) -> None:
        """The broker confirmed one message with this many writes."""
        self._messages_confirmed.inc()
        self._writes_published.inc(writes)

    def refused(self, messages: int) -> None:
        """The broker nacked or returned messages."""
        self._messages_refused.inc(messages)

    def rejected(self) -> None:
        """A received message was not valid and was put aside."""
        self._messages_rejected.inc()

    def broker_state(self, state: str) -> None:
        """The link to the broker is connected, blocked (connected, but takes no messages) or disconnected."""
        self._broker_connected.set(state != "disconnected")
        self._broker_blocked.set(state == "blocked")
