"""The four session guarantees for a client that moves from node1 to node3, while node3 lacks what node1 wrote.

Each test looks at both sides: without the token the anomaly is there to see, so that a node that ignored the token
would fail the other half, in which the token is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sessions.conftest import CONTEXT, WAIT

if TYPE_CHECKING:
    import httpx

    from tests.integration.sessions.conftest import Parting
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

pytestmark = pytest.mark.broker

LONG_WAIT = "25"


def put(node: NodeUnderTest, key: str, value: Any, token: str = "", wait: str = LONG_WAIT) -> httpx.Response:
    """A write that may wait for its context."""
    return node.put(key, value, token, **{WAIT: wait})


def get(node: NodeUnderTest, key: str, token: str = "", wait: str = LONG_WAIT) -> httpx.Response:
    """A read that may wait for its context."""
    headers = {CONTEXT: token, WAIT: wait}
    return node.http.get("/get", params={"key": key, "siblings": "true"}, headers=headers)


def values(answer: httpx.Response) -> list[Any]:
    """All versions that were shown, the winner first."""
    assert answer.status_code == 200, answer.text
    return [sibling["value"] for sibling in answer.json()["siblings"]]


def assert_refused(answer: httpx.Response, node1: NodeUnderTest) -> None:
    """node3 says that it cannot yet, and that a write of node1 is missing."""
    assert answer.status_code == 503, answer.text
    assert list(answer.json()["missing"]) == [node1.status()["replica"]]


def ends(cluster: ClusterUnderTest) -> tuple[NodeUnderTest, NodeUnderTest]:
    """Where the client comes from, and where it goes."""
    return cluster["node1"], cluster["node3"]


def test_read_your_writes(parting: Parting, key: str) -> None:
    """Whoever wrote reads it back, at whichever node; without the token it seems never to have been written."""
    node1, node3 = ends(parting.cluster)
    parting.begin()
    token = put(node1, key, "mine").raise_for_status().headers[CONTEXT]

    assert get(node3, key).status_code == 404  # the anomaly
    assert_refused(get(node3, key, token, wait="0"), node1)
    assert values(parting.heals_while_waiting(lambda: get(node3, key, token))) == ["mine"]


def test_monotonic_reads(parting: Parting, key: str) -> None:
    """What was read once is never unread; without the token a later read shows an older state."""
    node1, node3 = ends(parting.cluster)
    put(node1, key, "old").raise_for_status()
    parting.begin()
    put(node1, key, "new").raise_for_status()
    seen = get(node1, key)
    assert values(seen) == ["new"]

    assert values(get(node3, key)) == ["old"]  # the anomaly
    assert_refused(get(node3, key, seen.headers[CONTEXT], wait="0"), node1)
    again = parting.heals_while_waiting(lambda: get(node3, key, seen.headers[CONTEXT]))
    assert values(again) == ["new"]
    assert values(get(parting.cluster["node2"], key, again.headers[CONTEXT])) == ["new"]


def test_monotonic_writes(parting: Parting, key: str) -> None:
    """A client's second write follows its first everywhere; without the token the first stays beside it."""
    cluster = parting.cluster
    node1, node3 = ends(cluster)
    parting.begin()
    token = put(node1, key, "first").raise_for_status().headers[CONTEXT]
    other = f"{key}-answer"
    put(node1, other, "first").raise_for_status()

    put(node3, other, "second").raise_for_status()  # the anomaly, which shows in the end
    assert_refused(put(node3, key, "second", token, wait="0"), node1)
    assert get(node3, key).status_code == 404, "a refused write writes nothing"
    written = parting.heals_while_waiting(lambda: put(node3, key, "second", token))
    for node in cluster:
        assert values(get(node, key, written.raise_for_status().headers[CONTEXT])) == ["second"]
    cluster.quiesce([key, other])
    assert sorted(values(get(node1, other))) == ["first", "second"]


def test_writes_follow_reads(parting: Parting, key: str) -> None:
    """Nobody sees an answer without the question that it was given to; without the token somebody does."""
    cluster = parting.cluster
    node1, node3 = ends(cluster)
    parting.begin()
    put(node1, key, "question").raise_for_status()
    token = get(node1, key).headers[CONTEXT]
    answer = f"{key}-answer"

    put(node3, answer, "hasty").raise_for_status()
    assert values(get(node3, answer)) == ["hasty"]
    assert get(node3, key).status_code == 404  # the anomaly: an answer without its question

    assert_refused(put(node3, answer, "thoughtful", token, wait="0"), node1)
    assert values(get(node3, answer)) == ["hasty"]
    written = parting.heals_while_waiting(lambda: put(node3, answer, "thoughtful", token))
    written.raise_for_status()
    for node in cluster:
        seen = get(node, answer, written.headers[CONTEXT])
        assert values(seen) == ["thoughtful"]
        assert values(get(node, key)) == ["question"]
