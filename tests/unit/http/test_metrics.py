"""What is counted where it happens; what is asked at every scrape: ``tests/unit/shell/test_scraped_metrics.py``."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from node.metrics import LABEL_VALUES_MAX, LIMITS, NodeMetrics


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
    metrics.read(hits=2, misses=1)
    metrics.conflicts(arisen=3, resolved=2)
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
    assert value(metrics, "causalkv_reads_total", result="hit") == 2
    assert value(metrics, "causalkv_reads_total", result="miss") == 1
    assert value(metrics, "causalkv_conflicts_arisen_total") == 3
    assert value(metrics, "causalkv_conflicts_resolved_total") == 2


def test_the_counters_of_limits_are_there_before_a_limit_is_reached(metrics: NodeMetrics) -> None:
    """Else nobody sees the first time: a counter that appears with 1 has not risen."""
    assert {value(metrics, "causalkv_limits_reached_total", limit=limit) for limit in LIMITS} == {0.0}


def test_limits_that_were_reached_are_told_by_name(metrics: NodeMetrics) -> None:
    """For those who do not read metrics."""
    assert metrics.limits_reached == {}
    metrics.limit_reached("outbox_max_writes")
    metrics.limit_reached("outbox_max_writes")
    metrics.limit_reached("store_bytes")
    assert metrics.limits_reached == {"outbox_max_writes": 2, "store_bytes": 1}


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
