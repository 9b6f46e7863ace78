"""Connections that are slow, many, or cut off."""

from __future__ import annotations

import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from flask import Flask, Response
from waitress.channel import ClientDisconnected

from infra.ports import LOOPBACK
from node.errors import ConfigurationError
from node.http import server as http_server
from node.http.connections import Channel
from node.http.server import HttpServer
from tests.integration.http.raw import RawClient
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 15.0
HALF_A_REQUEST = b"POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345"
LARGE_BYTES = 30 * 1024 * 1024


class Gate:
    """Lets a request of ``/gate`` wait until a test opens it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()


@contextmanager
def server(gate: Gate | None = None, **settings: Any) -> Iterator[HttpServer]:
    """A server with a few routes of its own: what is tested here is the connections."""
    app = Flask("test", static_folder=None)
    entered = gate or Gate()

    @app.get("/ok")
    def ok() -> Response:
        return Response(b"{}")

    @app.post("/echo")
    def echo() -> Response:
        return Response(b"{}")

    @app.get("/large")
    def large() -> Response:
        return Response(b"x" * LARGE_BYTES)

    @app.get("/gate")
    def wait() -> Response:
        entered.entered.set()
        entered.open.wait(TIMEOUT_SECONDS)
        return Response(b"{}")

    given = {"host": LOOPBACK, "port": 0, "threads": 2, "max_connections": 50, "max_body_bytes": 1000, **settings}
    http = HttpServer(app, **given)
    http.start()
    try:
        yield http
    finally:
        entered.open.set()
        http.stop(5)


def get(path: str) -> bytes:
    """A request for a path."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


# ------------------------------------------------------------------------------------- starting


def test_a_port_in_use_is_a_configuration_error_that_names_it() -> None:
    """One line, with the variable and the port."""
    with server() as first, pytest.raises(ConfigurationError) as caught:
        HttpServer(Flask("x"), host=LOOPBACK, port=first.port, threads=1, max_connections=10, max_body_bytes=1).start()
    assert str(caught.value).startswith(f"CAUSALKV_HTTP_PORT: 127.0.0.1:{first.port} is in use")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 300, "..", "\ud800"])
def test_an_address_of_another_machine_is_a_configuration_error(host: str) -> None:
    """It names the variable and what would be right."""
    with pytest.raises(ConfigurationError, match=r"CAUSALKV_HTTP_HOST: .* use 127\.0\.0\.1"):
        HttpServer(Flask("x"), host=host, port=0, threads=1, max_connections=10, max_body_bytes=1).start()


def test_a_host_with_several_addresses_is_served_on_all() -> None:
    """As localhost may be both 127.0.0.1 and ::1."""
    with server(host="localhost") as http:
        found = {str(info[4][0]) for info in socket.getaddrinfo("localhost", http.port, type=socket.SOCK_STREAM)}
        for address in found:
            with socket.create_connection((address, http.port), timeout=TIMEOUT_SECONDS) as client:
                client.sendall(get("/ok"))
                assert client.recv(100).startswith(b"HTTP/1.1 200")


# ---------------------------------------------------------------------------------- slow clients


