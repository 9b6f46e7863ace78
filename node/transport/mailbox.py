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
    may have outstanding: the publishing window, the prefetch. Where writers know no such bound, ``max_size``
    is one: items beyond it, by ``size_of`` together, are dropped.
    """

    def __init__(self, *, max_size: int | None = None, size_of: Callable[[T], int] = lambda _item: 1) -> None:
        self._lock = threading.Lock()
        self._max_size = max_size
        self._size_of = size_of
        self._size = 0
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
            self._items, self._size = [], 0

    def put(self, item: T) -> bool:
        """Hand over an item; wakes the reader unless a wake-up is under way. False when the item was dropped."""
        size = self._size_of(item)
        with self._lock:
            if self._wake is None or (self._max_size is not None and self._size + size > self._max_size):
                return False
            self._items.append(item)
            self._size += size
            if self._woken:
                return True
            self._woken = True
            wake = self._wake
        wake()
        return True

    def drain(self) -> list[T]:
        """Take everything that waits."""
        with self._lock:
            items, self._items, self._size = self._items, [], 0
            self._woken = False
        return items
