"""Faults for lessons and tests, in one place: what they do to messages between the consumer and the causal buffer.

Messages of chosen nodes are dropped, delayed or brought twice, and the node itself is cut off from the broker.

- *dropped*: settled with the queue as if it had been applied, so that nothing but repair brings the writes. Repair is
  left alone: a message is lost, and what it held comes back by itself.
- *delayed*: stays unacknowledged, so that a crash loses nothing; everything else passes by it, in any order with it.
  Repair must not bring it earlier (``is_delayed``), else there would be nothing to see.
- *duplicated*: brought once more a moment later.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from node.clocks import set_wall_offset, wall_offset_seconds
from node.core.dot import node_id_of
from node.errors import InvalidRequestError
from node.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.transport.port import Delivery

log = get_logger("causalkv.faults")

END_FAULTS = 'nothing, in a lesson; else end them with POST /faults {"clear": true}, and start without CAUSALKV_FAULTS'

DUPLICATE_AFTER_SECONDS = 0.2
# First copies are bounded by the prefetch; second ones are acknowledged already, so by this.
DUPLICATES_MAX = 1_000
# As many nodes as can be members.
NODES_MAX = 256


class Cuttable(Protocol):
    """The part of a transport that faults act on."""

    def cut(self) -> None:
        """See Transport."""

    def restore(self) -> None:
        """See Transport."""


class Change(NamedTuple):
    """What to change, in this order: ``clear`` ends all faults first; what is not named stays as it is.

    By node id: ``delay`` in seconds; ``drop`` and ``duplicate`` as the probability for each message. 0 ends a fault.
    """

    clear: bool = False
    delay: Mapping[str, float] = {}
    drop: Mapping[str, float] = {}
    duplicate: Mapping[str, float] = {}
    cut: bool | None = None
    wall_offset_seconds: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing."""
        return self == Change()


class _Waiting(NamedTuple):
    due: float
    order: int
    delivery: Delivery
    is_second: bool


class Faults:
    """Every fault that is in force at this node; safe from any thread."""

    def __init__(
        self,
        forward: Callable[[Delivery], None],
        *,
        lose: Callable[[Delivery], None],
        transport: Cuttable,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``forward`` brings a delivery to the replica; ``lose`` settles one that it must not see.

        ``chance`` draws from [0, 1).
        """
        self._forward = forward
        self._lose = lose
        self._transport = transport
        self._chance = chance
        self._changed = threading.Condition()
        self._delays_seconds: dict[str, float] = {}
        self._drops: dict[str, float] = {}
        self._duplicates: dict[str, float] = {}
        self._is_cut = False
        self._waiting: list[_Waiting] = []
        self._second_copies = 0
        self._order = itertools.count()
        self._dropped = 0
        self._duplicated = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._thread.start()

    def delivered(self, delivery: Delivery) -> None:
        """Let a delivery through: now, later, twice, or not at all."""
        node = _origin(delivery)
        with self._changed:
            is_lost = self._strikes(self._drops, node)
            self._dropped += is_lost
            delay_seconds = self._delays_seconds.get(node, 0.0)
            if not is_lost:
                if self._second_copies < DUPLICATES_MAX and self._strikes(self._duplicates, node):
                    self._duplicated += 1
                    self._put_off(delivery, delay_seconds + DUPLICATE_AFTER_SECONDS, is_second=True)
                if delay_seconds > 0:
                    self._put_off(delivery, delay_seconds, is_second=False)
                    return
        if is_lost:
            self._lose(delivery)
        else:
            self._forward(delivery)

    def change(self, change: Change) -> None:
        """Put faults in force, or end them. What is delayed already stays so, but for ``clear``.

        Raises InvalidRequestError, and changes nothing, when they would name more than ``NODES_MAX`` nodes.
        """
        with self._changed:
            delays = _merged({} if change.clear else self._delays_seconds, change.delay)
            drops = _merged({} if change.clear else self._drops, change.drop)
            duplicates = _merged({} if change.clear else self._duplicates, change.duplicate)
            if max(len(delays), len(drops), len(duplicates)) > NODES_MAX:
                raise InvalidRequestError(f"faults name at most {NODES_MAX} nodes of each kind: end some first")
            if change.clear:
                self._clear()
            self._delays_seconds, self._drops, self._duplicates = delays, drops, duplicates
            if change.wall_offset_seconds is not None:
                set_wall_offset(change.wall_offset_seconds)
            if change.cut is not None:
                self._cut(change.cut)
        log.warning("faults on purpose were changed", **self.describe(), what_to_do=END_FAULTS)

    def is_delayed(self, node: str) -> bool:
        """Whether writes of a node arrive late now: then repair must not bring them earlier."""
        return node in self._delays_seconds

    def connection_lost(self) -> None:
        """What waits here will be delivered again over the next connection, or was brought once: forget it."""
        with self._changed:
            self._waiting.clear()
            self._second_copies = 0

    def describe(self) -> dict[str, object]:
        """What is in force, how many deliveries wait here now, and how many were dropped and duplicated so far."""
        with self._changed:
            return {
                "delay": dict(self._delays_seconds),
                "drop": dict(self._drops),
                "duplicate": dict(self._duplicates),
                "cut": self._is_cut,
                "wall_offset": wall_offset_seconds(),
                "delayed": len(self._waiting),
                "dropped": self._dropped,
                "duplicated": self._duplicated,
            }

    def stop(self) -> None:
        """End the thread; what is delayed stays unacknowledged in the queue."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _clear(self) -> None:
        """Set time, link and what waits right: what is delayed comes through at once, in the order of its arrival."""
        self._waiting = [waiting._replace(due=0.0) for waiting in self._waiting]
        heapq.heapify(self._waiting)
        self._changed.notify()
        set_wall_offset(0)
        self._cut(is_cut=False)

    def _cut(self, is_cut: bool) -> None:  # noqa: FBT001  # the one thing that it says
        if is_cut != self._is_cut:
            self._is_cut = is_cut
            (self._transport.cut if is_cut else self._transport.restore)()

    def _strikes(self, probabilities: Mapping[str, float], node: str) -> bool:
        probability = probabilities.get(node, 0.0)
        return probability > 0 and self._chance() < probability

    def _put_off(self, delivery: Delivery, seconds: float, *, is_second: bool) -> None:
        heapq.heappush(self._waiting, _Waiting(time.monotonic() + seconds, next(self._order), delivery, is_second))
        self._second_copies += is_second
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and not (self._waiting and self._waiting[0].due <= time.monotonic()):
                    self._changed.wait(max(0.0, self._waiting[0].due - time.monotonic()) if self._waiting else None)
                if self._stopped:
                    return
                waiting = heapq.heappop(self._waiting)
                self._second_copies -= waiting.is_second
            self._forward(waiting.delivery)


def _merged(before: Mapping[str, float], change: Mapping[str, float]) -> dict[str, float]:
    return {node: number for node, number in {**before, **change}.items() if number > 0}


def _origin(delivery: Delivery) -> str:
    """The node that a message comes from, by its message id (a dot); the message itself is not decoded yet."""
    return node_id_of(delivery.message_id or "")
