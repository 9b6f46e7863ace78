"""HTTP in the node's own process: waitress, on a thread of its own.

waitress reads requests on one thread and carries each out on a worker thread, so a slow client costs no
worker. Limits: connections (beyond it new ones wait in the system's backlog), size of head and body, time for a
request to arrive, time for an answer to be taken, idle time; worker threads see ``workers``.
"""

from __future__ import annotations

import errno
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import structlog
from waitress import wasyncore
from waitress.adjustments import Adjustments

from node.errors import ConfigurationError
from node.http.connections import Channel, Server
from node.http.deferring import Resuming
from node.http.lingering import LingeringClose
from node.http.workers import Workers
from node.logs import REPORT_IT

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from _typeshed.wsgi import WSGIApplication

log = structlog.get_logger("causalkv.http")

# Room for the largest causal token (1024 entries of 102 bytes) and other headers.
HEAD_MAX_BYTES = 128 * 1024
BACKLOG_CONNECTIONS = 1024
REQUEST_TIMEOUT_SECONDS = 60.0
RUNNING_THREADS = 2
ANSWER_TIMEOUT_SECONDS = 60.0
IDLE_TIMEOUT_SECONDS = 120.0
SWEEP_SECONDS = 1.0
# A request that is arriving when the node stops has this long to arrive.
DRAIN_GRACE_SECONDS = 1.0
DRAIN_STEP_SECONDS = 0.02


