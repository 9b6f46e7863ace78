"""Watching changes over HTTP: what comes, in which order, and how a client goes on where it stopped."""

from __future__ import annotations

import random
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.http.conftest import NAMES, TIMEOUT_SECONDS, ServedNode, serving
from tests.support.cluster import wait_until
from tests.support.event_stream import EventStream, applied

if TYPE_CHECKING:
    from pathlib import Path

AHEAD = "other~abcd=3"


def quiet(nodes: list[ServedNode], writes: int) -> None:
    """Wait until every node has applied so many writes, holds none, and has told the broker of all of its own."""

    def is_quiet() -> bool:
        statuses = [node.http.get("/status").json() for node in nodes]
        return all(sum(each["vc"]) == writes and not each["held"] and not each["outbox"] for each in statuses)

    wait_until(is_quiet, f"{writes} writes are everywhere", TIMEOUT_SECONDS)


def dots(changes: list[dict[str, Any]]) -> list[str]:
    """The names of the changes' writes."""
    return [change["dot"] for change in changes]


def assert_causal(changes: list[dict[str, Any]]) -> None:
    """Nothing comes before what happened before it, and nothing twice."""
    seen: dict[str, int] = {}
    for change in changes:
        own = change["node"], change["dot"].rpartition(":")
        replica, seq = own[1][0], int(own[1][2])
        assert seq == seen.get(replica, 0) + 1, change
        for other, count in change["clock"].items():
            assert other == replica or count <= seen.get(other, 0), change
        seen[replica] = seq


def forgotten(node: ServedNode) -> int:
    """Up to which of its own writes a node keeps no history."""
    with node.node.engine.store.reader() as cut:
        return cut.trimmed()[node.node.service.replica]


# --------------------------------------------------------------------------------- what comes


def test_a_watcher_gets_what_happens_from_then_on(node: ServedNode) -> None:
    """Nothing older; each change with what it is, and the token that covers it."""
    node.put("before", 1)
    with EventStream(node.url, prefix="") as stream:
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        put = node.put("w", {"a": [1]})
        node.delete("w")
        first, second = stream.wait_for_changes(2)
        assert (first["op"], first["key"], first["value"]) == ("put", "w", {"a": [1]})
        assert first["vc"] == put.json()["vc"]
        assert (second["op"], second["key"]) == ("delete", "w")
        assert stream.events[0].position == put.headers["X-Causal-Context"]


def test_a_prefix_leaves_out_what_does_not_begin_so(node: ServedNode) -> None:
    """Byte for byte, and any Unicode."""
    with EventStream(node.url, prefix="ü/") as stream, EventStream(node.url) as everything:
        for key in ["ü", "u/1", "ü/1", "x", "ü/2"]:
            node.put(key, key)
        everything.wait_for_changes(5)
        assert [change["key"] for change in stream.wait_for_changes(2)] == ["ü/1", "ü/2"]


def test_every_data_type_is_watched(tmp_path: Path) -> None:
    """Also what a node does by itself when the time of a value is over."""
    with serving(tmp_path) as node, EventStream(node.url, prefix="t") as stream:
        node.http.post("/counter/incr", json={"key": "t", "by": -2}).raise_for_status()
        node.http.post("/set/add", json={"key": "t", "members": [{"b": 1, "a": None}, "m"]}).raise_for_status()
        node.http.post("/set/remove", json={"key": "t", "members": ["m"]}).raise_for_status()
        # Last, so that its time cannot be over before the others are written.
        node.http.post("/put", json={"key": "t", "value": 1, "ttl": 0.5}).raise_for_status()
        changes = stream.wait_for_changes(5)
        assert [change["op"] for change in changes] == ["incr", "sadd", "srem", "put", "expire"]
        assert changes[0]["by"] == -2
        assert sorted(map(str, changes[1]["members"])) == sorted(map(str, [{"a": None, "b": 1}, "m"]))
        assert changes[2]["members"] == ["m"]
        assert changes[3]["ttl"] == 0.5
        assert changes[4]["expired"] == changes[3]["dot"]
        with EventStream(node.url, prefix="t", initial="true") as later:
            later.wait_for(lambda each: bool(each.events) and each.events[-1].name != "message", "the state came")
            shown = [
                (event.data["op"], event.data.get("value", event.data.get("members"))) for event in later.events[:-1]
            ]
            assert shown == [("counter", -2), ("set", [{"a": None, "b": 1}])]


def test_changes_come_in_causal_order_at_every_node(nodes: list[ServedNode]) -> None:
    """Also where a cause is late: its effect waits for it."""
    node1, node2, node3 = nodes
    node3.delay(node1=0.3)
    with ExitStack() as stack:
        streams = [stack.enter_context(EventStream(node.url)) for node in nodes]
        token = ""
        for round_ in range(10):
            for node in (node1, node2):
                token = node.put(f"k{round_ % 3}", round_, token).headers["X-Causal-Context"]
            node3.put("own", round_)
        for stream in streams:
            changes = stream.wait_for_changes(30)
            assert len(changes) == 30
            assert_causal(changes)
    node3.clear_faults()
    quiet(nodes, 30)


