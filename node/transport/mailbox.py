"""How any thread hands work to an I/O thread: a queue, and one wake-up for all that waits in it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Items for an I/O thread, in order; what is put in while the mailbox is closed is dropped.

    The reader drains it on every wake-up and never blocks, so what waits is bounded by what its writers
    may have outstanding: the publishing window, the prefetch.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: list[T] = []
        self._wake: Callable[[], None] | None = None
        self._woken = False

    def open(self, wake: Callable[[], None]) -> None:
        """Take items from now on; ``wake`` makes the reader drain them, from any thread."""
        with self._lock:
            self._wake = wake
            self._woken = False

    def close(self) -> None:
        """Drop what waits and what comes."""
        with self._lock:
            self._wake = None
            self._items = []

    def put(self, item: T) -> None:
        """Hand over an item; wakes the reader unless a wake-up is under way."""
        with self._lock:
            if self._wake is None:
                return
            self._items.append(item)
            if self._woken:
                return
            self._woken = True
            wake = self._wake
        wake()

    def drain(self) -> list[T]:
        """Take everything that waits."""
        with self._lock:
            items, self._items = self._items, []
            self._woken = False
        return items
