"""Prometheus and Grafana in docker-compose.yml: pinned, on loopback, without rights, and only when asked for."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.support.observability import ROOT

PROFILE = "observability"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = ("prometheus", "grafana")


def test_they_belong_to_their_profile_and_nothing_else_does() -> None:
    """Who starts the cluster gets the cluster."""
    assert [name for name, service in SERVICES.items() if PROFILE in service.get("profiles", ())] == list(OURS)
    assert all(SERVICES[name]["profiles"] == [PROFILE] for name in OURS)


@pytest.mark.parametrize("name", OURS)
def test_the_image_is_an_official_one_of_one_version(name: str) -> None:
    """What was tried is what runs."""
    official = {"prometheus": r"prom/prometheus:v\d+\.\d+\.\d+", "grafana": r"grafana/grafana:\d+\.\d+\.\d+"}
    assert re.fullmatch(official[name], SERVICES[name]["image"])


@pytest.mark.parametrize("name", OURS)
def test_it_is_published_on_loopback_alone_on_a_port_that_can_be_chosen(name: str) -> None:
    """Neither asks anybody for a password."""
    [published] = SERVICES[name]["ports"]
    assert re.fullmatch(r"127\.0\.0\.1:\$\{CAUSALKV_PORT_[A-Z]+:-\d+\}:\d+", published)


@pytest.mark.parametrize("name", OURS)
def test_it_has_no_rights_and_cannot_change_its_container(name: str) -> None:
    """As the nodes."""
    service = SERVICES[name]
    assert service["user"].partition(":")[0] not in {"0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"]
    for volume in service["volumes"]:
        assert volume.endswith(":ro") == volume.startswith("./")


def test_grafana_lets_everybody_look_and_nobody_in() -> None:
    """There is no user, so there is no password that somebody forgot to change."""
    settings = SERVICES["grafana"]["environment"]
    assert settings["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert settings["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert settings["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert settings["GF_AUTH_BASIC_ENABLED"] == "false"


def test_prometheus_cannot_be_stopped_or_written_to_over_http() -> None:
    """Whoever reaches its port may only ask."""
    command = " ".join(SERVICES["prometheus"]["command"])
    assert "--web.enable-lifecycle" not in command
    assert "--web.enable-admin-api" not in command


def test_every_node_of_the_compose_file_is_asked_for_its_metrics() -> None:
    """By the name and port under which it is reached there."""
    asked = yaml.safe_load((ROOT / "infra" / "prometheus" / "nodes.yml").read_text())
    nodes = [name for name in SERVICES if name.startswith("node")]
    assert [(each["labels"]["node"], each["targets"]) for each in asked] == [(name, [f"{name}:8000"]) for name in nodes]
    assert "clients" in SERVICES["prometheus"]["networks"]
