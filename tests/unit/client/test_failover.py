"""What is tried again, where, and what never is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from client import (
    AnswerLostError,
    CausalToken,
    ConfigurationError,
    ContextNotReachedError,
    DiskFullError,
    ForeignContextError,
    InvalidRequestError,
    LimitReachedError,
    NoNodeCouldError,
    NotFoundError,
    OutcomeUnknownError,
    UnavailableError,
    UnexpectedAnswerError,
    UnknownNodeError,
    UnreachableError,
)
from tests.unit.client.scripted_node import (
    GARBAGE,
    LOST,
    STALLED,
    Scripted,
    ScriptedNode,
    answer,
    not_reached,
    stored,
    unavailable,
)

if TYPE_CHECKING:
    from tests.support.client_kinds import OpenClient

FOUND = answer({"key": "x", "value": "5", "vc": [1, 0, 0]}, context="node1~abcd=1")
STORED = stored([1, 0, 0], "node1~abcd=1")
BUSY = answer({"error": "a limit is reached"}, status_code=429, retry_after="0")
FULL = answer({"error": "the disk is full"}, status_code=507)
GATEWAY_TIMEOUT = Scripted(504, b"<html>504</html>")
GAVE_UP_WAITING = answer({"error": "the write may still take effect"}, status_code=503)


@pytest.mark.parametrize(
    "failure",
    [unavailable(), not_reached("node2~abcd", 1, 1), BUSY, LOST, GARBAGE, GATEWAY_TIMEOUT],
    ids=["503", "context", "429", "lost", "garbage", "504"],
)
def test_a_read_goes_to_the_next_node_whatever_the_first_one_does(
    nodes: list[ScriptedNode], failure: Scripted, open_client: OpenClient
) -> None:
    """Reading twice harms nobody."""
    nodes[0].script("/get", failure)
    nodes[1].script("/get", FOUND)
    with open_client([node.url for node in nodes]) as client:
        assert client.session(CausalToken({"node2~abcd": 1})).get("x").value == "5"


def test_a_read_goes_past_a_dead_node(nodes: list[ScriptedNode], dead_url: str, open_client: OpenClient) -> None:
    """One node that answers is enough."""
    nodes[0].script("/get", FOUND)
    with open_client([dead_url, nodes[0].url]) as client:
        assert client.session().get("x").value == "5"


def test_a_read_goes_past_a_node_that_never_answers_within_its_time(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """A stalled node gets its share of the time, not all of it."""
    nodes[0].script("/get", STALLED)
    nodes[1].script("/get", FOUND)
    with open_client([node.url for node in nodes], timeout_seconds=6.0) as client:
        assert client.session().get("x").value == "5"


@pytest.mark.parametrize("failure", [unavailable(), not_reached("node2~abcd", 1, 1), BUSY, FULL],
                         ids=["503", "context", "429", "507"])  # fmt: skip
def test_a_write_that_a_node_refused_goes_to_the_next_one(
    nodes: list[ScriptedNode], failure: Scripted, open_client: OpenClient
) -> None:
    """A refusal says that nothing was applied."""
    nodes[0].script("/put", failure)
    nodes[1].script("/put", STORED)
    with open_client([node.url for node in nodes]) as client:
        assert client.session().put("x", "5").vc == [1, 0, 0]
    assert len(nodes[1].requests("/put")) == 1


def test_a_write_goes_past_a_dead_node(nodes: list[ScriptedNode], dead_url: str, open_client: OpenClient) -> None:
    """What could not connect was not applied."""
    nodes[0].script("/put", STORED)
    with open_client([dead_url, nodes[0].url]) as client:
        assert client.session().put("x", "5").vc == [1, 0, 0]


@pytest.mark.parametrize(
    "failure",
    [
        LOST,
        STALLED,
        GARBAGE,
        GATEWAY_TIMEOUT,
        GAVE_UP_WAITING,
        Scripted(500, b'{"error": "internal"}'),
        answer({"message": "stored", "vc": [1, 0, 0]}),
        answer({"message": "stored", "vc": [1, 0, 0]}, context="nonsense"),
        answer({"message": "stored", "vc": "nonsense"}, context="node1~abcd=1"),
    ],
    ids=["lost", "stalled", "garbage", "504", "503 without retry", "500", "no token", "bad token", "bad vc"],
)
@pytest.mark.parametrize("path", ["/put", "/counter/incr"])
def test_a_write_whose_outcome_stays_unknown_is_told_as_such(
    nodes: list[ScriptedNode], failure: Scripted, path: str, open_client: OpenClient
) -> None:
    """It may have been applied: the error says so, whatever was tried, and all attempts carry the same id."""
    for node in nodes:
        node.script(path, failure)
    with open_client([node.url for node in nodes], timeout_seconds=0.6) as client:
        session = client.session()
        with pytest.raises(OutcomeUnknownError, match="may or may not have been applied"):
            session.put("x", "5") if path == "/put" else session.incr("x")
    assert len({seen.body["request_id"] for node in nodes for seen in node.requests(path)}) == 1


def test_a_named_node_is_tried_again_and_no_other_instead(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Who names a node wants that one."""
    nodes[1].script("/get", unavailable(), unavailable(), FOUND)
    with open_client([node.url for node in nodes]) as client:
        assert client.session().get("x", node="node2").value == "5"
    assert [len(node.requests("/get")) for node in nodes] == [0, 3, 0]


