"""Fixtures of the scenarios: real processes over a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import ClusterUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker


@pytest.fixture
def cluster(broker: PrivateBroker, cluster_name: str, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    """Three nodes for one test, which may end and start them."""
    with ClusterUnderTest(tmp_path, broker.url, cluster=cluster_name) as started:
        yield started
