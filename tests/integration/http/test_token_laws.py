"""What every answer's token must hold, so that a client that keeps them never goes back in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.core.vector_clock import VectorClock
from node.http.causal_context import parse_context
from tests.integration.http.conftest import TIMEOUT_SECONDS
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    import httpx

    from tests.integration.http.conftest import ServedNode

UNKNOWN = "nobody~zzzz=7"


def token_of(answer: httpx.Response) -> VectorClock:
    """The clock that an answer's token means; it must be there, and canonical."""
    text = answer.headers["X-Causal-Context"]
    clock = parse_context(text)
    assert str(clock) == text
    return clock


def test_a_writes_token_is_its_clock(nodes: list[ServedNode]) -> None:
    """It covers the write itself and all that the node had applied."""
    node1 = nodes[0]
    replica = node1.node.service.replica
    assert token_of(node1.put("a", 1)) == VectorClock({replica: 1})
    assert token_of(node1.delete("a")) == VectorClock({replica: 2})


def test_a_read_covers_what_it_showed_and_no_more(nodes: list[ServedNode]) -> None:
    """The winner's clock, not the node's: else a reader would wait for writes that it saw no effect of."""
    node1 = nodes[0]
    written = token_of(node1.put("a", 1))
    node1.put("b", 2)
    assert token_of(node1.get("a")) == written


def test_a_miss_covers_all_that_the_node_had_applied(nodes: list[ServedNode]) -> None:
    """That a key has no value is a fact about everything that is applied."""
    node1 = nodes[0]
    written = token_of(node1.put("a", 1))
    assert token_of(node1.get("absent")) == written
    assert token_of(node1.http.get("/status")) == written


def test_siblings_are_all_covered(nodes: list[ServedNode]) -> None:
    """Whoever was shown all siblings has seen all of them; a plain read showed the winner only."""
    node1, node2, node3 = nodes
    node1.delay(node2=60)
    node2.delay(node1=60)
    one, two = token_of(node1.put("s", 1)), token_of(node2.put("s", 2))
    both = one.merge(two)
    wait_until(lambda: both <= node3.node.service.clock, "node3 has both", TIMEOUT_SECONDS)
    assert token_of(node3.get("s", siblings="true")) == both
    assert token_of(node3.get("s")) in (one, two)


def test_the_requests_token_is_merged_into_every_answer(nodes: list[ServedNode]) -> None:
    """A client that replaces its token by the answer's loses nothing."""
    node1, node2, _ = nodes
    one, two = token_of(node1.put("a", 1)), token_of(node2.put("b", 2))
    wait_until(lambda: one.merge(two) <= node1.node.service.clock, "node1 has both", TIMEOUT_SECONDS)
    assert token_of(node1.get("a", token=str(two))) == one.merge(two)
    assert token_of(node1.put("c", 3, token=str(two))) >= one.merge(two)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/buffer", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/faults", 404),
        ("GET", "/nowhere", 404),
        ("PATCH", "/get", 405),
        ("OPTIONS", "/put", 405),
        ("GET", "/get", 400),
        ("GET", "/get?key=x&siblings=maybe", 400),
        ("POST", "/put", 415),
        ("POST", "/batch", 415),
        ("POST", "/mget", 415),
        ("POST", "/set/add", 415),
        ("POST", "/counter/incr", 415),
        ("GET", "/scan?limit=0", 400),
        ("GET", "/set/get", 400),
        ("GET", "/counter/get?key=", 400),
        ("PUT", "/counter/incr", 405),
    ],
)
def test_answers_that_show_nothing_return_the_token_as_it_came(
    node: ServedNode, method: str, path: str, status: int
) -> None:
    """Errors too, and whatever the token says: these answers do not wait for it."""
    answer = node.http.request(method, path, headers={"X-Causal-Context": UNKNOWN})
    assert answer.status_code == status
    assert answer.headers["X-Causal-Context"] == UNKNOWN


def test_a_refused_write_returns_the_token_as_it_came(node: ServedNode) -> None:
    """Nothing was written, so nothing was seen."""
    answer = node.http.post(
        "/put", content=b"{", headers={"Content-Type": "application/json", "X-Causal-Context": UNKNOWN}
    )
    assert answer.status_code == 400
    assert answer.headers["X-Causal-Context"] == UNKNOWN


@pytest.mark.parametrize(
    "path", ["/get?key=x", "/status", "/buffer", "/healthz", "/readyz", "/metrics", "/openapi.json"]
)
def test_a_malformed_token_is_400_on_every_route(node: ServedNode, path: str) -> None:
    """At once, saying the right form; the answer's token is empty and says nothing."""
    answer = node.http.get(path, headers={"X-Causal-Context": "node1~abcd=three"})
    assert answer.status_code == 400
    assert "such as node1~t5k2m1=3,node2~t5k2m4=1" in answer.json()["error"]
    assert answer.headers["X-Causal-Context"] == ""


def test_a_token_sent_in_two_headers_is_one_token(node: ServedNode) -> None:
    """As proxies may split it."""
    answer = node.http.get("/healthz", headers=[("X-Causal-Context", "a~abcd=1"), ("X-Causal-Context", "b~abcd=2")])
    assert answer.headers["X-Causal-Context"] == "a~abcd=1,b~abcd=2"


def test_the_largest_token_fits_through_the_server(node: ServedNode) -> None:
    """1024 entries of the longest form are within the limit on headers."""
    token = ",".join(sorted(f"{n:064d}~{'z' * 16}={2**63 - 1}" for n in range(1024)))
    answer = node.http.get("/healthz", headers={"X-Causal-Context": token})
    assert answer.status_code == 200
    assert answer.headers["X-Causal-Context"] == token


def test_a_client_that_keeps_the_tokens_sees_its_own_writes_on_any_node(nodes: list[ServedNode]) -> None:
    """Read-your-writes across nodes, whatever replication is doing."""
    token = ""
    for turn in range(12):
        writer, reader = nodes[turn % 3], nodes[(turn + 1) % 3]
        token = writer.put("mine", turn, token).raise_for_status().headers["X-Causal-Context"]
        read = reader.get("mine", token)
        assert read.json()["value"] == turn
        token = read.headers["X-Causal-Context"]
