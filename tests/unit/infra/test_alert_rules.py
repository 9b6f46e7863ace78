"""Every alert: that it fires when it should and not before, and that it tells whoever is woken what to do."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support.observability import ALERTS_FILE, PROMETHEUS_DIRECTORY, Alert, alerts, promtool, queries

if TYPE_CHECKING:
    from pathlib import Path

LABEL_IN_TEXT = re.compile(r"\$labels\.(\w+)")
STEP = "15s"
NODE: dict[str, str] = {"job": "causalkv", "instance": "node1:8000", "node": "node1"}
BY_NODE = {"node": "node1"}


class Case(NamedTuple):
    """What is seen before an alert fires and after: ``series`` in promtool's notation, a value every 15 s.

    ``labels`` are those of the alert, its name and severity apart. It must be quiet ``before`` and fire ``then``; with
    ``after``, it is quiet again at that time.
    """

    alert: str
    series: dict[str, str]
    labels: dict[str, str]
    before: str
    then: str
    after: str


def of(metric: str, **labels: str) -> str:
    """A series of node1."""
    named = ",".join(f'{name}="{value}"' for name, value in {**NODE, **labels}.items())
    return f"{metric}{{{named}}}"


def gauge(alert: str, metric: str, values: tuple[int, int], before: str, then: str, **labels: str) -> Case:
    """A gauge with a good value and a bad one: good at first, bad from 1 minute on, good again from 21 minutes on."""
    good, bad = values
    return Case(
        alert,
        {of(metric, **labels): f"{good}x3 {bad}x79 {good}x20"},
        {**NODE, **labels},
        before,
        then,
        "22m",
    )


def counted(alert: str, metric: str, by: float, quiet_after: str, **labels: str) -> Case:
    """A counter that rises once, after 1 minute."""
    return Case(alert, {of(metric, **labels): f"0x3 {by}x200"}, {**NODE, **labels}, "45s", "1m15s", after=quiet_after)


def slow(alert: str, metric: str, fast_le: str, slow_le: str, **labels: str) -> Case:
    """A histogram in which everything is fast for 1 minute, and slow from then on until minute 21."""
    fast = of(f"{metric}_bucket", le=fast_le, **labels)
    steady = of(f"{metric}_bucket", le=slow_le, **labels)
    every = of(f"{metric}_bucket", le="+Inf", **labels)
    rising = "0+10x150"
    kept = {name: value for name, value in labels.items() if name in {"origin", "route"}}
    return Case(
        alert,
        {fast: "0+10x4 40x79 40+10x60", steady: rising, every: rising},
        BY_NODE | kept,
        "5m",
        "15m",
        "31m",
    )


CASES = [
    gauge("CausalKVNodeDown", "up", (1, 0), "1m45s", "2m15s"),
    gauge("CausalKVNodeNotReady", "causalkv_ready", (1, 0), "2m45s", "3m15s"),
    Case(
        "CausalKVNodeRestarting",
        {of("process_start_time_seconds"): "100x3 200x3 300x3 400x100"},
        NODE,
        "1m30s",
        "3m",
        "20m",
    ),
    counted("CausalKVNodeIdUsedTwice", "causalkv_twins_seen_total", 1, "12m"),
    gauge("CausalKVBrokerDisconnected", "causalkv_broker_connected", (1, 0), "1m45s", "2m15s"),
    gauge("CausalKVBrokerBlocked", "causalkv_broker_blocked", (0, 1), "1m45s", "2m15s"),
    gauge("CausalKVWritesUnconfirmed", "causalkv_oldest_unconfirmed_seconds", (0, 61), "1m45s", "2m15s"),
    Case(
        "CausalKVOutboxFilling",
        {of("causalkv_outbox_writes"): "10x3 81x79 10x20", of("causalkv_outbox_limit_writes"): "100x200"},
        NODE,
        "1m45s",
        "2m15s",
        "22m",
    ),
    counted("CausalKVMessagesRefused", "causalkv_messages_refused_total", 1, "12m"),
    counted("CausalKVMessagesRejected", "causalkv_messages_rejected_total", 1, "12m"),
    counted("CausalKVControlMessagesDropped", "causalkv_control_dropped_total", 60, "12m"),
    gauge("CausalKVWritesHeldLong", "causalkv_held_oldest_seconds", (0, 61), "1m45s", "2m15s"),
    gauge("CausalKVWritesMissing", "causalkv_missing_writes", (0, 5), "3m", "6m15s"),
    slow("CausalKVReplicationSlow", "causalkv_replication_lag_seconds", "1.0", "30.0", origin="node2"),
    counted("CausalKVMessagesLost", "causalkv_repaired_writes_total", 3, "17m"),
    Case(
        "CausalKVPeerSilent",
        {
            of("causalkv_peer_alive", peer="node2"): "1x3 0x79 1x20",
            of("causalkv_peer_alive", peer="node3"): "1x200",
        },
        {"peer": "node2"},
        "2m45s",
        "3m15s",
        "22m",
    ),
    Case(
        "CausalKVMembersDiffer",
        {
            of("causalkv_members"): "3x200",
            'causalkv_members{job="causalkv",instance="node2:8000",node="node2"}': "3x3 2x79 3x20",
        },
        {"job": "causalkv"},
        "5m45s",
        "6m15s",
        "22m",
    ),
    gauge("CausalKVHistoryPinned", "causalkv_stable_lag_seconds", (1, 3601), "5m45s", "6m15s"),
    Case(
        "CausalKVHistoryFilling",
        {of("causalkv_history_writes"): "10x3 81x79 10x20", of("causalkv_history_limit_writes"): "100x200"},
        NODE,
        "5m45s",
        "6m15s",
        "22m",
    ),
    Case(
        "CausalKVClockSkew",
        {of("causalkv_peer_wall_ahead_seconds", peer="node2"): "0x3 -6x79 0x20"},
        {"peer": "node2"},
        "2m45s",
        "3m15s",
        "22m",
    ),
    Case(
        "CausalKVStoreFilling",
        {of("causalkv_store_used_bytes"): "10x3 81x79 10x20", of("causalkv_store_limit_bytes"): "100x200"},
        NODE,
        "5m45s",
        "6m15s",
        "22m",
    ),
    counted("CausalKVStoreFull", "causalkv_limits_reached_total", 1, "7m", limit="store_bytes"),
    slow("CausalKVCommitsSlow", "causalkv_commit_seconds", "0.1", "2.5"),
    counted("CausalKVLimitReached", "causalkv_limits_reached_total", 1, "7m", limit="outbox_max_writes"),
    Case(
        "CausalKVRequestsFailing",
        {
            of("causalkv_http_request_seconds_count", route="/get", method="GET", status="200"): "0+94x150",
            of("causalkv_http_request_seconds_count", route="/get", method="GET", status="503"): "0x3 0+6x79 474x60",
            of("causalkv_http_request_seconds_count", route="/readyz", method="GET", status="503"): "0+500x150",
        },
        BY_NODE,
        "5m45s",
        "15m",
        "31m",
    ),
    slow(
        "CausalKVRequestsSlow", "causalkv_http_request_seconds", "0.1", "5.0", route="/put", method="POST", status="200"
    ),
]


def test_every_alert_has_a_case() -> None:
    """An alert that was never seen to fire may never do."""
    assert [case.alert for case in CASES] == [alert.name for alert in alerts()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_when_it_should_and_not_before_and_ends(case: Case, tmp_path: Path) -> None:
    """Played to Prometheus's own rule engine."""
    alert = next(each for each in alerts() if each.name == case.alert)
    firing = {"alertname": case.alert, "alertstate": "firing", "severity": alert.severity, **case.labels}
    shown = ",".join(f'{name}="{value}"' for name, value in sorted(firing.items()))
    query = f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}'
    expected = {case.before: [], case.then: [{"labels": f"ALERTS{{{shown}}}", "value": 1}], case.after: []}
    test = {
        "rule_files": [str(ALERTS_FILE)],
        "evaluation_interval": STEP,
        "tests": [
            {
                "interval": STEP,
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "promql_expr_test": [
                    {"expr": query, "eval_time": moment, "exp_samples": samples} for moment, samples in expected.items()
                ],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(json.dumps(test), encoding="utf-8")
    promtool("test", "rules", str(file))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_the_text_of_an_alert_uses_only_labels_that_it_has(case: Case) -> None:
    """Else whoever is woken reads <no value>."""
    alert = next(each for each in alerts() if each.name == case.alert)
    used = {label for text in alert.annotations.values() for label in LABEL_IN_TEXT.findall(text)}
    assert used <= case.labels.keys()


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_an_alert_says_what_is_wrong_what_to_do_and_where_more_is_said(alert: Alert) -> None:
    """In a line for the eye, in sentences, and with the place in the operators' handbook."""
    assert alert.name.startswith("CausalKV")
    assert alert.severity in {"critical", "warning", "info"}
    assert alert.annotations.keys() == {"summary", "description", "runbook"}
    assert alert.annotations["runbook"] == f"docs/operations.md#{alert.name.lower()}"
    assert len(alert.annotations["summary"]) < 120
    assert alert.annotations["description"].count(".") >= 2


def test_the_configuration_is_valid() -> None:
    """With the rules that it names."""
    assert f"{len(alerts())} rules found" in promtool("check", "config", str(PROMETHEUS_DIRECTORY / "prometheus.yml"))


def test_every_query_of_the_dashboard_is_valid_promql(tmp_path: Path) -> None:
    """By Prometheus's own parser."""
    rules: list[dict[str, Any]] = [
        {"record": f"query:{number}", "expr": query.expr} for number, query in enumerate(queries())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))
