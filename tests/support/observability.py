"""What Prometheus and Grafana are configured with, read and taken apart, for tests that hold it against real nodes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import promql_parser
import pytest
import yaml

from infra.prometheus_programs import find_promtool

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
PROMETHEUS_DIRECTORY = ROOT / "infra" / "prometheus"
ALERTS_FILE = PROMETHEUS_DIRECTORY / "alerts.yml"
DASHBOARD_FILE = ROOT / "infra" / "grafana" / "dashboards" / "causalkv.json"
PROMTOOL_TIMEOUT_SECONDS = 120.0
LEGEND_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class Alert(NamedTuple):
    """One alert rule."""

    name: str
    expr: str
    hold: str
    severity: str
    annotations: dict[str, str]


class Query(NamedTuple):
    """One query of a panel, with Grafana's variables replaced by values that they may have."""

    panel: str
    expr: str
    legend: str

    @property
    def legend_labels(self) -> set[str]:
        """The labels that the legend shows."""
        return set(LEGEND_LABEL.findall(self.legend))


class Selector(NamedTuple):
    """A series that a query asks for: its metric, and the labels that it matches."""

    metric: str
    labels: frozenset[str]


def alerts() -> list[Alert]:
    """All alert rules, in order."""
    groups = yaml.safe_load(ALERTS_FILE.read_text(encoding="utf-8"))["groups"]
    return [
        Alert(rule["alert"], rule["expr"], rule.get("for", "0s"), rule["labels"]["severity"], rule["annotations"])
        for group in groups
        for rule in group["rules"]
    ]


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return cast("dict[str, Any]", json.loads(DASHBOARD_FILE.read_text(encoding="utf-8")))


def queries() -> list[Query]:
    """All queries of all panels."""
    return [
        Query(panel["title"], in_force(target["expr"]), target["legendFormat"])
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    ]


def in_force(expr: str) -> str:
    """A query with values in place of Grafana's variables."""
    return expr.replace("$__rate_interval", "1m").replace("$node", ".*")


def selectors(expr: str) -> list[Selector]:
    """The series that an expression asks for. Raises ValueError when it is no PromQL."""
    found: list[Selector] = []

    def look(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name is not None, f"{expr}: a selector names its metric"
            found.append(Selector(node.name, frozenset(matcher.name for matcher in node.matchers.matchers)))

    promql_parser.walk(promql_parser.parse(expr), pre_visit=look)
    return found


def groupings(expr: str) -> Iterator[tuple[set[str], list[Selector]]]:
    """Each aggregation's labels, with the series over which it aggregates."""
    found: list[promql_parser.AggregateExpr] = []

    def look(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.AggregateExpr):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expr), pre_visit=look)
    for each in found:
        yield set(each.modifier.labels if each.modifier else ()), selectors(each.expr.prettify())


def require_promtool() -> Path:
    """Where promtool is: without it a test fails in CI and is skipped, loudly, elsewhere."""
    found = find_promtool()
    if found is not None:
        return found
    message = "no promtool here: install it (on Debian: apt-get install prometheus)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(f"NOT TESTED: {message}")


def promtool(*arguments: str, stdin: bytes = b"") -> str:
    """What promtool prints; fails the test when it complains."""
    done = subprocess.run(
        [str(require_promtool()), *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PROMTOOL_TIMEOUT_SECONDS,
        check=False,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, f"promtool {' '.join(arguments)}:\n{said}"
    return said
