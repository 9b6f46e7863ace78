"""What bounds control messages, and when they count as possible."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from node.transport import control
from node.transport.control import UNSENT_MAX_BYTES, WAITING_MAX_BYTES, ControlPublisher, ControlReadiness
from tests.support.recording_listener import RecordingListener

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from node.transport.amqp import Channel, MakeProperties, Session

MIB = 1024 * 1024


class FakeConnection:
    """A connection and its only channel: wakes when told to, and remembers what is published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.waiting: list[Callable[[], None]] = []
        self.later: list[Callable[[], None]] = []
        self.closed: Callable[[object, Exception], None]
        self.unsent_bytes = 0
        self.user = "node1"
        self.is_open = True
        self.connection = self

    def channel(self, *, on_open_callback: Callable[[Channel], None]) -> None:
        """Open a channel."""
        on_open_callback(cast("Channel", self))

    def add_on_close_callback(self, callback: Callable[[object, Exception], None]) -> None:
        """Remember whom to tell."""
        self.closed = callback

    def exchange_declare(
        self, _exchange: str, _kind: str, *, durable: bool, callback: Callable[[object], None]
    ) -> None:
        """Make an exchange."""
        assert durable
        callback(None)

    def basic_publish(self, _exchange: str, key: str, body: bytes, _properties: object, *, mandatory: bool) -> None:
        """Take a message."""
        assert not mandatory
        self.published.append((key, body))

    def wake(self, callback: Callable[[], None]) -> None:
        """Call later."""
        self.waiting.append(callback)

    def call_later(self, _delay_seconds: float, callback: Callable[[], None]) -> None:
        """Call later."""
        self.later.append(callback)

    def together(self) -> AbstractContextManager[None]:
        """Nothing to gather here."""
        return nullcontext()

    def work(self) -> None:
        """Do what waits."""
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


class Publishing:
    """A publisher of control messages on a fake connection."""

    def __init__(self) -> None:
        self.listener = RecordingListener()
        self.readiness = ControlReadiness(self.listener)
        self.connection = FakeConnection()
        self.is_blocked = False
        self.publisher = ControlPublisher(
            exchange="c.control",
            make_properties=cast("MakeProperties", SimpleNamespace),
            is_blocked=lambda: self.is_blocked,
            readiness=self.readiness,
        )

    def open(self) -> None:
        """The connection is up."""
        self.publisher.opened(cast("Session", self.connection))


def test_control_is_possible_when_both_directions_are_whichever_comes_first() -> None:
    """And again after each of them was lost; one alone tells nobody."""
    listener = RecordingListener()
    readiness = ControlReadiness(listener)
    readiness.up("publishing")
    assert listener.names() == []
    readiness.up("consuming")
    readiness.down("publishing")
    readiness.up("publishing")
    readiness.down("consuming")
    readiness.up("consuming")
    assert listener.names() == ["control_up"] * 3


def test_what_waits_for_the_io_thread_is_bounded_in_bytes() -> None:
    """Beyond it messages are dropped and counted; what was sent makes room again."""
    running = Publishing()
    running.open()
    for _ in range(WAITING_MAX_BYTES // MIB + 2):
        running.publisher.tell(None, b"x" * MIB)
    running.connection.work()
    sent = len(running.connection.published)
    assert sent == WAITING_MAX_BYTES // MIB - 1  # each weighs a little more than its body
    assert running.publisher.dropped == 3
    running.publisher.tell("node2", b"small")
    running.connection.work()
    assert running.connection.published[sent:] == [("node.node2", b"small")]


def test_many_empty_messages_are_bounded_too() -> None:
    """A message takes memory besides its body."""
    running = Publishing()
    running.open()
    count = WAITING_MAX_BYTES // control.MESSAGE_OVERHEAD_BYTES
    for _ in range(count + 10):
        running.publisher.tell(None, b"")
    assert running.publisher.dropped == 10


def test_a_socket_that_takes_nothing_gathers_no_control_messages() -> None:
    """A half-open connection is noticed only by its heartbeat: until then messages are dropped."""
    running = Publishing()
    running.open()
    running.connection.unsent_bytes = UNSENT_MAX_BYTES
    running.publisher.tell(None, b"dropped")
    running.connection.work()
    running.connection.unsent_bytes = 0
    running.publisher.tell(None, b"sent")
    running.connection.work()
    assert running.connection.published == [("all", b"sent")]
    assert running.publisher.dropped == 1


def test_nothing_is_sent_while_the_broker_takes_nothing() -> None:
    """Also not what was told a moment before."""
    running = Publishing()
    running.open()
    running.publisher.tell(None, b"just before")
    running.is_blocked = True
    running.connection.work()
    running.publisher.tell(None, b"during")
    running.connection.work()
    assert running.connection.published == []
    assert running.publisher.dropped == 2


def test_a_channel_that_the_broker_closes_is_opened_again() -> None:
    """What is told meanwhile is dropped; the connection stays."""
    running = Publishing()
    running.readiness.up("consuming")
    running.publisher.tell(None, b"before the link")
    running.open()
    running.connection.closed(None, RuntimeError("NOT_FOUND"))
    running.publisher.tell(None, b"without a channel")
    [again] = running.connection.later
    again()
    running.publisher.tell(None, b"sent")
    running.connection.work()
    assert running.connection.published == [("all", b"sent")]
    assert running.publisher.dropped == 2
    assert running.listener.names() == ["control_up", "control_up"]


def test_a_channel_is_not_opened_again_on_a_lost_connection() -> None:
    """The next connection opens its own."""
    running = Publishing()
    running.open()
    running.connection.closed(None, RuntimeError("NOT_FOUND"))
    running.publisher.lost()
    [again] = running.connection.later
    again()
    running.publisher.tell(None, b"dropped")
    running.connection.work()
    assert running.connection.published == []
