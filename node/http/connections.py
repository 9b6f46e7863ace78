"""Connections as waitress keeps them, with answers that are this API's also where no application is reached.

What is not HTTP, too large, or too slow never reaches Flask: waitress answers it, here with JSON, the causal
token and 4xx like everything else.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, Protocol, cast

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, Error

from node.http.answers import JSON, STATUS_LINES, Failure, constant_headers, encode
from node.http.causal_context import CONTEXT_HEADER, context_of, format_context

if TYPE_CHECKING:
    from waitress.parser import HTTPRequestParser

HANDOVER_ENVIRON_KEY = "causalkv.handover"
"""Where a view leaves who is to take the connection over once the head of its answer is sent."""
LINGER_SECONDS = 3.0
LINGER_READ_BYTES = 65_536


class TooSlow(BadRequest):  # it stands beside waitress's own, which are no exceptions
    """The request did not arrive in time."""

    code = 408
    reason = "Request Timeout"


class Handover(Protocol):
    """Who serves a connection from the end of an answer's head on. ``give_up`` may be called twice."""

    def take(self, sock: socket.socket, *, is_chunked: bool) -> None:
        """The head is sent: the rest of the answer is written by the taker, who also closes; returns at once."""

    def give_up(self) -> None:
        """The connection ended before."""


class Server(TcpWSGIServer):
    """A listening socket and its connections; ``draining`` closes each connection after its answer."""

    draining = False


class JsonTask(WSGITask):
    """A request that goes to the application."""

    _is_handed_over = False

    def build_response_header(self) -> bytes:
        """As waitress does it; says so when the connection ends with this answer."""
        if cast("Server", self.channel.server).draining:
            self.set_close_on_finish()
        return super().build_response_header()

    def service(self) -> None:
        """As waitress does it; whoever was to take the connection over hears in any case whether it comes."""
        try:
            super().service()
        finally:
            handover = self._handover()
            if handover is not None and not self._is_handed_over:
                handover.give_up()

    def finish(self) -> None:
        """As waitress does it; an answer that somebody else goes on with has no end here."""
        handover = self._handover()
        if handover is None:
            super().finish()
            return
        self.write(b"")  # the head
        self._is_handed_over = True
        cast("Channel", self.channel).hand_over(handover, is_chunked=self.chunked_response)

    def _handover(self) -> Handover | None:
        return None if self.environ is None else self.environ.get(HANDOVER_ENVIRON_KEY)


class JsonErrorTask(ErrorTask):
    """The answer to a request that waitress refuses."""

    def execute(self) -> None:
        """Answer, then close: where the next request would begin is unknown."""
        request = cast("HTTPRequestParser", self.request)
        status, body = _refusal(cast("Error", request.error), request.adj)
        token = format_context(context_of(request.headers, "X_CAUSAL_CONTEXT"))
        self.status = STATUS_LINES[status]
        self.response_headers = [*constant_headers(JSON), (CONTEXT_HEADER, token)]
        self.set_close_on_finish()
        cast("Channel", self.channel).lingers = True
        self.content_length = len(body)
        self.write(body)


def _refusal(error: Error, limits: Any) -> tuple[int, bytes]:
    """Status and body for one of waitress's errors; what is malformed is 400, and nothing is a 500."""
    match error.code:
        case 408:
            status, text = 408, f"the request did not arrive in time: {error.body}"
        case 413:
            status, text = 413, f"the body is too large: send less than {limits.max_request_body_size} bytes"
        case 431:
            status, text = 431, f"line and headers are too large: send less than {limits.max_request_header_size} bytes"
        case 400 | 501:
            status, text = 400, f"this is not a request in HTTP/1.1: {error.body}"
        case _:
            status, text = 503, "the node could not answer, by a fault of its own that its log describes"
    return status, encode(Failure(text))


class Channel(HTTPChannel):
    """One connection."""

    task_class = JsonTask
    error_task_class = JsonErrorTask

    lingers = False
    """Whether the client may still be sending when the connection closes."""
    handover: Handover | None = None
    """Who takes the connection over instead of its end."""
    _is_chunked = False

    @property
    def connections(self) -> dict[int, Any]:
        """The loop's table of open sockets, which the stub leaves out."""
        return cast("dict[int, Any]", self._map)  # type: ignore[attr-defined]  # missing from the stub

    def handle_write(self) -> None:
        """Flush, then close or hand over when that was asked for; from the loop's thread.

        Closing while the client still sends makes the system reset the connection, and the client may lose the
        answer that says why. So the sending side alone is closed, and what still comes is read and dropped for a
        while.
        """
        if self.lingers and self.close_when_flushed and not self.total_outbufs_len and not self.will_close:
            LingeringClose.take_over(self)
            return
        if self.handover is not None and self.close_when_flushed and not self.will_close:
            self._flush_exception(self._flush_some)  # type: ignore[attr-defined]  # missing from the stub
            if not self.total_outbufs_len and self.connected and not self.will_close:
                self._give_away()
            return
        super().handle_write()

    def hand_over(self, handover: Handover, *, is_chunked: bool) -> None:
        """Once the head is sent, let somebody else go on; from the worker's thread, at the end of its request."""
        self._is_chunked = is_chunked
        self.handover = handover
        if not self.connected:  # it closed before it knew of this
            self._abandon()

    def _give_away(self) -> None:
        try:
            kept = cast("socket.socket", self.socket).dup()
        except OSError:  # no more file descriptors, or the client is gone
            self.handle_close()
            return
        handover, self.handover = cast("Handover", self.handover), None
        self.handle_close()
        handover.take(kept, is_chunked=self._is_chunked)

    def handle_close(self) -> None:
        """The connection is over here."""
        super().handle_close()
        # Behind it, so that whoever hands over at this moment sees that the connection is closed.
        self._abandon()

    def _abandon(self) -> None:
        handover, self.handover = self.handover, None
        if handover is not None:
            handover.give_up()

    def refuse_as_too_slow(self, timeout_seconds: float) -> None:
        """Give up on a request that has arrived in part only; from the loop's thread."""
        with self.requests_lock:  # type: ignore[attr-defined]  # missing from the stub
            request = self.request
            if request is None or self.requests:
                return
            request.error = TooSlow(f"send all of it within {timeout_seconds:g} seconds")
            request.completed = True
            self.request = None
            self.requests = [request]
        self.server.add_task(self)  # type: ignore[arg-type]  # a channel is waitress's task


class LingeringClose(wasyncore.dispatcher):
    """A connection that is closed for sending: reads until the client is done, or some seconds."""

    def __init__(self, sock: socket.socket, connections: Any) -> None:
        super().__init__(sock, connections)
        self.deadline = time.monotonic() + LINGER_SECONDS

    @classmethod
    def take_over(cls, channel: Channel) -> None:
        """Close the channel, but keep its socket open for a while."""
        try:
            sock = cast("socket.socket", channel.socket).dup()
            sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            channel.handle_close()
            return
        channel.handle_close()
        cls(sock, channel.connections)

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
