"""Keys, batches, counters and sets through both clients at real nodes; each test has keys of its own."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from client import (
    DeleteOp,
    IncrOp,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
    PutOp,
    SAddOp,
    Session,
    SRemOp,
)
from tests.support.cluster import ClusterUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client import Client
    from tests.support.broker import PrivateBroker
    from tests.support.client_kinds import OpenClient

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, broker: PrivateBroker) -> Iterator[ClusterUnderTest]:
    """Three nodes for all tests of this file; it must be quiet at their end."""
    name = f"test-{secrets.token_hex(4)}"
    with ClusterUnderTest(tmp_path_factory.mktemp("nodes"), broker.url, cluster=name) as started:
        yield started
        started.quiesce()


@pytest.fixture
def client(cluster: ClusterUnderTest, open_client: OpenClient) -> Iterator[Client]:
    """A client of the kind that the test is run with."""
    with open_client(cluster.urls.split(",")) as opened:
        yield opened


@pytest.fixture
def session(client: Client) -> Session:
    """A fresh session."""
    return client.session()


@pytest.fixture
def key() -> str:
    """A key that no other test has."""
    return secrets.token_hex(4)


def test_a_batch_is_there_as_a_whole_at_the_next_node(session: Session, key: str) -> None:
    """All kinds of operations, one clock."""
    session.put(f"{key}/old", 1)
    session.sadd(key, ["a", "b"])
    written = session.batch(
        [PutOp(f"{key}/x", {"n": 1.5}), DeleteOp(f"{key}/old"), IncrOp(key, 5), SAddOp(key, ["c"]), SRemOp(key, ["a"])],
        node="node1",
    )
    cut = session.mget([f"{key}/x", f"{key}/old"], node="node2")
    assert (cut[f"{key}/x"].value, cut[f"{key}/x"].vc, cut.missing) == ({"n": 1.5}, written.vc, [f"{key}/old"])
    assert session.counter(key, node="node3").value == 5
    assert session.smembers(key, node="node2").members == ["b", "c"]


def test_scan_pages_are_in_byte_order_and_complete(session: Session, key: str) -> None:
    """By hand page after page, and as an iterator."""
    names = [f"{key}/{name}" for name in ("", "A", "a", "aa", "ä", "日")]
    session.batch([PutOp(name, place) for place, name in enumerate(names)])
    first = session.scan(f"{key}/", limit=4)
    rest = session.scan(f"{key}/", after=first.next, limit=4)
    assert [*first.keys, *rest.keys] == names
    assert rest.next is None
    assert [version.value for version in [*first.values, *rest.values]] == list(range(len(names)))
    assert [name for page in session.scan_pages(f"{key}/", node="node3") for name in page.keys] == names
    assert [name for page in session.scan_pages(f"{key}/", after=names[1], limit=2) for name in page.keys] == names[2:4]


def test_if_absent_lets_exactly_one_of_many_through(client: Client, key: str) -> None:
    """At one node; the others are told who won."""

    def winner_told_to(number: int) -> int | None:
        try:
            client.session().put(key, number, if_absent=True, node="node2")
        except PreconditionFailedError as error:
            return None if error.current is None else error.current.value
        return number

    with ThreadPoolExecutor(8) as threads:
        winners = set(threads.map(winner_told_to, range(16)))
    assert winners == {client.session().get(key, node="node2").value}


def test_if_vc_refuses_what_was_overtaken(client: Client, session: Session, key: str) -> None:
    """A put and a delete; the error holds the version that is there."""
    seen = session.put(key, "one", node="node1").vc
    other = client.session(str(session.token))
    other.put(key, "two", if_vc=seen, node="node1")
    with pytest.raises(PreconditionFailedError) as told:
        session.put(key, "three", if_vc=seen, node="node1")
    assert told.value.current is not None
    assert told.value.current.value == "two"
    with pytest.raises(PreconditionFailedError):
        session.delete(key, if_vc=seen, node="node1")
    session.delete(key, if_vc=told.value.current.vc, node="node1")
    with pytest.raises(PreconditionFailedError) as told:
        session.put(key, "four", if_vc=seen, node="node1")
    assert told.value.current is None


def test_a_value_with_a_ttl_goes_on_every_node(session: Session, key: str) -> None:
    """It tells how long it still lives."""
    session.put(f"{key} for long", "here", ttl_seconds=3600.0)
    shown = session.get(f"{key} for long")
    assert shown.ttl_seconds is not None
    assert 3500 <= shown.ttl_seconds <= 3600.0
    session.put(key, "soon gone", ttl_seconds=2.0)

    def is_gone(node: str) -> bool:
        try:
            session.get(key, node=node)
        except NotFoundError:
            return True
        return False

    for node in ("node1", "node2", "node3"):
        wait_until(lambda node=node: is_gone(node), f"{key} is gone at {node}", 30)  # type: ignore[misc]  # bound at once


def test_counters_add_up_from_everywhere(client: Client, session: Session, key: str) -> None:
    """Sessions that know nothing of each other, at all nodes at the same time."""

    def count(number: int) -> str:
        own = client.session()
        own.incr(key, number, node=f"node{number % 3 + 1}")
        return str(own.token)

    with ThreadPoolExecutor(6) as threads:
        for token in threads.map(count, range(-5, 25)):
            session.observe(token)
    for node in ("node1", "node2", "node3"):
        assert session.counter(key, node=node).value == sum(range(-5, 25))
    assert session.counter(f"{key}/none").value == 0
    assert session.incr(key).value == sum(range(-5, 25)) + 1


def test_a_large_set_is_read_as_a_whole_and_page_by_page(session: Session, key: str) -> None:
    """More members than fit on a page; any JSON value may be one."""
    for start in range(0, 2400, 800):
        session.sadd(key, [f"m{number:05}" for number in range(start, start + 800)])
    session.sadd(key, [None, 1.5, [1], {"a": 1}])
    session.srem(key, ["m00007"])
    whole = session.smembers(key, node="node3")
    assert len(whole.members) == 2403
    assert whole.next is None
    assert "m00007" not in whole.members
    page = session.smembers(key, limit=1000)
    assert page.members == whole.members[:1000]
    assert session.smembers(key, after=page.next, limit=10).members == whole.members[1000:1010]
    assert session.smembers(f"{key}/none").members == []


def test_a_request_id_names_a_write_for_ever(session: Session, key: str) -> None:
    """The first answer comes again, and nothing is written; another write under it is refused."""
    first = session.incr(key, 3, node="node1", request_id=f"id-{key}")
    again = session.incr(key, 3, node="node1", request_id=f"id-{key}")
    assert (again.vc, session.counter(key, node="node1").value) == (first.vc, 3)
    with pytest.raises(InvalidRequestError):
        session.incr(key, 4, node="node1", request_id=f"id-{key}")


def test_a_token_is_handed_over_as_text(client: Client, session: Session, key: str) -> None:
    """Another session goes on from there, at another node."""
    session.put(key, "seen", node="node1")
    text = str(session.token)
    assert client.session(text).get(key, node="node3").value == "seen"
    assert client.session(text).token == session.token


def test_an_unnamed_node_takes_every_call(session: Session, key: str) -> None:
    """Nothing needs a node's name."""
    assert session.put(key, 1, ack="all", ack_timeout=30.0).acked == "all"
    assert session.incr(key, ack="all", ack_timeout=30.0).acked == "all"
    assert session.get(key).value == 1
    session.delete(key)
    with pytest.raises(NotFoundError):
        session.get(key)
