"""What can be put before the replica's thread, beside the events that the core knows, and where it waits."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, NamedTuple

from node.core.events import AskEverybody, Confirmed, ControlUp, PublisherDown, PublisherUp, Tick
from node.submission import Removal, Submission
from node.transport.port import ControlDelivery, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.replica import Replica
    from node.errors import CausalKVError

_BYTES_PER_WRITE = 200
# So long waits what can wait, unless something else comes: far less than anybody sees, longer than between two writes
# of a busy client.
PATIENCE_SECONDS = 0.005


class AfterCommit(NamedTuple):
    """Call this on the replica's thread, once everything that was put before it is durable."""

    function: Callable[[Replica], None]


class Look(NamedTuple):
    """Call this on the replica's thread soon, whether or not anything can be made durable."""

    function: Callable[[Replica], None]


class PublishRefused(NamedTuple):
    """The transport could not place a message: offer again everything unconfirmed, a little later."""

    reason: str


class ControlReceived(NamedTuple):
    """A control message; ``taken`` is to be called when it waits no longer."""

    delivery: ControlDelivery
    taken: Callable[[], None]


Item = (
    Submission
    | Removal
    | Delivery
    | ControlReceived
    | PublisherUp
    | PublisherDown
    | Confirmed
    | PublishRefused
    | ControlUp
    | AskEverybody
    | Tick
    | AfterCommit
    | Look
)


class Inbox:
    """All that waits for the replica's thread: any thread puts, that one takes."""

    def __init__(self, commit_max_writes: int, can_wait: Callable[[Item], bool]) -> None:
        """``can_wait`` is asked on the thread that takes: whether an item may wait for others (``patience.py``)."""
        self._commit_max_writes = commit_max_writes
        self._can_wait = can_wait
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()

    def __len__(self) -> int:
        return self._items.qsize()

    def put(self, item: Item) -> None:
        """Hand over something; returns at once."""
        self._items.put(item)

    def take(self, wait_seconds: float) -> list[Item]:
        """Everything that waits, up to the size of one transaction; may be empty.

        Waits so long for the first item, and as long as all that is there can wait, a moment for others.
        """
        items: list[Item] = []
        room = self._commit_max_writes
        more_seconds = min(wait_seconds, PATIENCE_SECONDS)
        try:
            item = self._items.get(timeout=wait_seconds)
            patient_until = time.monotonic() + more_seconds
            while True:
                items.append(item)
                room -= 1 + len(item.body) // _BYTES_PER_WRITE if isinstance(item, Delivery) else 1
                if room <= 0:
                    return items
                if more_seconds and self._can_wait(item):
                    more_seconds = max(0.0, patient_until - time.monotonic())
                else:
                    more_seconds = 0.0
                item = self._items.get(timeout=more_seconds)
        except queue.Empty:
            return items

    def turn_away(self, error: CausalKVError) -> None:
        """Nobody takes any more: answer those who wait; on any thread."""
        try:
            while True:
                item = self._items.get_nowait()
                if isinstance(item, Submission | Removal):
                    item.fail(error)
        except queue.Empty:
            return
