"""Answers that are lost on their way from real nodes: no write is made twice where that would count."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from client import IncrOp, OutcomeUnknownError, PutOp
from infra.ports import LOOPBACK
from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from client import Client, Session
    from tests.support.broker import PrivateBroker
    from tests.support.client_kinds import OpenClient

pytestmark = pytest.mark.broker


@pytest.fixture
def cluster(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> Iterator[ClusterUnderTest]:
    """A fresh cluster of two nodes: enough to write something twice."""
    with ClusterUnderTest(tmp_path / "nodes", broker.url, cluster=cluster_name, size=2) as started:
        yield started


@pytest.fixture
def roads(cluster: ClusterUnderTest) -> Iterator[list[TcpProxy]]:
    """What lies between the clients and each node."""
    with ExitStack() as stack:
        yield [stack.enter_context(TcpProxy(LOOPBACK, node.port)) for node in cluster]


@pytest.fixture
def client(roads: list[TcpProxy], open_client: OpenClient) -> Iterator[Client]:
    """A client that reaches the nodes over these roads."""
    with open_client(addresses(roads), timeout_seconds=4.0) as opened:
        yield opened


def addresses(roads: list[TcpProxy]) -> list[str]:
    """Where the roads begin."""
    return [f"http://{LOOPBACK}:{road.port}" for road in roads]


def clock_sum(cluster: ClusterUnderTest) -> int:
    """How many writes node1 has applied, whoever made them."""
    return sum(cluster["node1"].status()["clock"].values())


@contextmanager
def mended_when(road: TcpProxy, condition: Callable[[], bool], what: str) -> Iterator[None]:
    """Restore the road as soon as a condition holds, while the body goes on."""
    failure: list[AssertionError] = []

    def mend() -> None:
        try:
            wait_until(condition, what, 20)
        except AssertionError as error:
            failure.append(error)
        road.restore()

    mending = threading.Thread(target=mend)
    mending.start()
    try:
        yield
    finally:
        mending.join()
    assert not failure, failure


def lose_silently(road: TcpProxy) -> None:
    """Answers vanish, connections stay: the client waits until its time is over."""
    road.swallow(answers=True)


WRITES: dict[str, Callable[[Session], object]] = {
    "incr": lambda session: session.incr("n"),
    "batch": lambda session: session.batch([IncrOp("n"), PutOp("x", 1)]),
    "if_absent": lambda session: session.put("x", 1, if_absent=True),
    "put": lambda session: session.put("x", 1),
    "sadd": lambda session: session.sadd("s", ["a"]),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_answer_vanished_is_made_once_and_answered(
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client, name: str
) -> None:
    """It is done at the node; the answer is lost; the second attempt there gets it, and writes nothing."""
    session = client.session()
    client.status("node1")  # where it is
    lose_silently(roads[0])
    with mended_when(roads[0], lambda: clock_sum(cluster) == 1, "the write is done"):
        WRITES[name](session)
    cluster.quiesce(["x"])
    assert clock_sum(cluster) == 1


def test_an_increment_whose_node_stays_away_is_not_made_elsewhere(
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client
) -> None:
    """Nobody can tell, and that is what is told; the counter has it once."""
    client.status("node1")
    lose_silently(roads[0])
    with pytest.raises(OutcomeUnknownError, match="may or may not have been applied"):
        client.session().incr("n")
    roads[0].restore()
    cluster.quiesce()
    assert client.session().counter("n").value == 1
    assert clock_sum(cluster) == 1


def test_an_increment_is_counted_once_when_its_node_is_killed_before_the_answer(
    cluster: ClusterUnderTest, roads: list[TcpProxy], open_client: OpenClient
) -> None:
    """The node remembers the id across its restart: the client, which stays with it, gets the first answer."""

    def restart() -> None:
        wait_until(lambda: clock_sum(cluster) == 1, "the increment is done", 20)
        cluster["node1"].kill()
        roads[0].restore()
        cluster["node1"].start()

    lose_silently(roads[0])
    restarting = threading.Thread(target=restart)
    restarting.start()
    with open_client(addresses(roads)[:1], timeout_seconds=30.0) as client:
        assert client.session().incr("n", 5).value == 5
    restarting.join()
    cluster["node1"].wait_ready()
    cluster.wait_connected()
    cluster.quiesce()
    assert cluster["node2"].http.get("/counter/get", params={"key": "n"}).json()["value"] == 5
    assert clock_sum(cluster) == 1


def test_a_put_goes_on_elsewhere_when_its_node_stays_away(
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client
) -> None:
    """Twice does no harm: one value, on both nodes."""
    client.status("node1")
    lose_silently(roads[0])
    session = client.session()
    session.put("x", "5")
    assert session.get("x", node="node2").value == "5"
    roads[0].restore()
    cluster.quiesce(["x"])
    assert session.get("x", siblings=True).value == "5"


def test_requests_that_never_arrive_are_made_once(
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client
) -> None:
    """The other direction: what the node never saw is done when it comes again."""
    client.status("node1")
    roads[0].swallow(requests=True)
    restoring = threading.Timer(1.0, roads[0].restore)
    restoring.start()
    assert client.session().incr("n").value == 1
    restoring.join()
    cluster.quiesce()
    assert clock_sum(cluster) == 1


def test_many_increments_over_a_bad_road_count_exactly(
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client
) -> None:
    """Connections break at any moment; those that end unknown may count or not, all others count once."""
    session = client.session()
    stop = threading.Event()

    def shake() -> None:
        while not stop.wait(0.05):
            roads[0].cut()
            roads[0].restore()

    shaking = threading.Thread(target=shake)
    shaking.start()
    unknown = 0
    try:
        for _ in range(60):
            try:
                session.incr("n", node="node1")
            except OutcomeUnknownError:
                unknown += 1
    finally:
        stop.set()
        shaking.join()
    cluster.quiesce()
    counted = client.session(session.token).counter("n").value
    assert 60 - unknown <= counted <= 60
    assert clock_sum(cluster) == counted
