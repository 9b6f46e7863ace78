"""The link to RabbitMQ; the only module that knows pika.

Two connections, each with an I/O thread: an alarm of the broker stops a connection that publishes, and
must not stop consuming. pika's connections belong to their thread; ``add_callback_threadsafe`` is the only
way in, and no callback here does more than hand things over.
"""

from __future__ import annotations

import logging
import ssl
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

import pika
import structlog
from pika import exceptions
from pika.adapters.select_connection import IOLoop
from pika.adapters.utils import connection_workflow

from node.errors import ConfigurationError
from node.transport.connection_thread import ConnectionThread, SessionEvents
from node.transport.consumer import Consumer
from node.transport.declaration import QueueConflicts
from node.transport.publisher import Publisher
from node.transport.reconnect import without_secrets
from node.transport.rejected_copies import RejectedCopies
from node.transport.topology import ClusterNames, Topology, cluster_topology, parse_server_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.settings import QueueType
    from node.transport.amqp import Connection
    from node.transport.port import Delivery, OutgoingMessage, TransportListener

# Long enough for an operator to free memory or disk; a broker that forgot to unblock is left after it.
BLOCKED_SECONDS = 300.0
TCP_CONNECT_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0
# How long a broker may take to answer when a connection is given up in order.
CLOSE_SECONDS = 5.0

log = structlog.get_logger("causalkv.transport")


class RabbitMQTransport:
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
        prefetch_messages: int,
        heartbeat_seconds: int,
    ) -> None:
        self._names = ClusterNames(cluster, node_id, tuple(founding_members))
        self._urls = tuple(urls)
        self._queue_type = queue_type
        self._prefetch_messages = prefetch_messages
        self._heartbeat_seconds = heartbeat_seconds
        self._conflicts = QueueConflicts()
        self._server_version: str | None = None
        self._publisher: Publisher | None = None
        self._consumer: Consumer | None = None
        self._copies: RejectedCopies | None = None
        self._threads: list[ConnectionThread] = []
        for url in self._urls:
            self._parameters(url, "check")
        pika_log = logging.getLogger("pika")
        if pika_log.level == logging.NOTSET:
            pika_log.setLevel(logging.CRITICAL)  # it repeats, in its own words and with tracebacks, what is logged here

    def start(self, listener: TransportListener) -> None:
        """See Transport."""
        consumer = Consumer(
            node_id=self._names.node_id,
            queue=self._names.own_queue,
            prefetch_messages=self._prefetch_messages,
            topology=self._topology,
            conflicts=self._conflicts,
            listener=listener,
        )
        self._copies = RejectedCopies(
            exchange=self._names.rejected,
            make_properties=pika.BasicProperties,
            is_current=consumer.is_current,
            on_safe=consumer.release,
        )
        self._publisher = Publisher(
            exchange=self._names.writes,
            topology=self._topology,
            conflicts=self._conflicts,
            rejected_copies=self._copies,
            make_properties=pika.BasicProperties,
            listener=listener,
        )
        self._consumer = consumer
        self._threads = [
            ConnectionThread("publisher", self._publisher, self._urls, partial(self._connect, "publisher")),
            ConnectionThread("consumer", self._consumer, self._urls, partial(self._connect, "consumer")),
        ]
        for thread in self._threads:
            thread.start()

    def publish(self, message: OutgoingMessage) -> None:
        """See Transport."""
        if self._publisher is not None:
            self._publisher.publish(message)

    def acknowledge(self, connection_epoch: int, tag: int, *, multiple: bool) -> None:
        """See Transport."""
        if self._consumer is not None:
            self._consumer.acknowledge(connection_epoch, tag, multiple=multiple)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """See Transport."""
        if self._consumer is not None and self._copies is not None:
            self._consumer.reject(delivery, reason, self._copies)

    def describe(self) -> dict[str, object]:
        """See Transport."""
        publisher, consumer = self._publisher, self._consumer
        is_connected = publisher is not None and publisher.is_up
        is_blocked = publisher is not None and publisher.is_blocked
        return {
            "kind": "rabbitmq",
            "addresses": [without_secrets(url) for url in self._urls],
            "publisher": "disconnected" if not is_connected else "blocked" if is_blocked else "connected",
            "consumer": "connected" if consumer is not None and consumer.is_up else "disconnected",
            "last_error": next((thread.last_error for thread in self._threads if thread.last_error), None),
            "server_version": self._server_version,
            "queue_type": self._conflicts.type_of(self._names.own_queue, self._queue_type),
        }

    def stop(self, timeout_seconds: float) -> None:
        """See Transport; the publisher first, because acknowledgements may wait for its confirms."""
        if self._consumer is not None:
            self._consumer.is_finishing = True
        for thread in self._threads:
            thread.stop(timeout_seconds / len(self._threads))
        self._threads = []

    def _topology(self, server_version: str) -> Topology:
        self._server_version = server_version
        return cluster_topology(self._names, self._queue_type, parse_server_version(server_version))

    def _connect(self, purpose: str, url: str, events: SessionEvents) -> _PikaSession:
        return _PikaSession(self._parameters(url, purpose), events)

    def _parameters(self, url: str, purpose: str) -> pika.URLParameters:
        """Connection parameters: ours, but for what the address itself sets."""
        try:
            parameters = pika.URLParameters(url)
            given = parse_qs(urlsplit(url).query)
        except (ValueError, TypeError, SyntaxError, OSError, ssl.SSLError):  # what pika raises may quote the password
            raise ConfigurationError(
                f"CAUSALKV_AMQP_URL: {without_secrets(url)} cannot be used: write amqp://user:password@host:5672/%2F, "
                "special characters %-encoded, and only options that pika.URLParameters knows"
            ) from None
        ours = {
            "heartbeat": self._heartbeat_seconds,
            "blocked_connection_timeout": BLOCKED_SECONDS,
            "socket_timeout": TCP_CONNECT_SECONDS,
            "stack_timeout": HANDSHAKE_SECONDS,
            "client_properties": {
                "product": "causalkv",
                "connection_name": f"{self._names.cluster} {self._names.node_id} {purpose}",
            },
        }
        for name, value in ours.items():
            if name not in given:
                setattr(parameters, name, value)
        return parameters


class _PikaSession:
    """One pika connection with a loop of its own, so that nothing of a former connection can speak up later."""

    def __init__(self, parameters: pika.URLParameters, events: SessionEvents) -> None:
        self._events = events
        self._reason: str | None = None
        self.server_version = ""
        self.user: str | None = getattr(parameters.credentials, "username", None)
        self._loop = IOLoop()
        self._pika = pika.SelectConnection(
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
