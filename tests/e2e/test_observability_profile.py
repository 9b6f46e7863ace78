"""What Docker Compose itself makes of the profile for Prometheus and Grafana."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.support.docker import require_docker
from tests.support.observability import ROOT

pytestmark = pytest.mark.docker


def compose(*arguments: str) -> str:
    """What ``docker compose`` prints about the project's file."""
    command = ["docker", "compose", "--file", str(ROOT / "docker-compose.yml"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(autouse=True)
def docker() -> None:
    """Go on only with an engine."""
    require_docker()


def test_without_the_profile_nothing_of_it_starts() -> None:
    """``docker compose up`` is the broker and three nodes."""
    assert sorted(compose("config", "--services").split()) == ["node1", "node2", "node3", "rabbitmq"]


def test_with_the_profile_both_start_beside_the_cluster() -> None:
    """And what they are given is there."""
    project: dict[str, Any] = json.loads(compose("--profile", "observability", "config", "--format", "json"))
    services = project["services"]
    assert services.keys() == {"node1", "node2", "node3", "rabbitmq", "prometheus", "grafana"}
    for name in ("prometheus", "grafana"):
        mounted = [volume["source"] for volume in services[name]["volumes"] if volume["type"] == "bind"]
        assert mounted
        assert all((ROOT / source).is_dir() for source in mounted)
