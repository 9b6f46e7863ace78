from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from node.metrics import LABEL_VALUES_MAX, NodeMetrics, Watched


@pytest.fixture
def metrics() -> NodeMetrics:
    """The metrics of one node."""
    return NodeMetrics(CollectorRegistry())


def value(metrics: NodeMetrics, name: str, **labels: str) -> float | None:
    """One sample."""
    return metrics.registry.get_sample_value(name, labels)


def test_what_happens_to_writes_is_counted(metrics: NodeMetrics) -> None:
    """Each method moves its own counter, and no other."""
    metrics.writes_accepted(3)
    metrics.applied("node2")
    metrics.applied("node2", 4)
    metrics.dropped(1, own_echo=True)
    metrics.dropped(2, own_echo=False)
    metrics.held_back()
    metrics.published(7)
    metrics.refused(2)
    metrics.rejected()
    metrics.limit_reached("outbox_max_writes")
    assert value(metrics, "causalkv_writes_accepted_total") == 3
    assert value(metrics, "causalkv_writes_applied_total", origin="node2") == 5
    assert value(metrics, "causalkv_own_echoes_total") == 1
    assert value(metrics, "causalkv_duplicates_dropped_total") == 2
    assert value(metrics, "causalkv_writes_held_back_total") == 1
    assert value(metrics, "causalkv_messages_confirmed_total") == 1
    assert value(metrics, "causalkv_writes_published_total") == 7
    assert value(metrics, "causalkv_messages_refused_total") == 2
    assert value(metrics, "causalkv_messages_rejected_total") == 1
    assert value(metrics, "causalkv_limits_reached_total", limit="outbox_max_writes") == 1


def test_times_go_to_histograms(metrics: NodeMetrics) -> None:
    """Seconds and sizes, with their sums."""
    metrics.commit(20, 0.25)
    metrics.released(1.5)
    metrics.http_request("/get", "GET", 200, 0.5)
    metrics.http_request("/get", "GET", 200, 0.5)
    labels = {"route": "/get", "method": "GET", "status": "200"}
    assert value(metrics, "causalkv_commit_items_sum") == 20
    assert value(metrics, "causalkv_commit_seconds_sum") == 0.25
    assert value(metrics, "causalkv_held_seconds_sum") == 1.5
    assert value(metrics, "causalkv_http_request_seconds_count", **labels) == 2
    assert value(metrics, "causalkv_http_request_seconds_sum", **labels) == 1.0


def test_a_timestamp_from_the_future_is_skew_and_no_lag(metrics: NodeMetrics) -> None:
    """A clock that runs ahead shows as skew; the histogram of lags takes nothing negative."""
    metrics.replication_lag("node2", -5)
    assert value(metrics, "causalkv_clock_skew_seconds", origin="node2") == 5
    assert value(metrics, "causalkv_replication_lag_seconds_sum", origin="node2") == 0
    metrics.replication_lag("node2", 0.25)
    assert value(metrics, "causalkv_clock_skew_seconds", origin="node2") == 0
    assert value(metrics, "causalkv_replication_lag_seconds_sum", origin="node2") == 0.25


@pytest.mark.parametrize(
    ("state", "connected", "blocked"), [("connected", 1, 0), ("blocked", 1, 1), ("disconnected", 0, 0)]
)
def test_the_state_of_the_broker_is_two_gauges(metrics: NodeMetrics, state: str, connected: int, blocked: int) -> None:
    """Blocked is connected, but takes nothing."""
    metrics.broker_state(state)
    assert value(metrics, "causalkv_broker_connected") == connected
    assert value(metrics, "causalkv_broker_blocked") == blocked


def test_gauges_are_asked_at_every_scrape(metrics: NodeMetrics) -> None:
    """They show the moment, not the start."""
    service = SimpleNamespace(
        ready=(False, "why"),
        held_count=1,
        outbox_count=2,
        unconfirmed_messages=5,
        waiting_requests=3,
        store_used_bytes=4,
        ack_waiting_requests=6,
        control_unsent=10,
        history_writes=7,
        missing_writes=8,
        members=("node1", "node2"),
    )
    metrics.watch(cast("Watched", service))
    assert value(metrics, "causalkv_ready") == 0
    assert value(metrics, "causalkv_held_writes") == 1
    service.held_count, service.ready = 9, (True, "")
    assert value(metrics, "causalkv_held_writes") == 9
    assert value(metrics, "causalkv_ready") == 1
    assert value(metrics, "causalkv_outbox_writes") == 2
    assert value(metrics, "causalkv_unconfirmed_messages") == 5
    assert value(metrics, "causalkv_waiting_requests") == 3
    assert value(metrics, "causalkv_store_used_bytes") == 4
    assert value(metrics, "causalkv_ack_waiting_requests") == 6
    assert value(metrics, "causalkv_history_writes") == 7
    assert value(metrics, "causalkv_missing_writes") == 8
    assert value(metrics, "causalkv_members") == 2
    assert value(metrics, "causalkv_control_unsent_messages") == 10


def test_label_values_from_outside_have_a_limit(metrics: NodeMetrics) -> None:
    """Whoever invents node ids or methods cannot make memory grow; nothing goes uncounted."""
    for n in range(2 * LABEL_VALUES_MAX):
        metrics.applied(f"node{n}")
        metrics.http_request("none", f"METHOD{n}", 405, 0.0)
    origins = {
        sample.labels["origin"]: sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "causalkv_writes_applied_total"
    }
    assert len(origins) == LABEL_VALUES_MAX + 1
    assert sum(origins.values()) == 2 * LABEL_VALUES_MAX
    refused = {"route": "none", "method": "other", "status": "405"}
    assert value(metrics, "causalkv_http_request_seconds_count", **refused) == 2 * LABEL_VALUES_MAX
