"""Another member for tests: it hears what a node publishes and tells, and says what a test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from node.codec import HELLO_SUFFIX, decode_hello
from node.control_codec import decode_control
from node.core.control import ClockTold, HelloSeen
from node.core.vector_clock import VectorClock
from node.settings import Settings
from node.transport import create_transport
from tests.support.recording_listener import RecordingListener
from tests.unit.shell.control_messages import body_of

if TYPE_CHECKING:
    from node.core.control import ControlMessage
    from node.transport.port import Delivery, OutgoingMessage
    from tests.unit.shell.running import RunningReplica

TIMEOUT_SECONDS = 15.0

M = TypeVar("M")


class Peer:
    """A member beside node1, connected while the block lasts."""

    def __init__(self, running: RunningReplica, replica: str) -> None:
        self.replica = replica
        self.name = replica.partition("~")[0]
        self.listener = RecordingListener()
        self._transport = create_transport(Settings(node_id=self.name, amqp_url="memory://", cluster=running.cluster))

    def __enter__(self) -> Self:
        self._transport.start(self.listener)
        self.listener.wait_up()
        self.listener.wait_control_up()
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.stop(5.0)

    def tell(self, message: ControlMessage, target: str | None = "node1") -> None:
        """Say this to a node."""
        self._transport.tell(target, body_of(message))

    def publish(self, message: OutgoingMessage) -> None:
        """Put this into all queues."""
        self._transport.publish(message)

    def heard(self, kind: type[M]) -> list[M]:
        """The control messages of one kind that came so far."""
        messages = [decode_control(delivery.body) for delivery in list(self.listener.control)]
        return [message for message in messages if isinstance(message, kind)]

    def wait_heard(self, kind: type[M], count: int = 1) -> list[M]:
        """Wait until so many control messages of one kind came."""
        self.listener.wait_until(lambda: len(self.heard(kind)) >= count, f"{count} {kind.__name__}", TIMEOUT_SECONDS)
        return self.heard(kind)

    def wait_hello(self) -> tuple[str, str]:
        """Wait until a hello came through the queue; returns who says it, and for which session."""
        self.listener.wait_until(lambda: bool(self._hellos()), "a hello", TIMEOUT_SECONDS)
        return decode_hello(self._hellos()[-1].body)

    def _hellos(self) -> list[Delivery]:
        return [each for each in list(self.listener.deliveries) if (each.message_id or "").endswith(HELLO_SUFFIX)]

    def answer_hello(self, seen: int) -> None:
        """Say that so many writes of whoever says hello were known here by then; and who is a member, as nodes do."""
        who, session = self.wait_hello()
        self.tell(ClockTold(self.replica, "session", VectorClock(), VectorClock(), (), "", 0))
        self.tell(HelloSeen(self.replica, session, who, seen))
