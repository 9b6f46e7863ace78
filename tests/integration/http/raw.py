"""A socket that says exactly what a test wants, and reads answers as bytes."""

from __future__ import annotations

import json
import socket
from typing import Any, NamedTuple, Self

from infra.ports import LOOPBACK

TIMEOUT_SECONDS = 15.0


class RawAnswer(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The words of an error."""
        body: dict[str, Any] = json.loads(self.body)
        return str(body["error"])


class RawClient:
    """One TCP connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=TIMEOUT_SECONDS)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def read_answer(self) -> RawAnswer:
        """The next answer; needs a Content-Length, as all answers here have."""
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            self._receive()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return RawAnswer(int(first.split()[1]), headers, body)

    def at_end(self) -> bool:
        """Whether the server has closed the connection; waits for that or for data."""
        try:
            return not self._buffer and not self.socket.recv(1)
        except ConnectionResetError:
            return True

    def _receive(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError(f"the connection ended after {self._buffer!r}")
        self._buffer += data


def ask(port: int, data: bytes) -> RawAnswer:
    """Send these bytes over a connection of their own; the first answer."""
    with RawClient(port) as client:
        client.send(data)
        return client.read_answer()
