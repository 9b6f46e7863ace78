"""Whether tests may count on Docker Compose on this machine."""

from __future__ import annotations

import os

import pytest

from infra import docker_engine


def require_docker() -> None:
    """Go on only when Docker Compose can be used: an engine without it fails in CI; no engine skips, loudly."""
    if docker_engine.engine_version() is None:
        pytest.skip("NOT TESTED: no Docker engine answers, so nothing was tried in containers")
    if docker_engine.compose_version() is None:
        message = "a Docker engine answers, but Docker Compose v2 is missing"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(f"NOT TESTED: {message}")
