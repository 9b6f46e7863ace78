"""docs/metrics.md and the metrics of a real node: neither has anything that the other has not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from node.metrics import LIMITS
from tests.integration.observability.conftest import scraped
from tests.support.exposition import series_names
from tests.support.observability import ROOT, promtool

if TYPE_CHECKING:
    from tests.support.cluster import ClusterUnderTest
    from tests.support.exposition import Exposed

pytestmark = pytest.mark.broker

REFERENCE = ROOT / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<unit>[^|]+) \| (?P<labels>[^|]+) \| (?P<text>.+) \|$")
# Units in which a name may end; the rest counts things, or says yes or no.
UNITS = {"seconds": "seconds", "bytes": "bytes", "writes": "writes", "messages": "messages", "requests": "requests"}


class Row(NamedTuple):
    """A metric as the reference describes it."""

    name: str
    kind: str
    unit: str
    labels: frozenset[str]
    text: str


def rows() -> list[Row]:
    """All metrics of the reference."""
    found = [ROW.match(line) for line in REFERENCE.read_text(encoding="utf-8").splitlines()]
    return [
        Row(
            each["name"],
            each["kind"],
            each["unit"].strip(),
            frozenset(re.findall(r"`(\w+)`", each["labels"])),
            each["text"],
        )
        for each in found
        if each
    ]


def test_every_metric_is_described_once_and_every_description_is_of_a_metric(metrics: dict[str, Exposed]) -> None:
    """Those that Python's client library adds about the process too."""
    described = [row.name for row in rows()]
    assert sorted(described) == sorted(metrics)


def test_kind_and_labels_are_those_of_the_node(metrics: dict[str, Exposed]) -> None:
    """As every labelled metric has been touched."""
    for row in rows():
        metric = metrics[row.name]
        assert (row.name, row.kind, row.labels) == (metric.name, metric.kind, metric.labels)


def test_the_text_says_what_the_node_says_and_more(metrics: dict[str, Exposed]) -> None:
    """What stands in HELP begins it; what to look at follows."""
    for row in rows():
        if row.name.startswith("causalkv_"):
            assert row.text.startswith(f"{metrics[row.name].help}. "), row.name
            assert len(row.text) > len(metrics[row.name].help) + 20, f"{row.name}: say what to look at"


def test_the_unit_is_that_of_the_name() -> None:
    """Base units alone: no milliseconds, no kilobytes."""
    for row in rows():
        last = row.name.removesuffix("_total").rpartition("_")[2]
        if last in UNITS:
            assert row.unit == UNITS[last], row.name
        assert not re.search(r"_(ms|millis|milliseconds|kb|mb|percent)(_|$)", row.name)


def test_promtool_finds_nothing_to_complain_about(cluster: ClusterUnderTest, metrics: dict[str, Exposed]) -> None:
    """Names, units and suffixes follow Prometheus's rules."""
    assert metrics
    for text in scraped(cluster):
        assert promtool("check", "metrics", stdin=text.encode()) == ""


def test_the_metrics_that_the_limits_name_are_there(metrics: dict[str, Exposed]) -> None:
    """And so are the limits that the counter of refusals names, each of them."""
    limits = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(causalkv_\w+)", limits))
    assert len(named) > 20
    assert named <= series_names(metrics).keys() | metrics.keys()
    assert set(re.findall(r'\{limit="(\w+)"\}', limits)) == set(LIMITS)
