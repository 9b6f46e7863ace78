"""The connections of watchers: limits, clients that are slow, odd or gone, and how a stop ends them."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from node.engine import STOP_SECONDS
from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, serving
from tests.integration.http.raw import RawClient
from tests.support.cluster import wait_until
from tests.support.event_stream import EventStream

if TYPE_CHECKING:
    from pathlib import Path

GET_WATCH = b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\n"


def sample(node: ServedNode, name: str) -> float:
    """The value of a metric without labels."""
    lines = node.http.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"causalkv_{name} ")).split()[1])


def wait_watchers(node: ServedNode, count: int) -> None:
    """Wait until exactly so many watch."""
    wait_until(lambda: sample(node, "watchers") == count, f"{count} watch", TIMEOUT_SECONDS)


def receive_until(client: RawClient, end: bytes) -> bytes:
    """Everything up to and with these bytes."""
    data = b""
    while end not in data:
        more = client.socket.recv(65_536)
        assert more, data
        data += more
    return data


# ------------------------------------------------------------------------------------- limits


def test_beyond_the_limit_of_watchers_it_is_503(tmp_path: Path) -> None:
    """At once, with when to come again; a place that is left is free."""
    with serving(tmp_path, watch_max_watchers=2) as node:
        with EventStream(node.url), EventStream(node.url):
            refused = node.http.get("/watch")
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "1"
            assert "2 clients watch this node already" in refused.json()["error"]
            assert sample(node, 'limits_reached_total{limit="watch_max_watchers"}') == 1
            assert node.http.get("/status").json()["limits"]["watch_max_watchers"] == 2
        wait_watchers(node, 0)
        with EventStream(node.url):
            pass


def test_watchers_hold_no_worker(tmp_path: Path) -> None:
    """Many times as many as there are threads, and the threads are free."""
    with serving(tmp_path, http_threads=2) as node, ExitStack() as stack:
        streams = [stack.enter_context(EventStream(node.url)) for _ in range(30)]
        before = threading.active_count()
        node.put("x", 1)
        for stream in streams:
            stream.wait_for_changes(1)
        assert node.get("x").json()["value"] == 1
        assert node.node._http._workers.threads <= 2
        assert threading.active_count() <= before
        assert sample(node, "watch_events_total") >= 30


def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    """Others get everything, and requests are answered meanwhile."""
    value = "v" * 500_000
    with serving(tmp_path) as node, RawClient(node.port) as slow, EventStream(node.url) as quick:
        slow.send(GET_WATCH)
        wait_watchers(node, 2)
        for number in range(40):
            node.put(f"k{number}", value)
            if sample(node, "watchers_cut_off_total"):
                break
        wait_until(lambda: sample(node, "watchers_cut_off_total") == 1, "it is cut off", TIMEOUT_SECONDS)
        quick.wait_for_changes(number + 1)
        wait_watchers(node, 1)


# ------------------------------------------------------------------------------- odd clients


def test_a_client_that_goes_is_forgotten(tmp_path: Path) -> None:
    """Whether it says so or just closes."""
    with serving(tmp_path) as node:
        with RawClient(node.port) as client:
            client.send(GET_WATCH)
            receive_until(client, b"id:  \n\n")
            wait_watchers(node, 1)
        wait_watchers(node, 0)
        # It may also go before the answer's head is on its way.
        for _ in range(20):
            with RawClient(node.port) as client:
                client.send(GET_WATCH)
        wait_watchers(node, 0)


def test_requests_behind_a_watch_on_the_same_connection_are_not_answered(tmp_path: Path) -> None:
    """The answer has no end, and says that the connection closes with it."""
    with serving(tmp_path) as node, RawClient(node.port) as client:
        client.send(GET_WATCH + b"POST /put HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        head = receive_until(client, b"id:  \n\n")
        assert b"Connection: close" in head
        client.send(GET_WATCH)
        node.put("x", 1)
        assert b'"key":"x"' in receive_until(client, b"\n\n")
        assert sample(node, "watchers") == 1


def test_a_watch_behind_another_request_on_the_same_connection_is_served(node: ServedNode) -> None:
    """As any other request, behind the answer before it."""
    with RawClient(node.port) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + GET_WATCH)
        assert client.read_answer().status == 200
        data = client._buffer or client.socket.recv(1000)
        assert data.startswith(b"HTTP/1.1 200")


def test_http_1_0_gets_the_events_without_chunks(node: ServedNode) -> None:
    """The end of the connection is the end of the answer."""
    with RawClient(node.port) as client:
        client.send(b"GET /watch?prefix=old HTTP/1.0\r\n\r\n")
        head = receive_until(client, b"retry: 1000\n")
        assert b"Transfer-Encoding" not in head
        node.put("old", 1)
        data = receive_until(client, b'"key":"old"')
        assert b"\ndata: {" in data


def test_head_is_answered_and_watches_nothing(node: ServedNode) -> None:
    """A probe gets the head, and the connection can be used again."""
    with RawClient(node.port) as client:
        client.send(b"HEAD /watch HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read_answer().headers["content-type"] == "text/event-stream"
        assert client.read_answer().status == 200
    wait_watchers(node, 0)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_405(node: ServedNode, method: str) -> None:
    """With what would be right."""
    answer = node.http.request(method, "/watch")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


# --------------------------------------------------------------------------------------- stop


def test_a_stop_ends_the_streams_of_all_watchers(tmp_path: Path) -> None:
    """In good order for those who read, and within the time whatever the others do."""
    with ExitStack() as stack:
        with serving(tmp_path) as node:
            streams = [stack.enter_context(EventStream(node.url)) for _ in range(5)]
            slow = stack.enter_context(RawClient(node.port))
            slow.send(GET_WATCH)
            wait_watchers(node, 6)
            for number in range(6):
                node.put(f"k{number}", "v" * 500_000)
            for stream in streams:
                stream.wait_for_changes(6)
            stopping_at = time.monotonic()
        assert time.monotonic() - stopping_at < 2 * STOP_SECONDS
        for stream in streams:
            stream.wait_for(lambda each: each.ended is not None, "the stream ended")
            assert stream.ended == "in good order"


def test_a_node_that_stops_takes_no_more_watchers(tmp_path: Path) -> None:
    """503, and another node to ask."""
    with serving(tmp_path) as node:
        node.node.service.stopping()
        refused = node.http.get("/watch")
        assert refused.status_code == 503
        assert "stopping" in refused.json()["error"]


def test_a_watcher_outlives_the_idle_timeout_of_other_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is none of those that the server sweeps."""
    monkeypatch.setattr("node.http.server.IDLE_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("node.http.server.ANSWER_TIMEOUT_SECONDS", 1.0)
    with serving(tmp_path) as node, EventStream(node.url) as stream, httpx.Client() as idle:
        idle.get(f"{node.url}/healthz")
        until = time.monotonic() + 3.0
        wait_until(lambda: time.monotonic() > until, "the timeouts are over", TIMEOUT_SECONDS)
        node.put("x", 1)
        stream.wait_for_changes(1)
