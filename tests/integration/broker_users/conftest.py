"""For each module a broker of either kind, and on it a cluster whose nodes have users of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.broker_users.brokers import CLUSTER, BrokerInDocker, InstalledBroker, url_of
from tests.support.cluster import ClusterUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.broker_users.brokers import RunningBroker

# Of nodes for which a test makes a user, or none.
NEW_NODES_PASSWORD = "p/a:s@s %41?#ü\"\\'&|$x"  # noqa: S105  # of nobody


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(InstalledBroker, id="installed", marks=pytest.mark.broker),
        pytest.param(BrokerInDocker, id="docker", marks=[pytest.mark.docker, pytest.mark.slow]),
    ],
)
def users_broker(request: pytest.FixtureRequest) -> Iterator[RunningBroker]:
    """The users of definitions.json, and no queue that a node has made."""
    broker: RunningBroker = request.param()
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="module")
def cluster(users_broker: RunningBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Three nodes, ready; faults can be set, and what is missing is soon fetched as a snapshot."""

    def own_url(node: str) -> str:
        return url_of(users_broker, node, users_broker.users.passwords.get(node, NEW_NODES_PASSWORD))

    with ClusterUnderTest(
        tmp_path_factory.mktemp("cluster"),
        own_url,
        cluster=CLUSTER,
        CAUSALKV_FAULTS="1",
        CAUSALKV_SNAPSHOT_FROM_WRITES="50",
    ) as started:
        yield started
