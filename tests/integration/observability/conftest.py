"""A cluster of real nodes that has done a little of everything, and what its nodes expose."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.exposition import Exposed, exposed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.broker import PrivateBroker

TIMEOUT_SECONDS = 30.0


@pytest.fixture(scope="package")
def cluster(broker: PrivateBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Three nodes with faults on; a test that disturbs them puts all right again."""
    with ClusterUnderTest(
        tmp_path_factory.mktemp("observability"),
        broker.url,
        cluster=f"observed-{secrets.token_hex(4)}",
        CAUSALKV_FAULTS="1",
        # Whoever asks a peer although nothing is lost, because this machine was busy, sets an alert off.
        CAUSALKV_REPAIR_AFTER_SECONDS="30",
    ) as started:
        yield started


@pytest.fixture(scope="package")
def metrics(cluster: ClusterUnderTest) -> dict[str, Exposed]:
    """What the nodes expose when every labelled metric has been touched."""
    for node in cluster:
        node.put(f"of {node.name}", 1).raise_for_status()
        assert node.get("nothing").status_code == 404
    cluster.quiesce()
    wait_until(
        lambda: all('causalkv_peer_wall_ahead_seconds{peer="' in text for text in scraped(cluster)),
        "the nodes have heard from each other",
        TIMEOUT_SECONDS,
    )
    return exposed(scraped(cluster))


def scraped(cluster: ClusterUnderTest) -> list[str]:
    """The expositions of all nodes."""
    return [node.http.get("/metrics").raise_for_status().text for node in cluster]
