"""The link to RabbitMQ; the only module that knows pika.

Two connections, each with an I/O thread: an alarm of the broker stops a connection that publishes, and
must not stop consuming. pika's connections belong to their thread; ``add_callback_threadsafe`` is the only
way in, and no callback here does more than hand things over.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

import pika
from pika import exceptions
from pika.adapters.select_connection import IOLoop
from pika.adapters.utils import connection_workflow

from node.errors import ConfigurationError
from node.logs import get_logger
from node.transport.amqp_transport import AMQPTransport
from node.transport.reconnect import without_secrets
from node.transport.topology import ClusterNames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from node.settings import QueueType
    from node.transport.amqp import Connection
    from node.transport.connection_thread import SessionEvents

# Long enough for an operator to free memory or disk; a broker that forgot to unblock is left after it.
BLOCKED_SECONDS = 300.0
TCP_CONNECT_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0
# How long a broker may take to answer when a connection is given up in order.
CLOSE_SECONDS = 5.0
# What the socket does not take at once is copied with each further attempt: pieces must not be huge.
PIECE_BYTES = 64 * 1024

log = get_logger("causalkv.transport")


class RabbitMQTransport(AMQPTransport):
    """The port's ``Transport`` over RabbitMQ.

    ``urls`` are tried in turn. Raises ConfigurationError when one of them, or a node id, cannot be used.
    """

    def __init__(
        self,
        *,
        node_id: str,
        founding_members: Sequence[str],
        cluster: str,
        urls: Sequence[str],
        queue_type: QueueType,
        queue_max_messages: int,
        prefetch_messages: int,
        heartbeat_seconds: int,
    ) -> None:
        self._client_name = f"{cluster} {node_id}"
        self._heartbeat_seconds = heartbeat_seconds
        super().__init__(
            names=ClusterNames(cluster, node_id, tuple(founding_members)),
            urls=urls,
            queue_type=queue_type,
            queue_max_messages=queue_max_messages,
            prefetch_messages=prefetch_messages,
            connect=lambda purpose, url, events: _PikaSession(self._parameters(url, purpose), events),
            make_properties=pika.BasicProperties,
        )
        for url in urls:
            self._parameters(url, "checked")
        pika_log = logging.getLogger("pika")
        if pika_log.level == logging.NOTSET:
            pika_log.setLevel(logging.CRITICAL)  # it repeats, in its own words and with tracebacks, what is logged here

    def _parameters(self, url: str, purpose: str) -> pika.URLParameters:
        """Connection parameters: ours, but for what the address itself sets."""
        try:
            shown = without_secrets(url)
        except ValueError as error:
            raise ConfigurationError(f"CAUSALKV_AMQP_URL: {error}") from None
        try:
            parameters = pika.URLParameters(url)
            given = parse_qs(urlsplit(url).query)
        except (ValueError, TypeError, SyntaxError, OSError):  # the texts of these may quote the password
            raise ConfigurationError(
                f"CAUSALKV_AMQP_URL: {shown} cannot be used: write amqp://user:password@host:5672/%2F, "
                "special characters %-encoded, and only options that pika.URLParameters knows"
            ) from None
        ours = {
            "heartbeat": self._heartbeat_seconds,
            "blocked_connection_timeout": BLOCKED_SECONDS,
            "socket_timeout": TCP_CONNECT_SECONDS,
            "stack_timeout": HANDSHAKE_SECONDS,
            "client_properties": {
                "product": "causalkv",
                "connection_name": f"{self._client_name} {purpose}",
            },
        }
        for name, value in ours.items():
            if name not in given:
                setattr(parameters, name, value)
        return parameters


class _Connection(pika.SelectConnection):  # type: ignore[misc]  # pika ships no types
    """Sends what is published together with few system calls; pika by itself makes three for each message."""

    _pieces: list[bytes] | None = None
    _pieces_bytes = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Collect what is written within, and hand it to the socket in large pieces."""
        self._pieces = []
        try:
            yield
        finally:
            self._emit_pieces()
            self._pieces = None

    def _adapter_emit_data(self, data: bytes) -> None:
        if self._pieces is None:
            super()._adapter_emit_data(data)
            return
        self._pieces.append(data)
        self._pieces_bytes += len(data)
        if self._pieces_bytes >= PIECE_BYTES:
            self._emit_pieces()

    def _emit_pieces(self) -> None:
        if self._pieces:
            super()._adapter_emit_data(b"".join(self._pieces))
        self._pieces, self._pieces_bytes = [], 0


