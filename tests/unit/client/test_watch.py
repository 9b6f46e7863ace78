"""A watch at nodes on command: what is told, and how it goes on when a connection is lost."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from client import (
    CausalToken,
    Change,
    ClusterError,
    ForeignContextError,
    InitialStateEnd,
    InvalidRequestError,
    InvalidTokenError,
    Reset,
    UnreachableError,
    Watch,
    WatchEvent,
)
from tests.unit.client.scripted_node import (
    GARBAGE,
    LOST,
    STALLED,
    Scripted,
    ScriptedNode,
    answer,
    not_reached,
    unavailable,
)

if TYPE_CHECKING:
    from tests.support.client_kinds import OpenClient

PATH = "/watch"


def position(count: int) -> str:
    """The token of a node that has applied so many writes."""
    return f"node1~abcd={count}"


def event(content: Any = None, *, at: int | None = None, kind: str | None = None) -> bytes:
    """One event of a stream: its data, its position, its kind."""
    lines = [f"event: {kind}"] if kind is not None else []
    lines += [f"data: {json.dumps(content)}"] if content is not None else []
    lines += [f"id: {position(at)}"] if at is not None else []
    return ("\n".join(lines) + "\n\n").encode()


def change(key: str, *, at: int | None = None, **more: Any) -> bytes:
    """A put of a key."""
    return event({"op": "put", "key": key, "value": 1, "vc": [1], "node": "node1", **more}, at=at)


def stream(*events: bytes, open_end: bool = False) -> Scripted:
    """A stream that breaks off behind these events, or goes on without a word."""
    return Scripted(body=b"".join(events), is_stream=True, stall=open_end)


def told(watch: Watch, count: int) -> list[WatchEvent]:
    """The next events."""
    return [next(watch) for _ in range(count)]


def keys(events: list[WatchEvent]) -> list[str]:
    """The keys of changes."""
    return [event.key if isinstance(event, Change) else type(event).__name__ for event in events]


def resumed_from(node: ScriptedNode) -> list[str | None]:
    """Where the requests to watch at a node went on from."""
    return [seen.headers.get("Last-Event-ID") for seen in node.requests(PATH)]


def test_changes_come_typed_with_the_token_behind_them(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Each field of the node's data, and its answer as a whole."""
    data = {
        "op": "put", "key": "x", "value": {"a": [1]}, "ttl": 1.5, "node": "node2", "dot": "node2~abcd:1",
        "vc": [0, 1], "clock": {"node2~abcd": 1}, "timestamp": [1000, 2], "later": "keys may be added",
    }  # fmt: skip
    nodes[0].script(PATH, stream(event(at=3), event(data, at=4), open_end=True))
    with open_client([nodes[0].url]) as client, client.session().watch() as watch:
        assert watch.token == CausalToken.parse(position(3))
        first = next(watch)
        assert isinstance(first, Change)
        assert (first.op, first.key, first.value, first.ttl_seconds) == ("put", "x", {"a": [1]}, 1.5)
        assert (first.node, first.dot, first.vc) == ("node2", "node2~abcd:1", [0, 1])
        assert (first.clock, first.timestamp) == ({"node2~abcd": 1}, (1000, 2))
        assert first.answer == data
        assert first.token == watch.token == CausalToken.parse(position(4))


