"""Fixtures with real node processes over a real broker."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import ClusterUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.broker import PrivateBroker


@pytest.fixture(scope="module")
def cluster(broker: PrivateBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Three nodes, for all tests of a module; each leaves them running and quiet."""
    name = f"test-{secrets.token_hex(4)}"
    directory = tmp_path_factory.mktemp(name)
    with ClusterUnderTest(directory, broker.url, cluster=name, CAUSALKV_LOG_FORMAT="json") as started:
        yield started