class _PikaSession:
    """One pika connection with a loop of its own, so that nothing of a former connection can speak up later."""

    def __init__(self, parameters: pika.URLParameters, events: SessionEvents) -> None:
        self._events = events
        self._reason: str | None = None
        self.server_version = ""
        self.user: str | None = getattr(parameters.credentials, "username", None)
        self._loop = IOLoop()
        self._pika = _Connection(
            parameters,
            on_open_callback=self._opened,
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
            custom_ioloop=self._loop,
        )

    @property
    def connection(self) -> Connection:
        """See Session."""
        return cast("Connection", self._pika)

    @property
    def unsent_bytes(self) -> int:
        """See Session."""
        if not self._pika.is_open:
            return 0
        return int(self._pika._get_write_buffer_size())  # noqa: SLF001  # pika has no public way to ask

    def run(self) -> str:
        """See RunningSession."""
        try:
            self._loop.start()
        except Exception as error:  # noqa: BLE001  # whatever went wrong, the node needs another connection
            # pika itself fails so, after it has told of the end, when a connection is closed that is being made.
            if not self._pika.is_closed:
                self._reason = f"an error inside this node: {error!r}"
                # The broker must see the end of this connection: else it goes on delivering to nobody.
                self._loop.call_later(CLOSE_SECONDS, self._loop.stop)
                self.drop()
                self._loop.start()
        finally:
            self._loop.close()
        return self._reason or "the connection ended"

    def together(self) -> AbstractContextManager[None]:
        """See Session."""
        return self._pika.together()

    def ready(self) -> None:
        """See Session."""
        self._events.ready()

    def wake(self, callback: Callable[[], None]) -> None:
        """See Session."""
        self._loop.add_callback_threadsafe(callback)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        """See Session."""
        self._loop.call_later(delay_seconds, callback)

    def fail(self, reason: str) -> None:
        """See Session."""
        if not self._pika.is_open:
            return  # it is ending already, for a reason that pika will tell
        self._reason = reason
        self._events.failed(reason)
        self._loop.call_later(CLOSE_SECONDS, self.drop)
        self.close()

    def close(self) -> None:
        """See RunningSession."""
        if not (self._pika.is_closing or self._pika.is_closed):
            self._pika.close()

    def drop(self) -> None:
        """See RunningSession."""
        if not self._pika.is_closed:
            # pika has no public way to leave a broker that does not answer.
            self._pika._terminate_stream(exceptions.ConnectionClosedByClient(320, "dropped"))  # noqa: SLF001

    def _opened(self, connection: pika.SelectConnection) -> None:
        properties = connection.server_properties or {}
        version = properties.get("version", "")
        self.server_version = version.decode() if isinstance(version, bytes) else str(version)
        self._events.opened(self)

    def _ended(self, _connection: pika.SelectConnection, error: BaseException) -> None:
        if self._reason is None:
            self._reason = error_text(error)
        self._loop.stop()


def error_text(error: BaseException) -> str:
    """Why a connection ended or was not made, in words for an operator."""
    cause = _root_cause(error)
    texts: list[tuple[type[BaseException], str]] = [
        (exceptions.ProbableAuthenticationError, "the broker refused the user or the password"),
        (exceptions.ProbableAccessDeniedError, "the broker refused the user access to the virtual host"),
        (
            exceptions.IncompatibleProtocolError,
            "it closed the connection before AMQP began (not ready, or no broker)",
        ),
        (exceptions.ConnectionBlockedTimeout, f"the broker took no messages for {BLOCKED_SECONDS:.0f} s"),
        (exceptions.AMQPHeartbeatTimeout, "the broker sent no heartbeat for too long"),
        (exceptions.StreamLostError, "the connection broke"),
        (TimeoutError, "nothing answered in time"),
    ]
    for kind, text in texts:
        if isinstance(cause, kind):
            return text
    if isinstance(cause, exceptions.ConnectionClosed):
        return f"the connection was closed: {cause.reply_text}"
    if isinstance(cause, OSError):
        return cause.strerror or str(cause)
    return f"{type(cause).__name__}: {cause}"


def _root_cause(error: BaseException) -> BaseException:
    """The error inside of what pika's connection workflow wraps around it."""
    if isinstance(error, exceptions.AMQPConnectionError) and error.args and isinstance(error.args[0], BaseException):
        return _root_cause(error.args[0])
    if isinstance(error, connection_workflow.AMQPConnectionWorkflowFailed):
        return _root_cause(error.exceptions[-1])
    inner = getattr(error, "exception", None)
    return _root_cause(inner) if isinstance(inner, BaseException) else error
