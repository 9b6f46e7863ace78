"""What Grafana is provisioned with: a dashboard whose panels say what they show, and the source that they ask."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.support.observability import ROOT, alerts, dashboard, queries, selectors

PROVISIONING = ROOT / "infra" / "grafana" / "provisioning"
PANELS = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
COLUMNS = 24


def source() -> dict[str, Any]:
    """The one data source."""
    [found] = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert isinstance(found, dict)
    return found


def test_everything_is_asked_of_the_provisioned_source() -> None:
    """By its uid: a name may be another on another machine."""
    assert source()["uid"] == "causalkv-prometheus"
    uids = {panel["datasource"]["uid"] for panel in PANELS}
    uids |= {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    uids |= {variable["datasource"]["uid"] for variable in dashboard()["templating"]["list"]}
    assert uids == {source()["uid"]}


def test_the_source_is_where_compose_runs_prometheus_and_knows_how_often_it_looks() -> None:
    """Rates over too short a time are empty."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert "prometheus" in compose
    assert source()["url"] == "http://prometheus:9090"
    settings = yaml.safe_load((ROOT / "infra" / "prometheus" / "prometheus.yml").read_text())["global"]
    assert source()["jsonData"]["timeInterval"] == settings["scrape_interval"]


def test_the_dashboard_is_looked_for_where_compose_puts_it() -> None:
    """As home, too."""
    [provider] = yaml.safe_load((PROVISIONING / "dashboards" / "causalkv.yml").read_text())["providers"]
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    assert f"./infra/grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/causalkv.json"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]) -> None:
    """Whoever looks at it for the first time, at night, is told what a line that climbs means."""
    assert len(panel["description"]) > 20
    assert panel["targets"]
    if panel["type"] != "table":
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["legendFormat"] for target in panel["targets"])
    assert [target["refId"] for target in panel["targets"]] == [chr(65 + n) for n in range(len(panel["targets"]))]


def test_panels_have_their_own_names_and_numbers_and_places() -> None:
    """None lies over another."""
    everything = dashboard()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert len({panel["title"] for panel in everything}) == len(everything)
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
    for one, other in combinations([panel["gridPos"] for panel in everything], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_the_dashboard_shows_what_an_alert_is_about() -> None:
    """Whoever follows an alert there finds its metric in some panel."""
    shown = {selector.metric.removesuffix("_bucket") for query in queries() for selector in selectors(query.expr)}
    asked = {selector.metric.removesuffix("_bucket") for alert in alerts() for selector in selectors(alert.expr)}
    assert asked - shown <= {"process_start_time_seconds"}
