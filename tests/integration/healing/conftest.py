"""A broker for all tests of healing, and a cluster with its own names on it for each."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def healing_broker() -> Iterator[PrivateBroker]:
    """Stays up; a test that stops its broker makes one of its own."""
    with PrivateBroker() as broker:
        yield broker


@pytest.fixture
def cluster_id() -> str:
    """The prefix of the names of one test's exchange and queues."""
    return f"heal-{secrets.token_hex(4)}"


@pytest.fixture
def cluster(healing_broker: PrivateBroker, cluster_id: str, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    """Three nodes, ready."""
    with ClusterUnderTest(tmp_path, healing_broker.url, cluster=cluster_id, CAUSALKV_FAULTS="1") as started:
        yield started
