from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.compose_cluster import ComposeCluster
from tests.support.docker import require_docker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeCluster]:
    """A running cluster from docker-compose.yml, shared by a module's tests and removed with all its data."""
    require_docker()
    compose = ComposeCluster(tmp_path_factory.mktemp("compose"))
    try:
        compose.up()
        yield compose
    finally:
        compose.remove()
