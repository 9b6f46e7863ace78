"""The dashboard's queries and the alerts, against real nodes: they ask for what is there, and see what happens."""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.node.wire import Wire
from tests.support.cluster import wait_until
from tests.support.exposition import Exposed, series_names
from tests.support.observability import Selector, alerts, dashboard, groupings, queries, selectors
from tests.support.prometheus import PrivatePrometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.broker import PrivateBroker
    from tests.support.cluster import ClusterUnderTest

pytestmark = pytest.mark.broker

# What Prometheus adds to every series of a target, and what it makes itself.
TARGET_LABELS = frozenset({"job", "instance", "node"})
OWN_SERIES = {"up": TARGET_LABELS, "ALERTS": TARGET_LABELS | {"alertname", "alertstate", "severity"}}
EXPRESSIONS = [(query.panel, query.expr) for query in queries()] + [(alert.name, alert.expr) for alert in alerts()]
# Faults make these alerts fire in seconds when all times are a twentieth.
FACTOR = 20
SEEN_SECONDS = 60.0


def labels_of(selector: Selector, metrics: dict[str, Exposed]) -> frozenset[str]:
    """The labels that a series has; fails the test when no node exposes it."""
    known = {**OWN_SERIES, **{name: labels | TARGET_LABELS for name, labels in series_names(metrics).items()}}
    assert selector.metric in known, f"no node exposes {selector.metric}"
    return known[selector.metric]


@pytest.mark.parametrize(("where", "expr"), EXPRESSIONS)
def test_a_query_asks_only_for_metrics_and_labels_that_nodes_expose(
    where: str, expr: str, metrics: dict[str, Exposed]
) -> None:
    """A metric that was renamed would leave a panel empty, and an alert silent, for ever."""
    found = selectors(expr)
    assert found, where
    for selector in found:
        assert selector.labels <= labels_of(selector, metrics), f"{where}: {selector}"
    for labels, inside in groupings(expr):
        for selector in inside:
            assert labels <= labels_of(selector, metrics), f"{where}: by {labels}, which {selector.metric} has not"


def test_the_nodes_to_choose_from_are_those_that_are_asked(metrics: dict[str, Exposed]) -> None:
    """The dashboard's variable takes the values of a label that every target has."""
    [variable] = dashboard()["templating"]["list"]
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
    assert found
    assert found[2] in TARGET_LABELS & labels_of(Selector(found[1], frozenset()), metrics)


@pytest.fixture(scope="module")
def prometheus(cluster: ClusterUnderTest, metrics: dict[str, Exposed]) -> Iterator[PrivatePrometheus]:
    """With the project's configuration and rules, a twentieth of their times, while the cluster is under load."""
    assert metrics
    over = threading.Event()
    load = threading.Thread(target=write_and_read, args=(cluster, over))
    with PrivatePrometheus({node.name: node.url for node in cluster}, factor=FACTOR) as started:
        load.start()
        yield started
        over.set()
        load.join()


def write_and_read(cluster: ClusterUnderTest, over: threading.Event) -> None:
    """A little load on every node, until it is over."""
    number = 0
    while not over.wait(0.02):
        for node in cluster:
            number += 1
            with contextlib.suppress(httpx.TransportError):  # a test kills a node
                node.put(f"k{number % 50}", number)
                node.get(f"k{number % 70}")


def test_every_query_of_the_dashboard_shows_something_on_a_cluster_under_load(prometheus: PrivatePrometheus) -> None:
    """And each series has the labels that its legend names."""
    for query in queries():
        if "ALERTS" in query.expr:  # in a cluster that is well, none fires
            continue
        ask = partial(prometheus.ask, query.expr)
        wait_until(lambda ask=ask: bool(ask()), f"{query.panel}: {query.expr}", SEEN_SECONDS)  # type: ignore[misc]  # bound at once
        for series in ask():
            assert query.legend_labels <= series["metric"].keys(), query.panel


def test_a_healthy_cluster_fires_no_alert(prometheus: PrivatePrometheus, cluster: ClusterUnderTest) -> None:
    """Under load, after all rules were judged many times."""
    often = "count_over_time(causalkv_ready[1m]) > 20"
    wait_until(lambda: len(prometheus.ask(often)) == len(cluster.nodes), "all were looked at", SEEN_SECONDS)
    assert prometheus.firing() == set()


def test_a_node_that_is_listed_is_asked_without_a_restart(
    prometheus: PrivatePrometheus, cluster: ClusterUnderTest
) -> None:
    """And one that is listed no more is forgotten: nobody is woken for a node that was taken out."""
    urls = {node.name: node.url for node in cluster}

    def asked() -> set[str]:
        return {series["metric"]["node"] for series in prometheus.ask("up")}

    prometheus.list_nodes({name: url for name, url in urls.items() if name != "node3"})
    wait_until(lambda: asked() == {"node1", "node2"}, "two are asked", SEEN_SECONDS)
    prometheus.list_nodes(urls)
    wait_until(lambda: asked() == urls.keys(), "all are asked again", SEEN_SECONDS)


def fires_and_ends(
    prometheus: PrivatePrometheus, alert: str, begin: Callable[[], object], end: Callable[[], object]
) -> dict[str, str]:
    """See an alert fire after ``begin`` and end after ``end``; returns its labels."""
    assert alert not in prometheus.firing()
    begin()
    try:
        wait_until(lambda: alert in prometheus.firing(), f"{alert} fires", SEEN_SECONDS)
        [first, *_] = [found for found in prometheus.alerts() if found["labels"]["alertname"] == alert]
        for text in first["annotations"].values():
            assert "<" not in text, text
    finally:
        end()
    wait_until(lambda: alert not in prometheus.firing(), f"{alert} ends", SEEN_SECONDS)
    labels: dict[str, str] = first["labels"]
    return labels


def test_a_node_that_is_killed_fires_an_alert_until_it_is_back(
    prometheus: PrivatePrometheus, cluster: ClusterUnderTest
) -> None:
    """By its name."""

    def restart() -> None:
        cluster["node3"].start()
        cluster["node3"].wait_ready()

    labels = fires_and_ends(prometheus, "CausalKVNodeDown", cluster["node3"].kill, restart)
    assert (labels["node"], labels["severity"]) == ("node3", "critical")


def test_a_node_without_its_broker_fires_an_alert_until_it_has_it_again(
    prometheus: PrivatePrometheus, cluster: ClusterUnderTest
) -> None:
    """And the others say that they do not hear from it."""
    node = cluster["node2"]

    def cut(*, now: bool) -> None:
        node.http.post("/faults", json={"cut": True} if now else {"clear": True}).raise_for_status()

    labels = fires_and_ends(prometheus, "CausalKVBrokerDisconnected", lambda: cut(now=True), lambda: cut(now=False))
    assert labels["node"] == "node2"
    cluster.wait_connected()


def test_a_message_of_a_stranger_fires_an_alert_at_every_node_for_a_while(
    prometheus: PrivatePrometheus, cluster: ClusterUnderTest, broker: PrivateBroker
) -> None:
    """It goes to the rejected queue, where the alert sends whoever reads it."""
    name = cluster["node1"].environment["CAUSALKV_CLUSTER"]
    with Wire(broker.url, name) as wire:
        labels = fires_and_ends(
            prometheus, "CausalKVMessagesRejected", lambda: wire.publish(secrets.token_bytes(16)), lambda: None
        )
    assert labels["node"] in cluster.nodes
