"""How a connection ends whose client may still be sending."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, cast

from waitress import wasyncore

if TYPE_CHECKING:
    from waitress.channel import HTTPChannel

LINGER_SECONDS = 3.0
LINGER_READ_BYTES = 65_536


class LingeringClose(wasyncore.dispatcher):
    """A connection that is closed for sending: reads until the client is done, or some seconds."""

    def __init__(self, sock: socket.socket, connections: Any) -> None:
        super().__init__(sock, connections)
        self.deadline = time.monotonic() + LINGER_SECONDS

    @classmethod
    def take_over(cls, channel: HTTPChannel, connections: dict[int, Any]) -> None:
        """Close the channel, but keep its socket open for a while."""
        try:
            sock = cast("socket.socket", channel.socket).dup()
            sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            channel.handle_close()
            return
        channel.handle_close()
        cls(sock, connections)

    def readable(self) -> bool:
        """Always: what comes is dropped."""
        return True

    def writable(self) -> bool:
        """Never."""
        return False

    def handle_read(self) -> None:
        """Drop it; at the end of the stream ``recv`` closes."""
        try:
            self.recv(LINGER_READ_BYTES)
        except OSError:
            self.handle_close()

    def handle_close(self) -> None:
        """The client is done."""
        self.close()