# ----------------------------------------------------------------------------------- resuming


def test_a_client_that_stops_anywhere_goes_on_at_any_node(nodes: list[ServedNode]) -> None:
    """From each position that it ever had, each node gives exactly the rest."""
    with EventStream(nodes[0].url, behind="") as first:
        for number in range(12):
            nodes[number % 3].put(f"k{number % 4}", number)
        quiet(nodes, 12)
        whole = first.wait_for_changes(12)
    positions = [event.position for event in first.events]
    for had, position in enumerate(["", *positions]):
        for node in nodes:
            with EventStream(node.url, behind=position) as again:
                rest = again.wait_for_changes(12 - had)
                assert sorted(dots(whole[:had] + rest)) == sorted(dots(whole)), (had, node.name)
                assert_causal(whole[:had] + rest)


def test_a_client_that_came_before_the_first_write_misses_none(tmp_path: Path) -> None:
    """Its position is a blank, which browsers send back as an empty header; an empty one they would not send at all."""
    with serving(tmp_path) as node:
        with EventStream(node.url) as first:
            first.wait_for(lambda each: each.position is not None, "it has a position")
            assert first.position == " "
        written = node.put("x", 1).json()["vc"]
        with EventStream(node.url, behind="") as again:
            assert [change["vc"] for change in again.wait_for_changes(1)] == [written]


def test_a_client_that_comes_and_goes_misses_nothing_and_gets_nothing_twice(nodes: list[ServedNode]) -> None:
    """Cut after any number of events, at any node, while all nodes write."""
    draw = random.Random(4)  # no secret
    nodes[1].delay(node1=0.05)
    changes: list[dict[str, Any]] = []
    position, written = "", 0
    while len(changes) < 150:
        if written < 150:
            for _ in range(10):
                draw.choice(nodes).put(f"k{draw.randrange(5)}", written)
                written += 1
        with EventStream(draw.choice(nodes).url, behind=position) as stream:
            stream.wait_for(lambda each: bool(each.events), "something came")
            had = stream.events[: draw.randint(1, len(stream.events))]
            changes += [event.data for event in had]
            position = had[-1].position or position
    assert_causal(changes)
    assert len(changes) == 150
    nodes[1].clear_faults()
    quiet(nodes, 150)


def test_a_write_with_several_operations_is_never_split(nodes: list[ServedNode]) -> None:
    """Whoever stops in the middle of it gets all of it again; a prefix takes its part, all or nothing."""
    many = [{"op": "put", "key": f"{'ab'[number % 2]}/{number}", "value": number} for number in range(6)]
    before = nodes[0].put("x", 1).headers["X-Causal-Context"]
    with EventStream(nodes[1].url, behind=before) as stream, EventStream(nodes[1].url, prefix="a/") as part:
        nodes[0].http.post("/batch", json={"ops": many}).raise_for_status()
        stream.wait_for_changes(6)
        assert len(part.wait_for_changes(3)) == 3
        for had in range(1, 7):
            # What a client keeps that stops behind so many events.
            position = next((event.position for event in reversed(stream.events[:had]) if event.position), before)
            with EventStream(nodes[2].url, behind=position) as again:
                nodes[0].put("end", had)
                again.wait_for(lambda each: each.changes[-1:] != [] and each.changes[-1]["value"] == had, "the end")  # noqa: B023  # called at once
                assert len(again.changes) == (had + 6 if had < 6 else had)
    quiet(nodes, 8)


def test_the_position_may_stand_in_the_query_where_headers_cannot_be_set(node: ServedNode) -> None:
    """The header goes before: a browser repeats the query of its first request when it comes again."""
    tokens = [node.put("q", number).headers["X-Causal-Context"] for number in range(3)]
    with EventStream(node.url, prefix="q", last_event_id=tokens[0]) as stream:
        assert [change["value"] for change in stream.wait_for_changes(2)] == [1, 2]
    with EventStream(node.url, behind=tokens[1], prefix="q", last_event_id=tokens[0]) as stream:
        assert [change["value"] for change in stream.wait_for_changes(1)] == [2]


def test_a_watcher_waits_for_what_its_client_has_seen(nodes: list[ServedNode]) -> None:
    """As any request does; what the client had elsewhere is not sent again, and nothing is left out."""
    node1, _, node3 = nodes
    node3.delay(node1=60)
    token = node1.put("x", 1).headers["X-Causal-Context"]
    refused = node3.http.get("/watch", headers={"Last-Event-ID": token, "X-Causal-Wait": "0"})
    assert refused.status_code == 503
    assert refused.json()["missing"]
    node3.clear_faults()
    with EventStream(node3.url, behind=token) as stream:
        node1.put("x", 2)
        assert [change["value"] for change in stream.wait_for_changes(1)] == [2]