@pytest.mark.parametrize(
    "part", [b"GET /ok HT", HALF_A_REQUEST, b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12"]
)
def test_a_request_that_does_not_arrive_in_time_is_408(part: bytes) -> None:
    """It cannot hold its connection for ever; other requests go on meanwhile."""
    with server(request_timeout_seconds=0.5) as http, RawClient(http.port) as slow, RawClient(http.port) as other:
        slow.send(part)
        other.send(get("/ok"))
        assert other.read_answer().status == 200
        answer = slow.read_answer()
        assert answer.status == 408
        assert "within 0.5 seconds" in answer.error
        assert slow.at_end()


def test_a_client_that_drips_bytes_does_not_gain_time() -> None:
    """The limit is on the whole request, not on each byte."""
    with server(request_timeout_seconds=1.0) as http, RawClient(http.port) as slow:
        slow.socket.settimeout(0.05)
        answered = False
        for _ in range(int(TIMEOUT_SECONDS / 0.05)):
            slow.send(b"G")
            try:
                answered = slow.socket.recv(1000).startswith(b"HTTP/1.0 408")
                break
            except TimeoutError:
                continue
        assert answered


def test_slow_clients_hold_no_worker() -> None:
    """Twenty half requests at two workers."""
    with server() as http, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(RawClient(http.port)).send(HALF_A_REQUEST)
        client = stack.enter_context(RawClient(http.port))
        client.send(get("/ok"))
        assert client.read_answer().status == 200


def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    """Its answers hold memory, and with requests sent ahead the worker: all are free again after the limit."""
    with server(answer_timeout_seconds=0.5) as http, ExitStack() as stack:
        for _ in range(4):
            deaf = stack.enter_context(RawClient(http.port))
            deaf.send(get("/large") * 3)
        client = stack.enter_context(RawClient(http.port))
        client.send(get("/ok"))
        assert client.read_answer().status == 200
        wait_until(lambda: len(http._channels()) == 1, "the deaf clients are cut off", TIMEOUT_SECONDS)


def test_clients_that_do_not_read_hold_no_place_to_work_at() -> None:
    """Ten of them, each with more than is buffered of an answer, at a single place and two threads."""
    with server(running_threads=1) as http, ExitStack() as stack:
        slow = [stack.enter_context(RawClient(http.port)) for _ in range(10)]
        for client in slow:
            client.send(get("/large") * 2)
        wait_until(lambda: http.queued_requests == 0, "all are being answered", TIMEOUT_SECONDS)
        with RawClient(http.port) as other:
            other.send(get("/ok"))
            assert other.read_answer().status == 200


def test_an_answer_is_sent_before_the_loop_can_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it sees buffered it polls for without rest, and the worker that is to send it cannot run for that."""
    seen: list[tuple[bool, int]] = []
    send = Channel.send

    def look(channel: Channel, data: bytes, **how: bool) -> int:
        seen.append((bool(channel.writable()), len(data)))
        return int(send(channel, data, **how))

    monkeypatch.setattr(Channel, "send", look)
    with server() as http, RawClient(http.port) as client:
        for _ in range(3):
            client.send(get("/ok"))
            assert client.read_answer().body == b"{}"
        assert [is_writable for is_writable, _ in seen] == [False] * 3
        client.send(get("/large"))
        assert len(client.read_answer().body) == LARGE_BYTES
        assert seen[3][0] is False
        assert sum(is_writable for is_writable, _ in seen) > 0


def test_a_connection_that_is_reset_disturbs_nobody() -> None:
    """Before, within and after a request."""
    with server() as http:
        for data in (b"", b"GET /o", get("/ok"), get("/large"), HALF_A_REQUEST):
            with RawClient(http.port) as client:
                client.send(data)
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with RawClient(http.port) as client:
            client.send(get("/ok"))
            assert client.read_answer().status == 200
        wait_until(lambda: not http._channels(), "all connections are gone", TIMEOUT_SECONDS)


# ----------------------------------------------------------------------------------------- limits


def test_beyond_the_limit_of_connections_new_ones_wait() -> None:
    """They are served when others end; that the limit holds something back is told once."""
    reached: list[str] = []
    with server(max_connections=10, limit_reached=reached.append) as http, ExitStack() as stack:
        first = [stack.enter_context(RawClient(http.port)) for _ in range(10)]
        for client in first:
            client.send(get("/ok"))
            assert client.read_answer().status == 200
        late = stack.enter_context(RawClient(http.port))
        late.send(get("/ok"))
        wait_until(lambda: reached == ["http_max_connections"], "the limit is told of", TIMEOUT_SECONDS)
        late.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.read_answer()
        first[0].socket.close()
        late.socket.settimeout(TIMEOUT_SECONDS)
        assert late.read_answer().status == 200


def test_more_connections_than_select_can_watch_are_served() -> None:
    """select() ends at 1024 file descriptors; this server must not."""
    with server(max_connections=1200) as http, ExitStack() as stack:
        clients = [stack.enter_context(RawClient(http.port)) for _ in range(1100)]
        for client in (clients[0], clients[-1]):
            client.send(get("/ok"))
            assert client.read_answer().status == 200


# --------------------------------------------------------------------------------------- stopping


def test_stopping_finishes_what_was_accepted() -> None:
    """A request that is being carried out gets its answer, which says that the connection ends."""
    gate = Gate()
    with server(gate) as http, RawClient(http.port) as client, RawClient(http.port) as idle:
        idle.send(get("/ok"))
        idle.read_answer()
        client.send(get("/gate"))
        assert gate.entered.wait(TIMEOUT_SECONDS)
        stopping = threading.Thread(target=http.stop, args=(TIMEOUT_SECONDS,))
        stopping.start()
        assert idle.at_end()
        with pytest.raises(ConnectionError):
            RawClient(http.port)
        gate.open.set()
        answer = client.read_answer()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert client.at_end()
        stopping.join(TIMEOUT_SECONDS)
        assert not stopping.is_alive()


def test_stopping_answers_requests_that_wait_for_a_worker() -> None:
    """More requests than workers: all were accepted, all are answered."""
    gate = Gate()
    with server(gate) as http, ExitStack() as stack:
        clients = [stack.enter_context(RawClient(http.port)) for _ in range(6)]
        for client in clients:
            client.send(get("/gate"))
        wait_until(lambda: http.queued_requests == 4, "four wait for a worker", TIMEOUT_SECONDS)
        stopping = threading.Thread(target=http.stop, args=(TIMEOUT_SECONDS,))
        stopping.start()
        gate.open.set()
        assert [client.read_answer().status for client in clients] == [200] * 6
        stopping.join(TIMEOUT_SECONDS)


def test_stopping_waits_for_a_request_that_is_arriving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment, which is long here: the rest of the request may be late on a busy machine."""
    monkeypatch.setattr(http_server, "DRAIN_GRACE_SECONDS", TIMEOUT_SECONDS)
    with server() as http, RawClient(http.port) as client, RawClient(http.port) as idle:
        client.send(HALF_A_REQUEST)
        wait_until(lambda: any(channel.request for channel in http._channels()), "half is here", TIMEOUT_SECONDS)
        stopping = threading.Thread(target=http.stop, args=(TIMEOUT_SECONDS,))
        stopping.start()
        assert idle.at_end()
        client.send(b"67890")
        assert client.read_answer().status == 200
        stopping.join(TIMEOUT_SECONDS)


def test_stopping_ends_in_time_whatever_requests_do() -> None:
    """A request that does not end is cut off at the timeout; a second stop does nothing."""
    gate = Gate()
    with server(gate) as http, RawClient(http.port) as client:
        client.send(get("/gate") + HALF_A_REQUEST)
        assert gate.entered.wait(TIMEOUT_SECONDS)
        stopping = threading.Thread(target=http.stop, args=(0.5,))
        stopping.start()
        stopping.join(TIMEOUT_SECONDS / 2)
        assert not stopping.is_alive()
        assert client.at_end()
        http.stop(1)


def test_a_loop_that_ends_before_it_is_woken_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe that wakes it is there until nobody can write into it."""
    with server() as http, RawClient(http.port):
        wake = http._servers[0].pull_trigger

        def wake_late() -> None:
            http._thread.join(TIMEOUT_SECONDS)
            wake()

        monkeypatch.setattr(http._servers[0], "pull_trigger", wake_late)
        http.stop(5)


def test_who_is_left_over_by_a_stop_wakes_nobody() -> None:
    """The pipe's number may belong to somebody else by then; and the server says that it has not ended."""
    gate = Gate()
    with server(gate) as http, RawClient(http.port) as client:
        client.send(get("/gate"))
        assert gate.entered.wait(TIMEOUT_SECONDS)
        (listening,) = http._servers
        http.stop(0.1)
        assert not http.has_ended
        listening.pull_trigger()
        gate.open.set()
        wait_until(lambda: http.has_ended, "the request is over", TIMEOUT_SECONDS)


def test_a_sweep_that_fails_does_not_end_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose loop has ended would look alive and answer nobody."""
    with server() as http, RawClient(http.port) as client:
        with monkeypatch.context() as patched, structlog.testing.capture_logs() as entries:
            patched.setattr(http._workers, "sweep", lambda: 1 / 0)
            wait_until(lambda: len(entries) > 0, "a sweep has failed", TIMEOUT_SECONDS)
        client.send(get("/ok"))
        assert client.read_answer().status == 200
    assert entries[0]["log_level"] == "error"


def test_a_connection_that_is_closed_under_a_worker_is_no_error_of_the_program() -> None:
    """The client went away between the request and its answer."""
    gate = Gate()
    with server(gate) as http, structlog.testing.capture_logs() as entries:
        with RawClient(http.port) as client:
            client.send(get("/gate"))
            assert gate.entered.wait(TIMEOUT_SECONDS)
            (channel,) = http._channels()
            with ThreadPoolExecutor(1) as pool:
                with channel.outbuf_lock:
                    answering = pool.submit(channel.write_soon, b"late")
                    wait_until(answering.running, "it is about to send", TIMEOUT_SECONDS)
                    channel.handle_close()
                with pytest.raises(ClientDisconnected):
                    answering.result(TIMEOUT_SECONDS)
        gate.open.set()
    assert entries == []


def test_a_stopped_server_leaves_its_port_free() -> None:
    """At once, also with connections that the client has not closed."""
    with server() as first, RawClient(first.port) as client:
        client.send(get("/ok"))
        client.read_answer()
        first.stop(5)
        with server(port=first.port) as second, RawClient(second.port) as again:
            again.send(get("/ok"))
            assert again.read_answer().status == 200
