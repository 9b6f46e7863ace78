"""The network of the tests does to bytes what it says: a fault that does nothing would prove nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import wait_until
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 10.0
# For what must not come; a loopback connection needs a thousandth of it.
SILENCE_SECONDS = 0.3


class Echo:
    """A server that sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        self.got = bytearray()
        self.ends = threading.Semaphore(0)
        """One for each connection whose end was told."""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(1024):
                self.got += data
                connection.sendall(data)
        self.ends.release()


@pytest.fixture
def echo() -> Iterator[Echo]:
    """A running server."""
    running = Echo()
    yield running
    running.server.close()


@pytest.fixture
def network(echo: Echo) -> Iterator[TcpProxy]:
    """A way to it that can be broken."""
    with TcpProxy("127.0.0.1", echo.port) as proxy:
        yield proxy


def connect(network: TcpProxy) -> socket.socket:
    """A connection that is known to work."""
    connection = socket.create_connection(("127.0.0.1", network.port), TIMEOUT_SECONDS)
    assert exchange(connection, b"hello") == b"hello"
    return connection


def exchange(connection: socket.socket, data: bytes) -> bytes:
    """Send, and return what comes back; empty when the connection is at its end."""
    connection.sendall(data)
    return connection.recv(len(data))


def expect_silence(connection: socket.socket) -> None:
    """Nothing comes, and nobody says that the connection is at its end."""
    connection.settimeout(SILENCE_SECONDS)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    connection.settimeout(TIMEOUT_SECONDS)


def expect_end(connection: socket.socket) -> None:
    """The connection is broken."""
    with contextlib.suppress(ConnectionError):
        assert connection.recv(1) == b""


def test_swallowed_requests_do_not_arrive_and_the_connection_stays_open(echo: Echo, network: TcpProxy) -> None:
    """One way dead; after it, the connection that lost bytes is broken, and a new one works."""
    with connect(network) as connection:
        network.swallow(requests=True)
        connection.sendall(b"lost")
        expect_silence(connection)
        assert echo.got == b"hello"
        network.restore()
        expect_end(connection)
    with connect(network):
        assert echo.got == b"hellohello"


def test_swallowed_answers_do_not_come_back_though_the_request_arrived(echo: Echo, network: TcpProxy) -> None:
    """The other way dead."""
    with connect(network) as connection:
        network.swallow(answers=True)
        connection.sendall(b"heard")
        expect_silence(connection)
        wait_until(lambda: echo.got == b"helloheard", "the request arrived", TIMEOUT_SECONDS)
        network.restore()
        expect_end(connection)


def test_forgotten_connections_are_dead_without_a_word_while_new_ones_work(echo: Echo, network: TcpProxy) -> None:
    """The far side does not even learn that the near one has gone, until the network is restored."""
    with connect(network) as connection:
        network.forget()
        connection.sendall(b"lost")
        expect_silence(connection)
    with connect(network):
        assert echo.got == b"hellohello"
        assert not echo.ends.acquire(timeout=SILENCE_SECONDS)
        network.restore()
        assert echo.ends.acquire(timeout=TIMEOUT_SECONDS)


def test_a_cut_network_comes_back(network: TcpProxy) -> None:
    """Connections break at once; after the cut new ones work."""
    with connect(network) as connection:
        network.cut()
        expect_end(connection)
    network.restore()
    connect(network).close()


def test_a_target_that_is_away_for_a_while_does_not_end_the_network() -> None:
    """A broker that was killed comes back at the same port."""
    with socket.create_server(("127.0.0.1", 0)) as placeholder:
        port = placeholder.getsockname()[1]
    with TcpProxy("127.0.0.1", port) as network:
        with socket.create_connection(("127.0.0.1", network.port), TIMEOUT_SECONDS) as connection:
            expect_end(connection)
        with (
            socket.create_server(("127.0.0.1", port)) as target,
            socket.create_connection(("127.0.0.1", network.port), TIMEOUT_SECONDS) as connection,
        ):
            target.settimeout(TIMEOUT_SECONDS)
            accepted, _ = target.accept()
            with accepted:
                connection.sendall(b"x")
                assert accepted.recv(1) == b"x"
