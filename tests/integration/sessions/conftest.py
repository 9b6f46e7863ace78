"""Real nodes over a real RabbitMQ, and the ways in which node3 can be kept from what node1 writes."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cluster import ClusterUnderTest, NodeUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.support.broker import PrivateBroker

CONTEXT = "X-Causal-Context"
WAIT = "X-Causal-Wait"
TIMEOUT_SECONDS = 30.0
# Longer than any test.
DELAY_SECONDS = 900.0


class Parting:
    """Keeps what node1 writes from node3, in one of three ways, until it is healed."""

    def __init__(self, cluster: ClusterUnderTest, way: str) -> None:
        self.cluster = cluster
        self.way = way

    def begin(self) -> None:
        """From now on nothing of node1 reaches node3."""
        self.cluster.quiesce()
        if self.way == "delay":
            inject(self.cluster["node3"], delay={"node1": DELAY_SECONDS})
            return
        parted = self.cluster["node3" if self.way == "the reader's node is cut off" else "node1"]
        inject(parted, cut=True)
        wait_until(lambda: parted.status()["broker"] == "disconnected", f"{parted.name} is cut off", TIMEOUT_SECONDS)

    def heal(self) -> None:
        """Let everything through again."""
        for node in self.cluster:
            inject(node, clear=True)

    def heals_while_waiting(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """The answer to a request that node3 lets wait; the parting is healed while it does."""
        node3 = self.cluster["node3"]
        with ThreadPoolExecutor(1) as threads:
            asking = threads.submit(ask)
            try:
                wait_until(
                    lambda: asking.done() or node3.status()["waiting_requests"] > 0,
                    "node3 lets the request wait",
                    TIMEOUT_SECONDS,
                )
                assert not asking.done(), f"it did not wait: {asking.result().text}"
            finally:
                self.heal()
            return asking.result(TIMEOUT_SECONDS)


def inject(node: NodeUnderTest, **faults: Any) -> None:
    """Put faults in force at a node, or end them."""
    node.http.post("/faults", json=faults).raise_for_status()


@pytest.fixture(scope="package")
def shared_cluster(broker: PrivateBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Three nodes for all these tests, which use keys of their own."""
    directory, name = tmp_path_factory.mktemp("sessions"), f"sessions-{secrets.token_hex(4)}"
    with ClusterUnderTest(directory, broker.url, cluster=name, CAUSALKV_FAULTS="1") as started:
        yield started


@pytest.fixture
def key() -> str:
    """A key that no other test uses."""
    return f"key-{secrets.token_hex(4)}"


@pytest.fixture(params=["delay", "the reader's node is cut off", "the writer's node is cut off"])
def parting(shared_cluster: ClusterUnderTest, request: pytest.FixtureRequest, key: str) -> Iterator[Parting]:
    """Each way in turn; in the end all is healed, and the nodes must come to the same state."""
    made = Parting(shared_cluster, request.param)
    yield made
    made.heal()
    shared_cluster.quiesce([key, f"{key}-answer"])