class HttpServer:
    """Serves ``app`` from ``start`` to ``stop``.

    ``limit_reached`` is called with the name of a limit when it begins to hold connections back;
    ``headers_for_origin`` gives the headers that an answer to a web page of an origin has in addition.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        host: str,
        port: int,
        threads: int,
        max_connections: int,
        max_body_bytes: int,
        running_threads: int = RUNNING_THREADS,
        request_timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
        answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
        limit_reached: Callable[[str], None] = lambda _limit: None,
        headers_for_origin: Callable[[str], list[tuple[str, str]]] = lambda _origin: [],
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._max_connections = max_connections
        self._max_body_bytes = max_body_bytes
        self._request_timeout_seconds = request_timeout_seconds
        self._answer_timeout_seconds = answer_timeout_seconds
        self._limit_reached = limit_reached
        self._headers_for_origin = headers_for_origin
        self._workers = Workers(threads, running_threads)
        self._resuming = Resuming(self._workers.add_task, self._wake)
        # waitress's table of open sockets by file descriptor: listening ones, wake-up pipes, connections.
        self._sockets: dict[int, Any] = {}
        self._servers: list[Server] = []
        self._arriving: dict[Channel, tuple[object, float]] = {}
        self._overflowing = False
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        return self._port

    @property
    def connections(self) -> int:
        """Connections that are open, as ``max_connections`` counts them."""
        # The table holds the listening sockets and their wake-up pipes, too.
        return max(0, len(self._sockets) - 2 * len(self._servers))

    @property
    def queued_requests(self) -> int:
        """Requests that have arrived and wait for a worker."""
        return self._workers.queued_requests

    def go_on(self) -> None:
        """Some requests that wait may have what they wait for: let them be answered. From any thread."""
        self._resuming.go_on()

    def parked(self) -> AbstractContextManager[None]:
        """Around a wait inside a request that may be long: see ``Workers``."""
        return self._workers.parked()

    def stepped_out(self) -> AbstractContextManager[None]:
        """Around a wait inside a request that is short: see ``Workers``."""
        return self._workers.stepped_out()

    # ------------------------------------------------------------------------------- starting

    def start(self) -> None:
        """Listen and serve. Raises ConfigurationError when the address cannot be listened on."""
        listening = self._listen()
        limits = Adjustments(
            sockets=listening,
            ident=None,  # no Server header
            backlog=BACKLOG_CONNECTIONS,
            # The table counts the listening sockets and their wake-up pipes, too.
            connection_limit=self._max_connections + 2 * len(listening),
            channel_timeout=int(IDLE_TIMEOUT_SECONDS),
            max_request_header_size=HEAD_MAX_BYTES,
            max_request_body_size=self._max_body_bytes,
            expose_tracebacks=False,
            log_socket_errors=False,  # a client that goes away is no news
        )
        for sock in listening:
            server = Server(
                self._app,
                map=self._sockets,
                _sock=sock,
                dispatcher=self._workers,  # type: ignore[arg-type]  # what waitress calls of it is there
                adj=limits,
                sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
                bind_socket=False,
            )
            server.channel_class = Channel
            server.resuming = self._resuming
            server.headers_for_origin = self._headers_for_origin
            self._servers.append(server)
        self._workers.start()
        self._thread.start()

    def _listen(self) -> list[socket.socket]:
        """Sockets that listen on all addresses of the host."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError):
            raise ConfigurationError(
                f"CAUSALKV_HTTP_HOST: {self._host!r} is no address of this machine: use 127.0.0.1, or 0.0.0.0 for all"
            ) from None
        listening: list[socket.socket] = []
        port = self._port
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                sock = socket.socket(family, kind, protocol)
                listening.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((address[0], port, *address[2:]))
                sock.listen(BACKLOG_CONNECTIONS)
                port = int(sock.getsockname()[1])
        except OSError as error:
            for sock in listening:
                sock.close()
            raise ConfigurationError(self._why_not(error)) from None
        self._port = port
        return listening

    def _why_not(self, error: OSError) -> str:
        where = f"{self._host}:{self._port}"
        match error.errno:
            case errno.EADDRINUSE:
                return f"CAUSALKV_HTTP_PORT: {where} is in use by another program: stop it, or choose another port"
            case errno.EACCES:
                return f"CAUSALKV_HTTP_PORT: {where} needs rights that this user lacks: choose a port from 1024 on"
            case errno.EADDRNOTAVAIL:
                return f"CAUSALKV_HTTP_HOST: {self._host} is no address of this machine: use 127.0.0.1, or 0.0.0.0"
            case _:
                return f"CAUSALKV_HTTP_HOST: cannot listen on {where}: {error.strerror}"

    # -------------------------------------------------------------------------------- running

    def _run(self) -> None:
        sweep_at = time.monotonic()
        while self._stop_at is None:
            self._turn(SWEEP_SECONDS)
            now = time.monotonic()
            if now >= sweep_at:
                sweep_at = now + SWEEP_SECONDS
                try:
                    self._sweep(now)
                except Exception:  # as above
                    log.exception("the HTTP loop's sweep failed and goes on", what_to_do=REPORT_IT)
        self._drain(self._stop_at)

    def _wake(self) -> None:
        """Let the loop look at its connections; from any thread."""
        for server in self._servers[:1]:
            server.pull_trigger()

    def _turn(self, timeout_seconds: float) -> None:
        """Read and write what can be; every socket's own errors are handled where it is."""
        try:
            # select() ends at 1024 file descriptors, poll() does not.
            wasyncore.loop(timeout=timeout_seconds, use_poll=True, map=self._sockets, count=1)
        except Exception:  # the loop must not end while the node lives
            log.exception("the HTTP loop failed and goes on", what_to_do=REPORT_IT)
            time.sleep(DRAIN_STEP_SECONDS)

    def _channels(self) -> list[Channel]:
        # A list first: a worker's failed send may take a connection out at any moment.
        return [each for each in list(self._sockets.values()) if isinstance(each, Channel)]

    def _sweep(self, now: float) -> None:
        """Give up on connections that are too slow, so that they cannot use up the limit."""
        self._workers.sweep()
        arriving: dict[Channel, tuple[object, float]] = {}
        for channel in self._channels():
            self._sweep_answer(channel)
            deferral = channel.deferral
            if deferral is not None:
                deferral.give_up_if_late()
            request = channel.request
            if request is None or channel.requests:
                continue
            seen, since = self._arriving.get(channel, (None, now))
            arriving[channel] = (request, since if seen is request else now)
            if now - arriving[channel][1] > self._request_timeout_seconds:
                channel.refuse_as_too_slow(self._request_timeout_seconds)
        self._arriving = arriving
        self._resuming.go_on()
        for lingering in [each for each in list(self._sockets.values()) if isinstance(each, LingeringClose)]:
            if now > lingering.deadline:
                lingering.close()
        self._note_overflow()

    def _sweep_answer(self, channel: Channel) -> None:
        """Close a connection whose client does not read: its answer holds memory, and maybe a worker."""
        # waitress itself waits for such a socket to become writable, which it never does.
        if channel.total_outbufs_len and time.time() - channel.last_activity > self._answer_timeout_seconds:
            channel.handle_close()

    def _note_overflow(self) -> None:
        overflowing = any(server.in_connection_overflow for server in self._servers)
        if overflowing and not self._overflowing:
            self._limit_reached("http_max_connections")
        self._overflowing = overflowing

    # ------------------------------------------------------------------------------- stopping

    def stop(self, timeout_seconds: float) -> None:
        """Stop accepting, answer what was accepted, close; whatever is left after the timeout is cut off."""
        if not self._servers:
            return
        self._stop_at = time.monotonic() + timeout_seconds
        self._servers[0].pull_trigger()
        self._thread.join(timeout_seconds + 1)
        if not self._thread.is_alive():
            # Not by the thread itself, which may be that quick that the wake-up above would find no pipe, or worse,
            # one of somebody else under the same number.
            self._close_all()
        self._servers = []

    @property
    def has_ended(self) -> bool:
        """Whether no request is being carried out any more, also none that a stop has cut off."""
        return self._workers.threads == 0

    def _close_all(self) -> None:
        # Workers may be left that the timeout has overtaken: first they lose their connections, then the pipes go.
        for channel in self._channels():
            channel.handle_close()
        for server in self._servers:
            server.is_closed = True
        wasyncore.close_all(self._sockets)

    def _drain(self, stop_at: float) -> None:
        for server in self._servers:
            server.draining = True
            # Only the listening socket: the wake-up pipe is still needed.
            wasyncore.dispatcher.close(server)
        grace_until = min(stop_at, time.monotonic() + DRAIN_GRACE_SECONDS)
        while True:
            self._turn(DRAIN_STEP_SECONDS)
            now = time.monotonic()
            for channel in self._channels():
                unanswered = channel.requests or channel.total_outbufs_len
                arriving = channel.request is not None and now < grace_until
                if not unanswered and not arriving:
                    channel.handle_close()
            if now > stop_at or (not self._channels() and self._workers.is_idle):
                break
        self._workers.close(max(0.0, stop_at - time.monotonic()))
