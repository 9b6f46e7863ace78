"""Sessions whose nodes die: they go on elsewhere, and never go back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from client import ContextNotReachedError, NoNodeCouldError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client import Client
    from tests.support.client_kinds import OpenClient
    from tests.support.cluster import ClusterUnderTest

pytestmark = pytest.mark.broker


@pytest.fixture
def client(cluster: ClusterUnderTest, open_client: OpenClient) -> Iterator[Client]:
    """A client of the kind that the test is run with."""
    with open_client(cluster.urls.split(","), timeout_seconds=5.0) as opened:
        yield opened


def test_a_session_goes_on_elsewhere_and_never_back_when_its_node_is_killed(
    cluster: ClusterUnderTest, client: Client
) -> None:
    """Each read is at least as new as what the session wrote or read before, at whichever node it ends."""
    session = client.session()
    killed = threading.Timer(0.3, cluster["node1"].kill)
    killed.start()
    moved_to: set[int] = set()
    last = 0
    while len(moved_to) < 2 or last < 100:
        # What the killed node alone has nobody could wait for: the test below is of that.
        vc = session.put("x", last + 1, ack="broker").vc
        moved_to |= {node for node in range(3) if vc[node]}
        read = session.get("x").value
        assert read == last + 1
        session.sadd("seen", [read], ack="broker")
        assert len(session.smembers("seen").members) == read
        last = read
    killed.join()
    assert not cluster["node1"].runs

    cluster["node1"].start()
    cluster["node1"].wait_ready()
    cluster.wait_connected()
    assert session.get("x", node="node1").value == last
    cluster.quiesce(["x"])
    assert len(session.smembers("seen", node="node1").members) == last


def test_a_session_waits_rather_than_goes_back_while_others_lack_what_it_saw(
    cluster: ClusterUnderTest, client: Client
) -> None:
    """What its node wrote in its last moment nobody else has: the session is told so, and others see an older state."""
    session = client.session()
    session.put("x", "old")
    cluster.quiesce(["x"])
    for name in ("node2", "node3"):
        cluster[name].terminate()
    session.put("x", "new", node="node1")
    cluster["node1"].kill()
    # The broker may have it for them by now: without a broker they do not get it.
    for name in ("node2", "node3"):
        cluster[name].start(CAUSALKV_AMQP_URL="amqp://guest:guest@127.0.0.1:1/%2F")
    for name in ("node2", "node3"):
        cluster[name].wait_ready()
    assert client.session().get("x").value == "old"
    with pytest.raises(NoNodeCouldError):
        session.get("x")
    for name in ("node2", "node3"):
        with pytest.raises(ContextNotReachedError):
            session.get("x", node=name)

    for name in ("node2", "node3"):
        cluster[name].terminate()
        cluster[name].start()
    cluster["node1"].start()
    for node in cluster:
        node.wait_ready()
    cluster.wait_connected()
    assert session.get("x", node="node2").value == "new"
    cluster.quiesce(["x"])
