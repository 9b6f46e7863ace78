"""Connections as waitress keeps them, with answers that are this API's also where no application is reached.

What is not HTTP, too large, or too slow never reaches Flask: waitress answers it, here with JSON, the causal
token and 4xx like everything else.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Protocol, cast

from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, Task, WSGITask
from waitress.utilities import BadRequest, Error

from node.http.answers import JSON, STATUS_LINES, Failure, constant_headers, encode
from node.http.causal_context import CONTEXT_HEADER, context_of, format_context
from node.http.deferring import DEFERRED_ENVIRON_KEY, MAY_DEFER_ENVIRON_KEY, AnswersLaterError
from node.http.lingering import LingeringClose

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from waitress.parser import HTTPRequestParser

    from node.http.deferring import Deferral, Resuming
    from node.http.workers import Workers

HANDOVER_ENVIRON_KEY = "causalkv.handover"
"""Where a view leaves who is to take the connection over once the head of its answer is sent."""


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
    """A listening socket and its connections.

    ``draining`` closes each connection after its answer; ``is_closed``: the loop is gone, and nobody wakes it.
    ``resuming`` takes connections whose answers come later.
    ``headers_for_origin``: what answers to a web page of an origin say in addition.
    """

    draining = False
    is_closed = False
    resuming: Resuming
    headers_for_origin: Callable[[str], list[tuple[str, str]]] = staticmethod(lambda _origin: [])

    def pull_trigger(self) -> None:
        """Wake the loop, which then looks at every connection: for many answers at once, once behind them all."""
        if not (self.resuming.is_answering or self.is_closed):
            super().pull_trigger()


class CrossOriginTask(Task):
    """An answer, whoever makes it, that a web page of another origin may be allowed to read."""

    def build_response_header(self) -> bytes:
        """As waitress does it, with what belongs to the origin of the page that asks, if one asks."""
        origin = cast("HTTPRequestParser", self.request).headers.get("ORIGIN")
        if origin is not None:
            added = cast("Server", self.channel.server).headers_for_origin(origin)
            self.response_headers = [*self.response_headers, *added]
        return super().build_response_header()


class JsonTask(CrossOriginTask, WSGITask):
    """A request that goes to the application."""

    _is_handed_over = False

    def build_response_header(self) -> bytes:
        """As above; says so when the connection ends with this answer."""
        if cast("Server", self.channel.server).draining:
            self.set_close_on_finish()
        return super().build_response_header()

    def write(self, data: bytes) -> None:
        """As waitress does it, which sends head and body apart: a call into the system and a packet more for each."""
        length = self.content_length
        if self.wrote_header or not data or length is None or len(data) > length or not self.has_body:
            super().write(data)
            return
        head = self.build_response_header()
        self.wrote_header = True
        self.content_bytes_written += len(data)
        self.channel.write_soon(head + data)

    def service(self) -> None:
        """As waitress does it; whoever was to take the connection over hears in any case whether it comes."""
        try:
            super().service()
        finally:
            handover = self._handover()
            if handover is not None and not self._is_handed_over:
                handover.give_up()

    def get_environment(self) -> dict[str, Any]:
        """As waitress does it; says that the application may answer later."""
        environ: dict[str, Any] = super().get_environment()
        environ[MAY_DEFER_ENVIRON_KEY] = True
        return environ

    def finish(self) -> None:
        """As waitress does it; an answer that comes later, or that somebody else goes on with, has no end here."""
        if not self.complete and self.environ is not None:
            deferral: Deferral | None = self.environ.get(DEFERRED_ENVIRON_KEY)
            if deferral is not None:
                raise AnswersLaterError(self, deferral)
        handover = self._handover()
        if handover is None:
            super().finish()
            return
        self.write(b"")  # the head
        self._is_handed_over = True
        cast("Channel", self.channel).hand_over(handover, is_chunked=self.chunked_response)

    def _handover(self) -> Handover | None:
        return None if self.environ is None else self.environ.get(HANDOVER_ENVIRON_KEY)


class JsonErrorTask(CrossOriginTask, ErrorTask):
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

    error_task_class = JsonErrorTask

    lingers = False
    """Whether the client may still be sending when the connection closes."""
    handover: Handover | None = None
    """Who takes the connection over instead of its end."""
    deferral: Deferral | None = None
    """What the first request waits for."""
    _is_chunked = False
    _begun: JsonTask | None = None

    def task_class(self, channel: Channel, request: Any) -> JsonTask:  # type: ignore[override]  # it is only called
        """The course of a request: a new one, or that of a request which goes on."""
        begun, self._begun = self._begun, None
        return JsonTask(channel, request) if begun is None else begun

    def service(self) -> None:
        """As waitress does it; a request whose answer comes later stays the first one, and this is called again."""
        self.deferral = None
        try:
            super().service()
        except AnswersLaterError as later:
            self._begun = cast("JsonTask", later.task)
            self.deferral = later.deferral
            later.deferral.then(self._can_go_on)
            if later.deferral.is_ready:  # since now, perhaps: whoever answered may have let others go on before
                cast("Server", self.server).resuming.go_on()

    def _can_go_on(self) -> None:
        server = cast("Server", self.server)
        if self.total_outbufs_len:  # its client does not read: whoever answers it may wait, and must not be a batch
            server.add_task(self)  # type: ignore[arg-type]  # a channel is waitress's task
        else:
            server.resuming.put(self)

    def write_soon(self, data: Any) -> int:
        """As waitress does it, which buffers first what nearly always can be sent at once.

        While the loop sees something buffered that a worker is about to send, it turns without rest, and keeps the
        worker from Python's global lock for milliseconds.
        """
        if isinstance(data, bytes) and not self.total_outbufs_len:
            with self.outbuf_lock:
                sent = 0
                if self.connected and not self.total_outbufs_len:
                    with contextlib.suppress(OSError):  # what is wrong shows again below, where it is dealt with
                        sent = self.send(data, do_close=False)
                        self.last_activity = time.time()
            if sent == len(data):
                return sent
            return sent + super().write_soon(data[sent:])
        return super().write_soon(data)

    def _flush_outbufs_below_high_watermark(self) -> None:
        """As waitress does it, which waits for a client that does not read: that must not hold a place to work at."""
        if self.total_outbufs_len > self.adj.outbuf_high_watermark:
            with cast("Workers", self.server.task_dispatcher).parked():
                super()._flush_outbufs_below_high_watermark()  # type: ignore[misc]  # missing from the stub

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
            LingeringClose.take_over(self, self.connections)
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