def test_history_that_does_not_reach_back_is_a_reset(tmp_path: Path) -> None:
    """Said in words, with the position from which the client goes on; then changes, or the state when it was asked."""
    cluster = f"test-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        nodes = [stack.enter_context(serving(tmp_path, cluster, name, history_keep_writes=0)) for name in NAMES]
        tokens = [nodes[0].put("x", number).headers["X-Causal-Context"] for number in range(5)]
        wait_until(lambda: forgotten(nodes[0]) == 5, "history is forgotten", TIMEOUT_SECONDS)
        with (
            EventStream(nodes[0].url, behind=tokens[1]) as plain,
            EventStream(nodes[0].url, behind=tokens[1], initial="true") as with_state,
            EventStream(nodes[0].url, behind=tokens[4]) as up_to_date,
        ):
            assert with_state.wait_for_state() == {"x": 4}
            nodes[0].put("y", 5)
            for stream in (plain, with_state, up_to_date):
                assert [change["value"] for change in stream.wait_for_changes(1)] == [5]
            assert [event.name for event in plain.events] == ["reset", "message"]
            assert plain.events[0].position == tokens[4]
            assert "does not reach back" in plain.events[0].data["error"]
            assert [event.name for event in with_state.events] == [
                "reset",
                "message",
                "end-of-initial-state",
                "message",
            ]
            assert [event.name for event in up_to_date.events] == ["message"]


# ------------------------------------------------------------------------------- initial state


def test_the_initial_state_and_the_changes_behind_it_make_the_final_state(tmp_path: Path) -> None:
    """No gap and no double between the two, while writes go on."""
    with serving(tmp_path) as node:
        for number in range(200):
            node.put(f"s/{number}", 0)
        with ExitStack() as stack:
            streams = []
            for number in range(200):
                if number % 40 == 0:
                    streams.append(stack.enter_context(EventStream(node.url, prefix="s/", initial="true")))
                if number % 3:
                    node.put(f"s/{number}", number)
                else:
                    node.delete(f"s/{number}")
            final = {f"s/{number}": number for number in range(200) if number % 3}
            for stream in streams:
                state = stream.wait_for_state()
                stream.wait_for(lambda each: applied(state, each.changes) == final, "the final state")  # noqa: B023  # called at once
                end = next(event for event in stream.events if event.name == "end-of-initial-state")
                assert end.data == {"keys": len(state)}
                covered = int((end.position or "").rpartition("=")[2])
                numbers = [int(change["dot"].rpartition(":")[2]) for change in stream.changes]
                assert numbers == list(range(covered + 1, 401))


def test_the_initial_state_shows_all_siblings_winner_first(nodes: list[ServedNode]) -> None:
    """As a read with siblings=true does, and marked as no change."""
    nodes[1].delay(node1=60)
    nodes[0].put("x", "one")
    nodes[1].put("x", "two")
    nodes[1].clear_faults()
    quiet(nodes, 2)
    siblings = nodes[0].get("x", siblings="true").json()["siblings"]
    with EventStream(nodes[0].url, initial="true") as stream:
        stream.wait_for_state()
        shown = [event.data for event in stream.events[:-1]]
        assert [(each["value"], each["vc"], each["node"]) for each in shown] == [
            (each["value"], each["vc"], each["node"]) for each in siblings
        ]
        assert all(each["initial"] is True for each in shown)
        # Nobody can resume from inside of the state.
        assert [event.position is None for event in stream.events] == [True, True, False]


def test_a_client_that_resumes_gets_no_state(node: ServedNode) -> None:
    """It has it."""
    token = node.put("r", 1).headers["X-Causal-Context"]
    with EventStream(node.url, behind=token, initial="true", prefix="r") as stream:
        node.put("r", 2)
        stream.wait_for_changes(1)
        assert [event.name for event in stream.events] == ["message"]


# ----------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("query", "header", "words"),
    [
        ("?initial=yes", None, "use true or false"),
        ("?since=1", None, "unknown query parameter"),
        ("?prefix=" + "k" * 1025, None, "1024 bytes"),
        ("?prefix=%ff", None, "UTF-8"),
        ("?last_event_id=5", None, "last_event_id: '5' is not <replica id>=<count>"),
        ("", "node1~abcd", "Last-Event-ID: 'node1~abcd' is not <replica id>=<count>"),
        ("?last_event_id=node1~abcd%3D1", "5", "Last-Event-ID"),
    ],
)
def test_what_a_watcher_may_not_ask_is_400(node: ServedNode, query: str, header: str | None, words: str) -> None:
    """With what would be right."""
    headers = {} if header is None else {"Last-Event-ID": header}
    answer = node.http.get(f"/watch{query}", headers=headers)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_a_position_that_nobody_has_heard_of_is_503(node: ServedNode) -> None:
    """After the wait, with what is missing."""
    answer = node.http.get("/watch", headers={"Last-Event-ID": AHEAD, "X-Causal-Wait": "0"})
    assert answer.status_code == 503
    assert answer.json()["missing"] == {"other~abcd": {"first": 1, "last": 3}}
    assert answer.headers["Retry-After"]
