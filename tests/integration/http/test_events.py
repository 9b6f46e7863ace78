"""Events over HTTP: what happened to writes at a node, as pages and as a stream."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, serving
from tests.integration.http.raw import RawClient
from tests.support.cluster import wait_until
from tests.support.event_stream import EventStream

if TYPE_CHECKING:
    from pathlib import Path

STREAM = {"Accept": "text/event-stream"}
GET_EVENTS = b"GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
HOSTILE_KEY = "a\n\r\0\x1b[2J\u2028\"'}{<script>😀"


def events_of(node: ServedNode, **parameters: Any) -> dict[str, Any]:
    """A page."""
    page: dict[str, Any] = node.http.get("/events", params=parameters).raise_for_status().json()
    return page


def about(events: list[dict[str, Any]], key: str) -> list[str]:
    """What happened to writes of a key."""
    return [event["kind"] for event in events if key in event.get("keys", ())]


def stream_of(node: ServedNode, behind: str | None = None, **parameters: str) -> EventStream:
    """A stream."""
    return EventStream(node.url, path="/events", behind=behind, headers=STREAM, **parameters)


def came(stream: EventStream) -> list[dict[str, Any]]:
    """The events that came over a stream so far."""
    return [event.data for event in list(stream.events) if event.name == "message"]


def streams(node: ServedNode) -> float:
    """How many are streamed to, by the metric."""
    lines = node.http.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("causalkv_event_streams ")).split()[1])


# ------------------------------------------------------------------------------------- what happens


def test_whoever_is_answered_finds_the_event_of_the_write(node: ServedNode) -> None:
    """It is recorded when the write is durable, and before the answer; the broker's confirmation follows."""
    for number in range(20):
        key = f"answered{number}"
        since = events_of(node, limit=1)["next"]
        node.put(key, 1).raise_for_status()
        assert "accepted" in about(events_of(node, since=since, limit=10_000)["events"], key)
    wait_until(
        lambda: about(events_of(node, limit=10_000)["events"], key) == ["accepted", "confirmed"],
        "it is confirmed",
        TIMEOUT_SECONDS,
    )


def test_a_held_write_is_delivered_held_released_and_applied(nodes: list[ServedNode]) -> None:
    """With what it waited for and how long; its cause in between; clocks as the write has them."""
    node1, node2, node3 = nodes
    node3.delay(node1=60)
    first = node1.put("cause", "a")
    token = node2.put("effect", "b", first.headers["X-Causal-Context"]).raise_for_status().headers["X-Causal-Context"]
    wait_until(lambda: about(events_of(node3)["events"], "effect") == ["delivered", "held"], "held", TIMEOUT_SECONDS)
    node3.clear_faults()
    assert node3.get("effect", token).json()["value"] == "b"
    events = events_of(node3)["events"]
    assert [(event["kind"], event["keys"]) for event in events] == [
        ("delivered", ["effect"]),
        ("held", ["effect"]),
        ("delivered", ["cause"]),
        ("applied", ["cause"]),
        ("released", ["effect"]),
        ("applied", ["effect"]),
    ]
    assert [event["number"] for event in events] == [1, 2, 3, 4, 5, 6]
    cause, effect = f"{node1.node.service.replica}:1", f"{node2.node.service.replica}:1"
    held, released = events[1], events[4]
    assert (held["dot"], held["waits_for"], held["vc"], held["origin"]) == (effect, cause, [1, 1, 0], "node2")
    assert 0 < released["held_seconds"] < 60
    # It waited from its arrival on, and is recorded as held when that is durable.
    recorded_ms = released["at_ms"] - held["at_ms"]
    assert recorded_ms - 1 <= 1_000 * released["held_seconds"] < recorded_ms + 5_000
    assert all(event["node"] == "node3" for event in events)
    accepted = events_of(node1)["events"][0]
    assert (accepted["kind"], accepted["dot"], accepted["node"]) == ("accepted", cause, "node1")


def test_every_operation_leaves_its_name_and_no_value(node: ServedNode) -> None:
    """Also those of a batch; values are nowhere."""
    since = events_of(node, limit=10_000)["next"]
    node.post("/counter/incr", key="events-c", by=3).raise_for_status()
    node.post("/set/add", key="events-s", members=["secret-member"]).raise_for_status()
    node.post(
        "/batch", ops=[{"op": "put", "key": f"events-b{n}", "value": "secret-value"} for n in range(8)]
    ).raise_for_status()
    answer = node.http.get("/events", params={"since": since})
    assert "secret" not in answer.text
    accepted = [event for event in answer.json()["events"] if event["kind"] == "accepted"]
    assert [(event["operations"], event["keys"], event["keys_left_out"]) for event in accepted] == [
        (["incr"], ["events-c"], 0),
        (["sadd"], ["events-s"], 0),
        (["put"], [f"events-b{n}" for n in range(5)], 3),
    ]