def test_a_lost_connection_is_made_again_elsewhere_behind_what_was_told(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """Nothing twice, nothing missed; a node where it broke off is the last to be asked."""
    nodes[0].script(PATH, stream(event(at=1), change("a", at=2)))
    nodes[1].script(PATH, stream(event(at=2), change("b", at=3), open_end=True))
    with open_client([node.url for node in nodes]) as client, client.session().watch() as watch:
        assert keys(told(watch, 2)) == ["a", "b"]
        assert watch.url == nodes[1].url
    assert [resumed_from(node) for node in nodes] == [[None], [position(2)], []]


def test_a_batch_that_breaks_off_is_not_told_in_part(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Its changes wait for the last of them, which alone has the token."""
    nodes[0].script(PATH, stream(event(at=1), change("a"), change("b")))
    nodes[1].script(PATH, stream(event(at=1), change("a"), change("b"), change("c", at=2), open_end=True))
    with open_client([node.url for node in nodes]) as client, client.session().watch() as watch:
        batch = told(watch, 3)
    assert keys(batch) == ["a", "b", "c"]
    assert [str(event.token) for event in batch] == [position(1), position(1), position(2)]


def test_a_bare_position_moves_on_what_a_later_connection_asks_for(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """Who watches a prefix that rarely changes does not fall behind what history keeps."""
    nodes[0].script(PATH, stream(event(at=1), b": still here\n\n", event(at=900)))
    nodes[1].script(PATH, stream(change("a", at=901), open_end=True))
    with open_client([node.url for node in nodes]) as client, client.session().watch("a") as watch:
        assert keys(told(watch, 1)) == ["a"]
    assert resumed_from(nodes[1]) == [position(900)]


def test_an_empty_position_is_a_position(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """A watch that began before the first write goes on from there, and not from now."""
    nodes[0].script(PATH, stream(b"id: \n\n"))
    nodes[1].script(PATH, stream(change("a", at=1), open_end=True))
    with open_client([node.url for node in nodes]) as client, client.session().watch() as watch:
        assert keys(told(watch, 1)) == ["a"]
    assert resumed_from(nodes[1]) == [""]


def test_a_silent_connection_counts_as_lost(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Nodes say something all the time: a connection without a word is dead, though nobody closed it."""
    nodes[0].script(PATH, stream(event(at=1), open_end=True))
    nodes[1].script(PATH, stream(change("a", at=2), open_end=True))
    with (
        open_client([node.url for node in nodes]) as client,
        client.session().watch(silence_seconds=0.3) as watch,
    ):
        assert keys(told(watch, 1)) == ["a"]


@pytest.mark.parametrize("failure", [STALLED, LOST, GARBAGE, unavailable("500 clients watch already")],
                         ids=["stalled", "lost", "garbage", "503"])  # fmt: skip
def test_a_node_that_does_not_serve_the_watch_is_passed_by(
    nodes: list[ScriptedNode], open_client: OpenClient, failure: Scripted
) -> None:
    """Also one that never answers: it gets its share of the time, however long silence may last later."""
    nodes[0].script(PATH, failure)
    nodes[1].script(PATH, stream(event(at=1), change("a", at=2), open_end=True))
    with (
        open_client([node.url for node in nodes], timeout_seconds=3.0) as client,
        client.session().watch(silence_seconds=60) as watch,
    ):
        assert keys(told(watch, 1)) == ["a"]


def test_the_initial_state_is_told_to_its_end(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Parts of it have no position of their own; its end has."""
    nodes[0].script(
        PATH,
        stream(
            change("a", initial=True),
            event({"op": "counter", "key": "n", "value": 7, "vc": [1], "initial": True}),
            event({"op": "set", "key": "s", "members": [1, "b"], "vc": [1], "initial": True}),
            event({"keys": 3}, kind="end-of-initial-state", at=5),
            change("b", at=6),
            open_end=True,
        ),
    )
    with open_client([nodes[0].url]) as client, client.session().watch(initial=True) as watch:
        put, counter, members, end, later = told(watch, 5)
        assert isinstance(put, Change)
        assert isinstance(counter, Change)
        assert isinstance(members, Change)
        assert [part.initial for part in (put, counter, members)] == [True, True, True]
        assert (counter.value, members.members) == (7, [1, "b"])
        assert isinstance(end, InitialStateEnd)
        assert (end.keys, str(end.token)) == (3, position(5))
        assert isinstance(later, Change)
        assert not later.initial


def test_a_state_that_breaks_off_begins_anew_and_says_so(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Half a state and a resumed watch would be a wrong whole."""
    nodes[0].script(PATH, stream(change("a", initial=True)))
    nodes[1].script(
        PATH, stream(change("a", initial=True), event({"keys": 1}, kind="end-of-initial-state", at=5), open_end=True)
    )
    with open_client([node.url for node in nodes]) as client, client.session().watch(initial=True) as watch:
        assert keys(told(watch, 4)) == ["a", "Reset", "a", "InitialStateEnd"]
    assert [resumed_from(node) for node in nodes] == [[None], [None], []]


def test_a_reset_moves_the_position_when_no_state_follows(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """The one who watches is told that changes were missed, and of those that come."""
    nodes[0].script(PATH, stream(event({"error": "history is shorter"}, kind="reset", at=9), change("a", at=10)))
    with open_client([nodes[0].url]) as client:
        session = client.session()
        with session.watch(since=position(1)) as watch:
            reset, later = told(watch, 2)
        assert session.token == later.token
    assert isinstance(reset, Reset)
    assert (reset.error, str(reset.token)) == ("history is shorter", position(9))
    assert keys([later]) == ["a"]


def test_a_reset_whose_state_breaks_off_is_not_resumed_behind_it(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """The reset has a position, but what was before it was not told yet."""
    nodes[0].script(PATH, stream(event({"error": "gone"}, kind="reset", at=9), change("a", initial=True)))
    nodes[1].script(PATH, stream(event({"keys": 0}, kind="end-of-initial-state", at=9), open_end=True))
    with (
        open_client([node.url for node in nodes]) as client,
        client.session().watch(initial=True, since=position(1)) as watch,
    ):
        assert keys(told(watch, 4)) == ["Reset", "a", "Reset", "InitialStateEnd"]
    assert [resumed_from(node) for node in nodes] == [[position(1)], [None], []]


def test_what_a_watch_tells_its_session_has_seen(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """A read at another node behind a change waits for it."""
    nodes[0].script(PATH, stream(event(at=1), change("a", at=2), open_end=True))
    nodes[1].script("/get", answer({"key": "a", "value": 1, "vc": [2]}, context=position(2)))
    with open_client([node.url for node in nodes]) as client:
        session = client.session(position(1))
        with session.watch() as watch:
            next(watch)
            session.get("a", node="node2")
    assert nodes[0].requests(PATH)[0].headers["X-Causal-Context"] == position(1)
    assert nodes[1].requests("/get")[0].headers["X-Causal-Context"] == position(2)


def test_close_ends_a_watch_that_waits(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """From another thread or task, at once, as the end of the iteration."""
    nodes[0].script(PATH, stream(event(at=1), open_end=True))
    with open_client([nodes[0].url]) as client:
        watch = client.session().watch()
        closing = threading.Timer(0.2, watch.close)
        closing.start()
        began = time.monotonic()
        assert list(watch) == []
        assert time.monotonic() - began < 5.0
        assert list(watch) == []
        closing.join()


def test_a_closed_watch_tells_nothing_that_it_has_already_read(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """Closed is closed; the token is that of what was told."""
    nodes[0].script(PATH, stream(event(at=1), change("a", at=2), change("b", at=3), open_end=True))
    with open_client([nodes[0].url]) as client:
        with client.session().watch() as watch:
            next(watch)
        assert list(watch) == []
        assert str(watch.token) == position(2)


def test_it_ends_with_the_reason_when_no_node_comes_back(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """And the token tells where a new one goes on."""
    # Asked to come again when there is no time left for it.
    stops = answer({"error": "this node stops"}, status_code=503, retry_after="60")
    nodes[0].script(PATH, stream(event(at=1), change("a", at=2)), stops)
    with open_client([nodes[0].url]) as client, client.session().watch(reconnect_seconds=5.0) as watch:
        next(watch)
        with pytest.raises(Exception, match="this node stops"):
            next(watch)
        assert str(watch.token) == position(2)
        assert list(watch) == []


def test_a_watch_that_nobody_serves_fails_when_it_is_opened(
    nodes: list[ScriptedNode], open_client: OpenClient, dead_url: str
) -> None:
    """Not at the first event: the caller knows from then on that nothing is missed."""
    nodes[0].script(PATH, answer({"error": "prefix is too long"}, status_code=400))
    with open_client([dead_url]) as client, pytest.raises(UnreachableError):
        client.session().watch()
    with open_client([nodes[0].url]) as client, pytest.raises(InvalidRequestError, match="prefix is too long"):
        client.session().watch("x")
    with open_client([nodes[0].url]) as client, pytest.raises(InvalidTokenError):
        client.session().watch(since="nonsense")


@pytest.mark.parametrize("answered", [GARBAGE, stream(b": hello\n\n")], ids=["page", "stream without a position"])
def test_what_never_begins_is_an_error_and_no_endless_attempt(
    nodes: list[ScriptedNode], open_client: OpenClient, answered: Scripted
) -> None:
    """Another server at the address, or a node that always stops."""
    nodes[0].script(PATH, answered)
    with open_client([nodes[0].url], timeout_seconds=0.5) as client, pytest.raises(ClusterError):
        client.session().watch()


def test_a_token_of_another_cluster_is_recognised(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Waiting for it would never end."""
    nodes[0].script(PATH, not_reached("node1~gone", 1, 7))
    with open_client([nodes[0].url]) as client, pytest.raises(ForeignContextError, match="node1~gone"):
        client.session().watch(since="node1~gone=7")


def test_a_node_that_hangs_up_each_time_is_not_asked_without_a_pause(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """Attempts become rarer, though each of them begins well."""
    nodes[0].script(PATH, stream(event(at=1)))
    with open_client([nodes[0].url]) as client:
        watch = client.session().watch()
        closing = threading.Timer(1.0, watch.close)
        closing.start()
        assert list(watch) == []
        closing.join()
    assert 2 <= len(nodes[0].requests(PATH)) <= 8


def test_what_is_no_event_of_a_node_ends_the_connection(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """Something else may stand in between; another node may serve it."""
    nodes[0].script(PATH, stream(event(at=1), b"data: <html>\nid: x\n\n"))
    nodes[1].script(PATH, stream(change("a", at=2), open_end=True))
    with open_client([node.url for node in nodes]) as client, client.session().watch() as watch:
        assert keys(told(watch, 1)) == ["a"]
    assert resumed_from(nodes[1]) == [position(1)]
