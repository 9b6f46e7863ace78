"""The part of an AMQP client that the link uses, as protocols.

Only ``rabbitmq.py`` knows pika, which ships no types. What the other modules do with a connection and
its channels is checked against these; the names are pika's.
"""

# ruff: noqa: D102  # what pika's methods do is said in pika's documentation

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

# Message ids, content types, names of headers and routing keys are short strings.
SHORT_TEXT_MAX_BYTES = 255


def short_text(text: str) -> str:
    """The beginning of a text that AMQP's short strings can hold."""
    return text.encode(errors="replace")[:SHORT_TEXT_MAX_BYTES].decode(errors="ignore")


def plain_text(value: str | bytes | None) -> str | None:
    """A property of a message as text, also when its sender did not encode it as UTF-8."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


class Properties(Protocol):
    """The properties of a message; a text that is not UTF-8 comes as bytes, an absent one as None."""

    content_type: str | bytes | None
    app_id: str | bytes | None
    message_id: str | bytes | None
    user_id: str | bytes | None
    correlation_id: str | bytes | None
    headers: Mapping[str, object] | None


class Method(Protocol):
    """An AMQP method of the broker; which fields it has depends on ``NAME``."""

    NAME: str
    delivery_tag: int
    multiple: bool
    redelivered: bool
    message_count: int
    queue: str
    reply_code: int
    reply_text: str
    reason: str


class Frame(Protocol):
    """The envelope in which most callbacks get their method."""

    method: Method


class Channel(Protocol):
    """A channel that may be open."""

    @property
    def is_open(self) -> bool: ...
    def close(self, reply_code: int = 0, reply_text: str = "") -> None: ...
    def add_on_close_callback(self, callback: Callable[[Channel, Exception], None]) -> None: ...
    def add_on_return_callback(self, callback: Callable[[Channel, Method, Properties, bytes], None]) -> None: ...
    def add_on_cancel_callback(self, callback: Callable[[Frame], None]) -> None: ...
    def confirm_delivery(
        self, ack_nack_callback: Callable[[Frame], None], callback: Callable[[Frame], None]
    ) -> None: ...

    def exchange_declare(
        self, exchange: str, exchange_type: str, *, durable: bool, callback: Callable[[Frame], None]
    ) -> None: ...
    def queue_declare(
        self,
        queue: str,
        *,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, object] | None = None,
        callback: Callable[[Frame], None],
    ) -> None: ...
    def queue_bind(
        self, queue: str, exchange: str, routing_key: str | None = None, *, callback: Callable[[Frame], None]
    ) -> None: ...
    def queue_delete(self, queue: str, *, callback: Callable[[Frame], None]) -> None: ...
    def basic_qos(self, *, prefetch_count: int, callback: Callable[[Frame], None]) -> None: ...
    def basic_consume(
        self,
        queue: str,
        on_message_callback: Callable[[Channel, Method, Properties, bytes], None],
        *,
        auto_ack: bool = False,
        callback: Callable[[Frame], None],
    ) -> str: ...
    def basic_ack(self, delivery_tag: int, *, multiple: bool) -> None: ...
    def basic_publish(
        self, exchange: str, routing_key: str, body: bytes, properties: Properties, *, mandatory: bool
    ) -> None: ...


class Connection(Protocol):
    """A connection that may be open."""

    @property
    def is_open(self) -> bool: ...
    def channel(self, *, on_open_callback: Callable[[Channel], None]) -> Channel: ...
    def add_on_connection_blocked_callback(self, callback: Callable[[Connection, Frame], None]) -> None: ...
    def add_on_connection_unblocked_callback(self, callback: Callable[[Connection, Frame], None]) -> None: ...


class MakeProperties(Protocol):
    """Properties of a message to be published; what is not given is absent."""

    def __call__(
        self,
        *,
        content_type: str | None = None,
        headers: Mapping[str, object] | None = None,
        correlation_id: str | None = None,
        message_id: str | None = None,
        user_id: str | None = None,
        app_id: str | None = None,
        delivery_mode: int | None = None,
        expiration: str | None = None,
    ) -> Properties: ...


class Session(Protocol):
    """One connection to the broker, from its opening to its loss; all but ``wake`` is for its own thread."""

    @property
    def connection(self) -> Connection:
        """The open connection."""

    @property
    def server_version(self) -> str:
        """The broker's version as it tells it, e.g. ``3.10.8``."""

    @property
    def user(self) -> str | None:
        """The user as whom this connection logged in; None when that was not by name and password."""

    @property
    def unsent_bytes(self) -> int:
        """What was published and waits for the socket to take it."""

    def ready(self) -> None:
        """Say that the connection now serves its purpose."""

    def together(self) -> AbstractContextManager[None]:
        """Within this context, send what is published with as few system calls as possible."""

    def fail(self, reason: str) -> None:
        """Give this connection up; the link makes another."""

    def wake(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` soon, in the connection's thread; from any thread."""

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` after a delay, in the connection's thread, unless the connection is gone by then."""
