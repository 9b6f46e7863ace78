"""Answers that are lost on their way from real nodes: no write is made twice where that would count."""

from __future__ import annotations

import secrets
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

    from client import Client, Session
    from tests.support.broker import PrivateBroker
    from tests.support.client_kinds import OpenClient

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, broker: PrivateBroker) -> Iterator[ClusterUnderTest]:
    """Two nodes, enough to write something twice; each test leaves them quiet and has a key of its own."""
    name = f"test-{secrets.token_hex(4)}"
    with ClusterUnderTest(tmp_path_factory.mktemp("nodes"), broker.url, cluster=name, size=2) as started:
        yield started


@pytest.fixture
def key() -> str:
    """A key that no other test has."""
    return secrets.token_hex(4)


class Writes:
    """How many writes node1 has applied, whoever made them, since a test began."""

    def __init__(self, cluster: ClusterUnderTest) -> None:
        self._cluster = cluster
        self._before = 0
        self._before = self.count()

    def count(self) -> int:
        """That many."""
        counts: list[int] = list(self._cluster["node1"].status()["clock"].values())
        return sum(counts) - self._before


@pytest.fixture
def writes(cluster: ClusterUnderTest) -> Writes:
    """Counted from here on."""
    cluster.quiesce()
    return Writes(cluster)


@pytest.fixture
def roads(cluster: ClusterUnderTest) -> Iterator[list[TcpProxy]]:
    """What lies between the clients and each node."""
    with ExitStack() as stack:
        yield [stack.enter_context(TcpProxy(LOOPBACK, node.port)) for node in cluster]


@pytest.fixture
def client(roads: list[TcpProxy], open_client: OpenClient) -> Iterator[Client]:
    """A client that reaches the nodes over these roads."""
    with open_client(addresses(roads), timeout_seconds=8.0) as opened:
        yield opened


def addresses(roads: list[TcpProxy]) -> list[str]:
    """Where the roads begin."""
    return [f"http://{LOOPBACK}:{road.port}" for road in roads]


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


WRITES: dict[str, Callable[[Session, str], object]] = {
    "incr": lambda session, key: session.incr(key),
    "batch": lambda session, key: session.batch([IncrOp(key), PutOp(key, 1)]),
    "if_absent": lambda session, key: session.put(key, 1, if_absent=True),
    "put": lambda session, key: session.put(key, 1),
    "sadd": lambda session, key: session.sadd(key, ["a"]),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_answer_vanished_is_made_once_and_answered(  # noqa: PLR0917  # pytest gives them by name
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client, writes: Writes, key: str, name: str
) -> None:
    """It is done at the node; the answer is lost; the second attempt there gets it, and writes nothing."""
    session = client.session()
    client.status("node1")  # where it is
    lose_silently(roads[0])
    with mended_when(roads[0], lambda: writes.count() == 1, "the write is done"):
        WRITES[name](session, key)
    cluster.quiesce([key])
    assert writes.count() == 1


def test_an_increment_whose_node_stays_away_is_not_made_elsewhere(
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client, writes: Writes, key: str
) -> None:
    """Nobody can tell, and that is what is told; the counter has it once."""
    client.status("node1")
    lose_silently(roads[0])
    with pytest.raises(OutcomeUnknownError, match="may or may not have been applied"):
        client.session().incr(key)
    roads[0].restore()
    cluster.quiesce()
    assert client.session().counter(key).value == 1
    assert writes.count() == 1


def test_an_increment_is_counted_once_when_its_node_is_killed_before_the_answer(
    cluster: ClusterUnderTest, roads: list[TcpProxy], open_client: OpenClient, writes: Writes, key: str
) -> None:
    """The node remembers the id across its restart: the client, which stays with it, gets the first answer."""

    def restart() -> None:
        wait_until(lambda: writes.count() == 1, "the increment is done", 20)
        cluster["node1"].kill()
        roads[0].restore()
        cluster["node1"].start()

    lose_silently(roads[0])
    restarting = threading.Thread(target=restart)
    restarting.start()
    with open_client(addresses(roads)[:1], timeout_seconds=30.0) as client:
        assert client.session().incr(key, 5).value == 5
    restarting.join()
    cluster["node1"].wait_ready()
    cluster.wait_connected()
    cluster.quiesce()
    assert cluster["node2"].http.get("/counter/get", params={"key": key}).json()["value"] == 5
    assert writes.count() == 1


def test_a_put_goes_on_elsewhere_when_its_node_stays_away(
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client, key: str
) -> None:
    """Twice does no harm: one value, on both nodes."""
    client.status("node1")
    lose_silently(roads[0])
    session = client.session()
    session.put(key, "5")
    assert session.get(key, node="node2").value == "5"
    roads[0].restore()
    cluster.quiesce([key])
    assert session.get(key, siblings=True).value == "5"


def test_requests_that_never_arrive_are_made_once(
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client, writes: Writes, key: str
) -> None:
    """The other direction: what the node never saw is done when it comes again."""
    client.status("node1")
    roads[0].swallow(requests=True)
    restoring = threading.Timer(1.0, roads[0].restore)
    restoring.start()
    assert client.session().incr(key).value == 1
    restoring.join()
    cluster.quiesce()
    assert writes.count() == 1


def test_many_increments_over_a_bad_road_count_exactly(
    cluster: ClusterUnderTest, roads: list[TcpProxy], client: Client, writes: Writes, key: str
) -> None:
    """Connections break at any moment; those that end unknown may count or not, all others count once."""
    session = client.session()
    client.status("node1")  # where it is
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
                session.incr(key, node="node1")
            except OutcomeUnknownError:
                unknown += 1
    finally:
        stop.set()
        shaking.join()
    cluster.quiesce()
    counted = client.session(session.token).counter(key).value
    assert 60 - unknown <= counted <= 60
    assert writes.count() == counted
