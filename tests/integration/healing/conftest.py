"""A cluster of its own for each test, on the broker of all."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import ClusterUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker


@pytest.fixture
def cluster_id() -> str:
    """The prefix of the names of one test's exchange and queues."""
    return f"heal-{secrets.token_hex(4)}"


@pytest.fixture
def cluster(broker: PrivateBroker, cluster_id: str, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    """Three nodes, ready."""
    with ClusterUnderTest(tmp_path, broker.url, cluster=cluster_id, CAUSALKV_FAULTS="1") as started:
        yield started
