"""Faults for lessons and tests: delays between the consumer and the causal buffer.

A delayed delivery stays unacknowledged, so that a crash loses nothing. Everything else passes by it,
in any order with it.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import TYPE_CHECKING

from node.core.dot import node_id_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.transport.port import Delivery


class DelayLine:
    """Holds deliveries of chosen nodes back for a time; safe from any thread."""

    def __init__(self, forward: Callable[[Delivery], None]) -> None:
        self._forward = forward
        self._changed = threading.Condition()
        self._delays_seconds: dict[str, float] = {}
        self._delayed: list[tuple[float, int, Delivery]] = []
        self._order = itertools.count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="delay-line", daemon=True)
        self._thread.start()

    def delivered(self, delivery: Delivery) -> None:
        """Let a delivery through, now or later."""
        with self._changed:
            delay_seconds = self._delays_seconds.get(_origin(delivery), 0.0)
            if delay_seconds > 0:
                heapq.heappush(self._delayed, (time.monotonic() + delay_seconds, next(self._order), delivery))
                self._changed.notify()
                return
        self._forward(delivery)

    def set_delays(self, delays_seconds: dict[str, float]) -> None:
        """Deliveries whose writes come from these node ids arrive late from now on; 0 ends a node's delay."""
        with self._changed:
            self._delays_seconds = {
                node: seconds for node, seconds in {**self._delays_seconds, **delays_seconds}.items() if seconds > 0
            }

    def is_delayed(self, node: str) -> bool:
        """Whether deliveries of a node arrive late now."""
        return node in self._delays_seconds

    def clear(self) -> None:
        """Forget all delays and let everything delayed through at once, in the order of its arrival."""
        with self._changed:
            self._delays_seconds = {}
            self._delayed = [(0.0, order, delivery) for _, order, delivery in self._delayed]
            heapq.heapify(self._delayed)
            self._changed.notify()

    def connection_lost(self) -> None:
        """What was delayed will be delivered again over the next connection: forget it."""
        with self._changed:
            self._delayed.clear()

    def describe(self) -> dict[str, object]:
        """What is in force, and how many deliveries are delayed now."""
        with self._changed:
            return {"delay": dict(self._delays_seconds), "delayed": len(self._delayed)}

    def stop(self) -> None:
        """End the thread; what is delayed stays unacknowledged in the queue."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and not (self._delayed and self._delayed[0][0] <= time.monotonic()):
                    self._changed.wait(max(0.0, self._delayed[0][0] - time.monotonic()) if self._delayed else None)
                if self._stopped:
                    return
                delivery = heapq.heappop(self._delayed)[2]
            self._forward(delivery)


def _origin(delivery: Delivery) -> str:
    """The node that a message comes from, by its message id (a dot); the message itself is not decoded yet."""
    return node_id_of(delivery.message_id or "")
