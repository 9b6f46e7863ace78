"""``docker network disconnect`` under a load of sessions, judged by what they saw."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import httpx
import pytest

from client.consistency.checker import check
from tests.e2e.compose_cluster import NODES, docker, eventually
from tests.integration.force.sessions import ForceLoad

if TYPE_CHECKING:
    from tests.e2e.compose_cluster import ComposeCluster

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1200)]

REQUESTS = 300
QUIET_SECONDS = 120.0


def is_quiet(cluster: ComposeCluster) -> bool:
    """Whether nothing is on its way any more, and all clocks are equal."""
    try:
        statuses = [cluster.status(node) for node in NODES]
    except httpx.HTTPError:
        return False
    return all((s["outbox"], s["held"], s["clock"]) == (0, 0, statuses[0]["clock"]) for s in statuses)


def test_a_node_cut_off_from_the_others_under_load_breaks_no_guarantee(cluster: ComposeCluster) -> None:
    """Sessions move between a node without its network and the others; then all come to the same end."""
    seed = random.randrange(10**6)
    network, container = f"{cluster.project}_replication", cluster.container("node1")
    load = ForceLoad({node: cluster.url(node) for node in NODES}, seed=seed)
    try:
        with load.running():
            load.wait_for_requests(REQUESTS)
            docker("network", "disconnect", network, container)
            try:
                eventually(lambda: cluster.status("node1")["broker"] == "disconnected", "node1 notices it")
                load.wait_for_requests(REQUESTS)
            finally:
                docker("network", "connect", "--alias", "node1", network, container)
            load.wait_for_requests(REQUESTS)
        eventually(lambda: is_quiet(cluster), "the cluster is quiet", QUIET_SECONDS)
        load.record_finals()
        violations = check(load.history)
    finally:
        load.close()
    assert not violations, f"seed {seed}\n" + "\n".join(map(str, violations[:10]))
    assert not load.surprises, load.surprises[:10]
