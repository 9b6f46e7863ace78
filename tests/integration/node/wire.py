"""A hand on the broker for tests: captures what nodes publish, publishes what it likes, reads the rejected queue."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple, Self

import pika

from node.codec import HELLO_SUFFIX
from tests.support.cluster import POLL_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.support.cluster import NodeUnderTest

TIMEOUT_SECONDS = 30.0
REASON_HEADER = "x-causalkv-reason"
REJECTED_BY_HEADER = "x-causalkv-rejected-by"


class Message(NamedTuple):
    """A message as it stands in a queue."""

    body: bytes
    properties: pika.BasicProperties


class Wire:
    """A connection to the cluster's broker; use as a context manager."""

    def __init__(self, url: str, cluster: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        # Confirms would make a flood of control messages a trickle.
        self._control = self._connection.channel()
        self._cluster = cluster
        self._captured = self._channel.queue_declare("", exclusive=True).method.queue
        self._channel.queue_bind(self._captured, f"{cluster}.writes")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def publish(self, body: bytes, properties: pika.BasicProperties | None = None) -> None:
        """Send to all nodes."""
        self._channel.basic_publish(f"{self._cluster}.writes", "", body, properties or json_properties())

    def publish_to(self, node: str, body: bytes) -> None:
        """Send to one node's queue alone."""
        self._channel.basic_publish("", f"{self._cluster}.{node}", body, json_properties())

    def tell(self, key: str, *bodies: bytes) -> None:
        """Send control messages to whoever listens under this key: ``all``, or ``node.`` and a node id."""
        for body in bodies:
            self._control.basic_publish(f"{self._cluster}.control", key, body)

    def listen(self, key: str) -> Callable[[], list[Message]]:
        """From now on keep the control messages for this key; what is returned takes those that have come."""
        queue = self._channel.queue_declare("", exclusive=True).method.queue
        self._channel.queue_bind(queue, f"{self._cluster}.control", key)

        def heard() -> list[Message]:
            return list(iter(lambda: self._get(queue), None))

        return heard

    def capture(self) -> Message:
        """The next message with writes that was published to all nodes.

        A node that was started anew also asks there about its name, and asks again: those are left out.
        """
        while (message := self._take(self._captured)).properties.message_id.endswith(HELLO_SUFFIX):
            pass
        return message

    def forget(self) -> None:
        """Leave out what was published so far."""
        self._channel.queue_purge(self._captured)

    def rejected(self, count: int) -> list[Message]:
        """This many messages out of the rejected queue."""
        return [self._take(f"{self._cluster}.rejected") for _ in range(count)]

    def rejected_count(self) -> int:
        """How many messages the rejected queue holds."""
        found = self._channel.queue_declare(f"{self._cluster}.rejected", passive=True)
        return int(found.method.message_count)

    def _take(self, queue: str) -> Message:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (message := self._get(queue)) is None:
            assert time.monotonic() < deadline, f"nothing came into {queue}"
            time.sleep(POLL_SECONDS)
        return message

    def _get(self, queue: str) -> Message | None:
        method, properties, body = self._channel.basic_get(queue, auto_ack=True)
        return None if method is None else Message(body, properties)


def json_properties(**more: str) -> pika.BasicProperties:
    """As the nodes set them."""
    return pika.BasicProperties(**{"content_type": "application/json", "app_id": "causalkv", **more})


def sample(node: NodeUnderTest, name: str) -> float:
    """The sum of a metric over its labels, as ``/metrics`` shows it now."""
    lines = re.findall(rf"^causalkv_{name}(?:{{[^}}]*}})? (\S+)$", node.http.get("/metrics").text, re.MULTILINE)
    assert lines, f"/metrics shows no causalkv_{name}"
    return sum(float(value) for value in lines)


def wait_for_sample(node: NodeUnderTest, name: str, value: float) -> None:
    """Wait until a metric has exactly this value."""
    wait_until(lambda: sample(node, name) == value, f"{name} is {value:g} at {node.name}", TIMEOUT_SECONDS)
