"""A transport listener that remembers what it was told, and lets a test wait for it."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING

from node.transport.port import OutgoingMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.transport.port import ControlDelivery, Delivery

WAIT_SECONDS = 20.0

_publish_ids = itertools.count(1)


def message(text: str, *, sender: str = "node1~a") -> OutgoingMessage:
    """A message whose body and message id are this text."""
    return OutgoingMessage(next(_publish_ids), text, text.encode(), sender)


class RecordingListener:
    """Notes all calls in order; ``told`` holds a name and the argument of each."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.told: list[tuple[str, object]] = []
        self.deliveries: list[Delivery] = []
        self.control: list[ControlDelivery] = []
        self.confirmed: list[int] = []
        self.refused: list[int] = []

    def _note(self, name: str, value: object = None) -> None:
        with self._changed:
            self.told.append((name, value))
            self._changed.notify_all()

    def publisher_up(self) -> None:
        """See TransportListener."""
        self._note("publisher_up")

    def publisher_down(self, reason: str) -> None:
        """See TransportListener."""
        self._note("publisher_down", reason)

    def publisher_blocked(self, reason: str) -> None:
        """See TransportListener."""
        self._note("publisher_blocked", reason)

    def publisher_unblocked(self) -> None:
        """See TransportListener."""
        self._note("publisher_unblocked")

    def publish_confirmed(self, publish_ids: list[int]) -> None:
        """See TransportListener."""
        self.confirmed.extend(publish_ids)
        self._note("publish_confirmed", publish_ids)

    def publish_refused(self, publish_ids: list[int], reason: str) -> None:
        """See TransportListener."""
        self.refused.extend(publish_ids)
        self._note("publish_refused", reason)

    def consumer_up(self, connection_epoch: int, backlog_messages: int) -> None:
        """See TransportListener."""
        self._note("consumer_up", (connection_epoch, backlog_messages))

    def consumer_down(self, reason: str) -> None:
        """See TransportListener."""
        self._note("consumer_down", reason)

    def delivered(self, delivery: Delivery) -> None:
        """See TransportListener."""
        self.deliveries.append(delivery)
        self._note("delivered")

    def control_up(self) -> None:
        """See TransportListener."""
        self._note("control_up")

    def control_received(self, delivery: ControlDelivery) -> None:
        """See TransportListener."""
        self.control.append(delivery)
        self._note("control_received")

    # -------------------------------------------------------------------------- for the test

    def names(self) -> list[str]:
        """What was told, in order, without the arguments."""
        return [name for name, _ in list(self.told)]

    def count(self, name: str) -> int:
        """How often this was told."""
        return self.names().count(name)

    def texts(self) -> list[str]:
        """The bodies delivered so far, in order."""
        return [delivery.body.decode() for delivery in list(self.deliveries)]

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_seconds: float = WAIT_SECONDS) -> None:
        """Return when the condition holds; fails the test, with all that was told, when it does not in time."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"waited {timeout_seconds:g} s for {what}; told so far: {self.told[-20:]}")
                # Some conditions depend on more than this listener: look at them from time to time.
                self._changed.wait(min(left, 0.05))

    def wait_up(self, times: int = 1) -> None:
        """Wait until publishing and consuming began, this many times in all."""
        self.wait_until(
            lambda: self.count("publisher_up") >= times and self.count("consumer_up") >= times, f"up, {times} times"
        )

    def wait_control_up(self, times: int = 1) -> None:
        """Wait until control messages could be sent and received, this many times in all."""
        self.wait_until(lambda: self.count("control_up") >= times, f"control up, {times} times")

    def told_texts(self) -> list[str]:
        """The bodies of the control messages so far, in order."""
        return [delivery.body.decode() for delivery in list(self.control)]

    def wait_told(self, texts: list[str]) -> None:
        """Wait until exactly these control messages came, in this order."""
        self.wait_until(lambda: len(self.control) >= len(texts), f"{len(texts)} control messages")
        assert self.told_texts() == texts

    def wait_texts(self, texts: list[str]) -> None:
        """Wait until exactly these bodies were delivered, in this order."""
        self.wait_until(lambda: len(self.deliveries) >= len(texts), f"{len(texts)} deliveries")
        assert self.texts() == texts