def test_events_are_of_a_run_and_gone_with_it(tmp_path: Path) -> None:
    """A position of the run before leads to all that the present one has, and says that something may lie between."""
    with serving(tmp_path, "one-cluster") as node:
        node.put("x", 1).raise_for_status()
        before = events_of(node)
    with serving(tmp_path, "one-cluster") as node:
        node.put("y", 1).raise_for_status()
        after = events_of(node, since=before["next"])
        assert before["run"] != after["run"]
        assert before["replica"].startswith("node1~")
        assert (before["dropped"], after["dropped"]) == (0, None)
        assert about(after["events"], "x") == []
        assert about(after["events"], "y")[0] == "accepted"
        assert after["events"][0]["number"] == 1


# -------------------------------------------------------------------------------- limits, mistakes


def test_the_oldest_events_go_when_there_are_too_many(tmp_path: Path) -> None:
    """The setting says how many are kept, and /status shows it."""
    with serving(tmp_path, events_max=100) as node:
        for number in range(80):
            node.put(f"k{number}", 1).raise_for_status()
        wait_until(lambda: events_of(node, limit=1)["events"][0]["number"] == 61, "160 events", TIMEOUT_SECONDS)
        page = events_of(node, since="0")
        assert (page["dropped"], len(page["events"]), page["more"]) == (60, 100, False)
        assert node.http.get("/status").json()["limits"]["events_max"] == 100
        assert "causalkv_events_recorded_total 160.0" in node.http.get("/metrics").text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=", "next"),
        ("since=now", "next"),
        ("since=k3f9x2-", "such as k3f9x2-118"),
        ("since=1&since=2", "twice"),
        ("limit=0", "from 1 to 10000"),
        ("limit=10001", "from 1 to 10000"),
        ("after=3", "/events knows since, limit"),
    ],
)
@pytest.mark.parametrize("headers", [{}, STREAM])
def test_a_malformed_query_is_400(node: ServedNode, query: str, words: str, headers: dict[str, str]) -> None:
    """Nothing is clamped or ignored; the error says what would be right."""
    answer = node.http.get(f"/events?{query}", headers=headers)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_a_malformed_last_event_id_is_400(node: ServedNode) -> None:
    """It names the header."""
    answer = node.http.get("/events", headers={**STREAM, "Last-Event-ID": "node1~abcd=3"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Last-Event-ID is")


def test_other_methods_are_405(node: ServedNode) -> None:
    """With what would be right."""
    assert node.http.post("/events", json={}).headers["Allow"] == "GET, HEAD"


# ------------------------------------------------------------------------------------------- streams


def test_a_stream_tells_what_happens_as_it_happens(tmp_path: Path) -> None:
    """Behind a hello; the same events as the pages have, each with its position."""
    with serving(tmp_path) as node:
        node.put("before", 1).raise_for_status()
        with stream_of(node) as stream:
            node.put(HOSTILE_KEY, 1).raise_for_status()
            stream.wait_for(lambda each: "confirmed" in about(came(each), HOSTILE_KEY), "both are confirmed")
            page = events_of(node)
            assert came(stream) == page["events"]
            hello = stream.events[0]
            assert hello.name == "hello"
            assert list(hello.data) == ["node", "replica", "run", "vc", "clock", "nodes", "wall_ms"]
            assert (hello.data["run"], hello.data["nodes"]) == (page["run"], ["node1", "node2", "node3"])
            assert abs(hello.data["wall_ms"] - 1_000 * time.time()) < 60_000
            assert stream.position == page["next"]
            assert stream.response.headers["Content-Type"] == "text/event-stream"
            assert stream.response.headers["X-Accel-Buffering"] == "no"


def test_a_stream_resumes_behind_what_the_client_has(tmp_path: Path) -> None:
    """By the header that browsers send, which goes before the query of their first request, or by that."""
    with serving(tmp_path) as node:
        for number in range(5):
            node.put(f"k{number}", 1).raise_for_status()
        wait_until(lambda: len(events_of(node)["events"]) == 10, "all confirmed", TIMEOUT_SECONDS)
        run = events_of(node)["run"]
        for stream in (stream_of(node, f"{run}-7"), stream_of(node, since="7"), stream_of(node, f"{run}-7", since="0")):
            with stream:
                stream.wait_for(lambda each: len(came(each)) == 3, "the rest")
                assert [event["number"] for event in came(stream)] == [8, 9, 10]


def test_a_stream_goes_on_through_a_restart_with_a_gap(tmp_path: Path) -> None:
    """As a browser does it: nobody knows how many events were lost, and the client is told."""
    with serving(tmp_path, "one-cluster") as node:
        node.put("x", 1).raise_for_status()
        with stream_of(node) as stream:
            stream.wait_for(lambda each: about(came(each), "x") == ["accepted", "confirmed"], "both events")
            position = stream.position
    with serving(tmp_path, "one-cluster") as node, stream_of(node, position) as stream:
        node.put("y", 1).raise_for_status()
        stream.wait_for(lambda each: len(about(came(each), "y")) == 2, "the new write")
        assert [(event.name, event.data) for event in stream.events[1:2]] == [("gap", {"dropped": None})]
        assert came(stream)[0]["number"] == 1


@pytest.mark.parametrize(
    ("accept", "is_stream"),
    [
        ("text/event-stream", True),
        ("application/json, Text/Event-Stream;q=0.5", True),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("text/event-streams", False),
        ("", False),
    ],
)
def test_only_who_names_event_streams_gets_one(node: ServedNode, accept: str, *, is_stream: bool) -> None:
    """Programs such as curl accept everything, and get a page."""
    with node.http.stream("GET", "/events", headers={"Accept": accept}) as answer:
        wanted = "text/event-stream" if is_stream else "application/json"
        assert answer.headers["Content-Type"] == wanted


def test_head_is_answered_and_streams_nothing(node: ServedNode) -> None:
    """A probe gets the head, and the connection can be used again."""
    with RawClient(node.port) as client:
        client.send(GET_EVENTS.replace(b"GET", b"HEAD") + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read_answer().headers["content-type"] == "text/event-stream"
        assert client.read_answer().status == 200
    wait_until(lambda: streams(node) == 0, "nobody is streamed to", TIMEOUT_SECONDS)


def test_beyond_the_limit_of_streams_it_is_503(tmp_path: Path) -> None:
    """At once, with when to come again; pages are served; a place that is left is free."""
    with serving(tmp_path, events_max_streams=2) as node:
        with stream_of(node), stream_of(node):
            refused = node.http.get("/events", headers=STREAM)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "1"
            assert "2 clients are streamed" in refused.json()["error"]
            assert node.http.get("/events").status_code == 200
            assert 'causalkv_limits_reached_total{limit="events_max_streams"} 1.0' in node.http.get("/metrics").text
        wait_until(lambda: streams(node) == 0, "the places are free", TIMEOUT_SECONDS)
        with stream_of(node):
            pass


def test_streams_hold_no_worker(tmp_path: Path) -> None:
    """Many times as many as there are threads; all are told everything."""
    with serving(tmp_path, http_threads=2) as node, ExitStack() as stack:
        open_streams = [stack.enter_context(stream_of(node)) for _ in range(30)]
        node.put("x", 1).raise_for_status()
        for stream in open_streams:
            stream.wait_for(lambda each: about(came(each), "x")[:1] == ["accepted"], "the event")
        assert node.node._http._workers.threads <= 2


def test_a_stop_ends_the_streams_in_good_order_and_takes_no_more(tmp_path: Path) -> None:
    """A client can tell that nothing was cut short."""
    with ExitStack() as stack:
        with serving(tmp_path) as node:
            stream = stack.enter_context(stream_of(node))
            stream.wait_for(lambda each: bool(each.events), "the hello")
            node.node.service.stopping()
            refused = node.http.get("/events", headers=STREAM)
            assert refused.status_code == 503
            assert "stopping" in refused.json()["error"]
        stream.wait_for(lambda each: each.ended is not None, "the stream ended")
        assert stream.ended == "in good order"


def test_http_1_0_gets_the_events_without_chunks(node: ServedNode) -> None:
    """The end of the connection is the end of the answer."""
    with RawClient(node.port) as client:
        client.send(GET_EVENTS.replace(b"HTTP/1.1", b"HTTP/1.0"))
        data = b""
        while b"event: hello" not in data:
            data += client.socket.recv(65_536)
        assert b"Transfer-Encoding" not in data
        assert json.loads(data.split(b"event: hello\n")[1].split(b"\n")[1].removeprefix(b"data: "))["node"] == "node1"
