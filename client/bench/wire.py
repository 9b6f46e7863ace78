"""HTTP/1.1 as fast as one Python thread goes: many keep-alive connections, one loop, as little as possible for each.

A well-kept HTTP library spends more time on a request than the node does, and would measure itself.
"""

from __future__ import annotations

import selectors
import socket
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_TIMEOUT_SECONDS = 5.0
RECEIVE_BYTES = 256 * 1024
HEAD_MAX_BYTES = 64 * 1024
HEAD_END = b"\r\n\r\n"
OK = 200


class Answer(NamedTuple):
    """One answer; ``head`` as it came."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: bytes) -> bytes:
        """The value of a header, given in lower case; empty when there is none."""
        start = self.head.lower().find(b"\r\n" + name + b":")
        if start < 0:
            return b""
        end = self.head.find(b"\r\n", start + 2)
        return self.head[start + len(name) + 3 : end if end >= 0 else None].strip()


class Wire(Protocol):
    """A connection in the loop."""

    socket: socket.socket

    def readable(self) -> None:
        """Something came, or the end."""

    def writable(self) -> None:
        """What was left unsent may go on."""


class Loop:
    """Waits for many connections at once."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, wire: Wire) -> None:
        """Take part."""
        self._selector.register(wire.socket, selectors.EVENT_READ, wire)

    def wants_to_write(self, wire: Wire, *, wants: bool) -> None:
        """Whether to tell when the connection takes more."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wants else 0)
        self._selector.modify(wire.socket, events, wire)

    def remove(self, wire: Wire) -> None:
        """Take part no longer."""
        self._selector.unregister(wire.socket)
        wire.socket.close()

    def run_once(self, timeout_seconds: float) -> None:
        """Wait for something to happen, and handle all of it."""
        for key, events in self._selector.select(timeout_seconds):
            if events & selectors.EVENT_WRITE:
                key.data.writable()
            if events & selectors.EVENT_READ:
                key.data.readable()

    def close(self) -> None:
        """Close all connections."""
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        self._selector.close()


def connected(address: tuple[str, int]) -> socket.socket:
    """A new connection; raises OSError."""
    made = socket.create_connection(address, CONNECT_TIMEOUT_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setblocking(False)
    return made


class HttpWire:
    """A keep-alive connection with one request under way at a time; ``answered`` gets None when it broke.

    Reads answers with a Content-Length, which is what a node sends to everything but a watch.
    """

    def __init__(self, loop: Loop, address: tuple[str, int], answered: Callable[[Answer | None], None]) -> None:
        self.socket = connected(address)
        self._loop = loop
        self._answered = answered
        self._received = bytearray()
        self._unsent = memoryview(b"")
        self._head_bytes = 0
        self._all_bytes = 0
        loop.add(self)

    def send(self, request: bytes) -> None:
        """Send a request; the former one must be answered."""
        self._unsent = memoryview(request)
        self._send_on()
        if self._unsent:
            self._loop.wants_to_write(self, wants=True)

    def _send_on(self) -> None:
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = memoryview(b"")  # the end is told when it is read

    def writable(self) -> None:
        """Go on with a long request."""
        self._send_on()
        if not self._unsent:
            self._loop.wants_to_write(self, wants=False)

    def readable(self) -> None:
        """Take in what came; when an answer is complete, tell it."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._break()
            return
        received = self._received
        received += data
        if not self._all_bytes and not self._read_head():
            return
        if len(received) >= self._all_bytes:
            answer = Answer(
                int(received[9:12]),
                bytes(received[: self._head_bytes]),
                bytes(received[self._head_bytes : self._all_bytes]),
            )
            del received[: self._all_bytes]
            self._all_bytes = 0
            self._answered(answer)

    def _read_head(self) -> bool:
        """Find out how long the answer is; tells whether that is known."""
        end = self._received.find(HEAD_END)
        if end < 0:
            if len(self._received) > HEAD_MAX_BYTES:
                self._break()
            return False
        head = bytes(self._received[:end]).lower()
        start = head.find(b"\r\ncontent-length:")
        stop = head.find(b"\r\n", start + 2)
        length = head[start + len(b"\r\ncontent-length:") : stop if stop >= 0 else None].strip()
        if start < 0 or not length.isdigit() or not head[9:12].isdigit():
            self._break()
            return False
        self._head_bytes = end + len(HEAD_END)
        self._all_bytes = self._head_bytes + int(length)
        return True

    def _break(self) -> None:
        self._loop.remove(self)
        self._answered(None)