def test_a_named_node_that_cannot_is_reported_with_its_own_error(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """The attempts are bounded, and the node's words arrive."""
    nodes[1].script("/get", unavailable("this node is joining"))
    with (
        open_client([node.url for node in nodes]) as client,
        pytest.raises(UnavailableError, match="joining"),
    ):
        client.session().get("x", node="node2")
    assert not nodes[0].requests("/get")


def test_a_node_is_found_by_the_name_it_gives_itself(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """The order of the addresses is a guess only."""
    for node in nodes:
        node.script("/get", answer({"key": "x", "value": node.name, "vc": []}, context="node1~abcd=1"))
    with open_client([node.url for node in reversed(nodes)]) as client:
        assert [client.session().get("x", node=node.name).value for node in nodes] == ["node1", "node2", "node3"]


def test_the_node_at_the_guessed_place_is_asked_once(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """In the usual order nobody else is disturbed, and a name is learnt once."""
    nodes[2].script("/get", FOUND)
    with open_client([node.url for node in nodes]) as client:
        client.session().get("x", node="node3")
        client.session().get("x", node="node3")
    assert [len(node.requests("/status")) for node in nodes] == [0, 0, 1]


def test_a_name_that_no_node_has_is_the_callers_mistake(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """When all answered, trying again helps nobody."""
    with (
        open_client([node.url for node in nodes]) as client,
        pytest.raises(UnknownNodeError, match="node1, node2, node3"),
    ):
        client.session().get("x", node="node9")


def test_a_name_that_a_silent_node_may_have_is_not_the_callers_mistake(
    nodes: list[ScriptedNode], dead_url: str, open_client: OpenClient
) -> None:
    """The node may just be down."""
    with (
        open_client([nodes[0].url, dead_url]) as client,
        pytest.raises(UnreachableError, match="node2 is not found"),
    ):
        client.session().get("x", node="node2")


def test_when_no_node_can_the_reason_of_each_is_told(
    nodes: list[ScriptedNode], dead_url: str, open_client: OpenClient
) -> None:
    """An operator sees which node failed how."""
    nodes[0].script("/put", FULL)
    nodes[1].script("/put", BUSY)
    with (
        open_client([nodes[0].url, nodes[1].url, dead_url]) as client,
        pytest.raises(NoNodeCouldError) as told,
    ):
        client.session().put("x", "5")
    assert [type(error) for error in told.value.by_node.values()] == [
        DiskFullError,
        LimitReachedError,
        UnreachableError,
    ]


def test_a_call_ends_within_its_time(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Attempts, waits and pauses together keep to the one limit."""
    for node in nodes:
        node.script("/get", STALLED)
    began = time.monotonic()
    with open_client([node.url for node in nodes], timeout_seconds=1.0) as client, pytest.raises(NoNodeCouldError):
        client.session().get("x")
    assert 0.5 < time.monotonic() - began < 5.0


@pytest.mark.parametrize("timeout_seconds", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_no_time_is_refused(timeout_seconds: float, open_client: OpenClient) -> None:
    """Nothing could be done within it."""
    with pytest.raises(ConfigurationError):
        open_client(["http://127.0.0.1:8001"], timeout_seconds=timeout_seconds)


def test_a_node_that_asks_for_a_longer_pause_gets_it(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Retry-After is kept."""
    nodes[0].script("/get", answer({"error": "joining"}, status_code=503, retry_after="1"), FOUND)
    began = time.monotonic()
    with open_client([nodes[0].url]) as client:
        client.session().get("x")
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize("status_code", [400, 413, 415])
def test_a_refused_request_is_not_repeated(
    nodes: list[ScriptedNode], status_code: int, open_client: OpenClient
) -> None:
    """What is wrong at one node is wrong at all."""
    nodes[0].script("/put", answer({"error": "the key is empty: give it a name"}, status_code=status_code))
    with (
        open_client([node.url for node in nodes]) as client,
        pytest.raises(InvalidRequestError, match="the key is empty"),
    ):
        client.session().put("", "5")
    assert not nodes[1].seen


def test_a_node_waits_for_less_than_the_client_does(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Else its answer, which says what is missing, would come too late."""
    nodes[0].script("/get", FOUND)
    with open_client([node.url for node in nodes], timeout_seconds=9.0) as client:
        client.session().get("x")
    assert 0 < float(nodes[0].requests("/get")[0].headers["X-Causal-Wait"]) < 3.0


def test_what_one_node_lacks_another_may_have(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """A context that is not reached is no reason to give up while a node knows the replica."""
    nodes[0].script("/get", not_reached("node3~abcd", 2, 2))
    nodes[1].script("/get", not_reached("node3~abcd", 2, 2))
    nodes[2].script("/get", FOUND)
    with open_client([node.url for node in nodes]) as client:
        assert client.session(CausalToken({"node3~abcd": 2})).get("x").value == "5"


def test_a_session_from_a_wiped_cluster_is_recognised_at_once(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """No node has heard of the replica: waiting for its writes would never end."""
    for node in nodes:
        node.script("/get", not_reached("node1~gone", 1, 7))
    with (
        open_client([node.url for node in nodes]) as client,
        pytest.raises(ForeignContextError, match=r"node1~gone.*another cluster"),
    ):
        client.session(CausalToken({"node1~gone": 7})).get("x")
    assert sum(len(node.requests("/get")) for node in nodes) == 1


def test_a_replica_is_not_called_unknown_while_a_node_is_silent(
    nodes: list[ScriptedNode], dead_url: str, open_client: OpenClient
) -> None:
    """The silent one may be that very replica."""
    nodes[0].script("/get", not_reached("node2~live", 1, 1))
    with (
        open_client([nodes[0].url, dead_url]) as client,
        pytest.raises(NoNodeCouldError) as told,
    ):
        client.session(CausalToken({"node2~live": 1})).get("x")
    error = told.value.by_node[nodes[0].url]
    assert isinstance(error, ContextNotReachedError)
    assert error.missing == {"node2~live": (1, 1)}


def test_a_session_stays_with_the_node_that_answered(
    nodes: list[ScriptedNode], dead_url: str, open_client: OpenClient
) -> None:
    """That node has what the session saw, and a dead one is not tried again each time."""
    nodes[0].script("/get", FOUND)
    nodes[1].script("/get", FOUND)
    with open_client([dead_url, nodes[0].url, nodes[1].url]) as client:
        session = client.session()
        session.get("x")
        client.status("node2")
        session.get("x")
        session.get("x", node="node2")
        session.get("x")
    assert [len(node.requests("/get")) for node in nodes] == [2, 2, 0]


def test_a_session_sends_what_it_saw_and_learns_from_every_answer(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """Errors carry a token too, and an older one does not move the session back."""
    nodes[0].script("/put", stored([2, 0, 0], "node1~abcd=2"))
    nodes[0].script("/get", answer({"error": "no such key"}, status_code=404, context="node1~abcd=1,node2~abcd=4"))
    nodes[0].script("/delete", stored([3, 4, 0], "node1~abcd=3,node2~abcd=4"))
    with open_client([nodes[0].url]) as client:
        session = client.session()
        session.put("x", "5")
        with pytest.raises(NotFoundError, match="no such key"):
            session.get("y")
        session.delete("x")
    sent = [seen.headers.get("X-Causal-Context") for seen in nodes[0].seen]
    assert sent == [None, "node1~abcd=2", "node1~abcd=2,node2~abcd=4"]
    assert session.token == CausalToken({"node1~abcd": 3, "node2~abcd": 4})


def test_looking_at_a_node_is_no_part_of_a_session(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """An operator who sees a clock during a partition does not make the next read wait for it."""
    nodes[0].script("/buffer", answer({"held": [], "count": 0}, context="node1~abcd=9"))
    nodes[0].script("/get", FOUND)
    with open_client([nodes[0].url]) as client:
        session = client.session()
        client.status("node1")
        client.buffer("node1")
        session.get("x")
    assert "X-Causal-Context" not in nodes[0].requests("/get")[0].headers


def test_a_proxy_in_the_environment_does_not_swallow_requests(
    nodes: list[ScriptedNode], dead_url: str, monkeypatch: pytest.MonkeyPatch, open_client: OpenClient
) -> None:
    """Nodes are on loopback or a private network, proxies are for the web."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, dead_url)
    nodes[0].script("/get", FOUND)
    with open_client([nodes[0].url]) as client:
        assert client.session().get("x").value == "5"


def test_a_proxy_that_is_named_on_purpose_is_used(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """A cluster behind a proxy can be reached."""
    nodes[0].script("/get", FOUND)
    with open_client(["http://cluster.invalid:8001"], proxy=nodes[0].url) as client:
        assert client.session().get("x").value == "5"


@pytest.mark.parametrize(
    "garbage",
    [
        GARBAGE,
        Scripted(200, b"[]"),
        Scripted(200, b'{"key": "x"}'),
        Scripted(200, b"\xff\xfe"),
        Scripted(200, b"[" * 100_000),
        Scripted(404, b"not found"),
        Scripted(302, b"", {"Location": "http://127.0.0.1:1/"}),
        Scripted(200, b"{}", {"Content-Encoding": "gzip"}),
        answer({"key": "x", "value": 1, "vc": []}, context="nonsense"),
        answer({"error": "x", "missing": "nonsense"}, status_code=503),
    ],
)
def test_what_is_no_node_is_told_as_such(nodes: list[ScriptedNode], garbage: Scripted, open_client: OpenClient) -> None:
    """Another server at the address is a plain error, not a crash and not a missing key."""
    nodes[0].script("/get", garbage)
    with open_client([nodes[0].url]) as client, pytest.raises((UnexpectedAnswerError, AnswerLostError)):
        client.session().get("x")
