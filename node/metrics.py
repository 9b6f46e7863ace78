"""What a node counts and measures, for Prometheus.

Plain methods, one for each thing that happens; the core knows nothing of it. What can be asked at any time is asked at
every scrape instead (``scraped_metrics.py``). Every label has a bounded set of values, whatever peers and clients send.
docs/metrics.md lists them all, and a test compares it with a running node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.process_collector import ProcessCollector

from node.healing_metrics import HealingMetrics
from node.scraped_metrics import ScrapedMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from node.scraped_metrics import Watched

_HTTP_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COMMIT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_COMMIT_ITEMS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600, 86400)
_HELD_SECONDS = (0.001, 0.01, 0.1, 0.5, 1, 5, 30, 300, 3600, 86400)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

LABEL_VALUES_MAX = 256
OTHER = "other"
LIMITS = (
    "ack_waiting_max_requests",
    "control_messages",
    "events_max_streams",
    "http_max_connections",
    "outbox_max_writes",
    "requests_max_remembered",
    "store_bytes",
    "waiting_max_requests",
    "watch_max_states",
    "watch_max_watchers",
)
"""The limits that may refuse something; a counter that is there before it is needed can be seen to rise from 0."""


Metric = TypeVar("Metric", bound=MetricWrapperBase)


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
        reads = self._counter("reads", "Keys, counters and sets read, by whether there was something", "result")
        self._hits, self._misses = reads.labels("hit"), reads.labels("miss")
        self._limits_reached = self._counter("limits_reached", "Times that a limit refused something", "limit")
        self._limits = _Children(self._limits_reached)
        for limit in LIMITS:
            self._limits[limit].inc(0)

    def _declare_writes(self) -> None:
        self._writes_accepted = self._counter("writes_accepted", "Writes accepted from clients, durable here")
        self._applied = _Children(self._counter("writes_applied", "Writes of other nodes applied here", "origin"))
        self._duplicates = self._counter("duplicates_dropped", "Received writes that were here already")
        self._own_echoes = self._counter("own_echoes", "Own writes that came back from the fanout")
        self._held_back = self._counter("writes_held_back", "Received writes that had to wait for others")
        self._held_seconds = self._histogram("held_seconds", "Time in the causal buffer until applied", _HELD_SECONDS)
        text = "Times that a write left a key with several versions; what snapshots bring is not counted"
        self._conflicts_arisen = self._counter("conflicts_arisen", text)
        text = "Times that a write left one version or none of a key that had several"
        self._conflicts_resolved = self._counter("conflicts_resolved", text)
        self._commit_items = self._histogram(
            "commit_items", "Writes, deliveries and answers in one commit", _COMMIT_ITEMS
        )
        self._commit_seconds = self._histogram("commit_seconds", "Time of one commit, sync included", _COMMIT_SECONDS)
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
        """Ask ``service`` at every scrape."""
        self.registry.register(ScrapedMetrics(service))

    def ask(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Ask ``value`` for one more gauge at every scrape."""
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

    def read(self, *, hits: int = 0, misses: int = 0) -> None:
        """Keys, counters or sets were read: so many that had something, and so many that had not."""
        if hits:
            self._hits.inc(hits)
        if misses:
            self._misses.inc(misses)

    def limit_reached(self, limit: str) -> None:
        """A limit of this node refused something; ``limit`` names it as the settings do."""
        self._limits[limit].inc()

    @property
    def limits_reached(self) -> dict[str, int]:
        """How often each limit refused something since the start; limits that never did are left out."""
        samples = (sample for metric in self._limits_reached.collect() for sample in metric.samples)
        counts = {each.labels["limit"]: int(each.value) for each in samples if each.name.endswith("_total")}
        return {limit: count for limit, count in counts.items() if count}

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

    def conflicts(self, *, arisen: int = 0, resolved: int = 0) -> None:
        """Writes made so many keys have several versions, and ended that of so many."""
        self._conflicts_arisen.inc(arisen)
        self._conflicts_resolved.inc(resolved)

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
