"""Publisher confirms: which messages the broker has, told out of order and many at a time."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Settled(NamedTuple, Generic[T]):
    """What one confirmation settled; refused messages were nacked or returned."""

    confirmed: list[T]
    refused: list[T]


class ConfirmTracker(Generic[T]):
    """The unconfirmed messages of one channel; a message is known by what its caller gave for it.

    The broker numbers the messages of a channel from 1 on, in the order in which they are published.
    """

    def __init__(self) -> None:
        self._unconfirmed: dict[int, T] = {}
        self._returned: set[int] = set()
        self._lowest = 1
        self._next = 1

    def __len__(self) -> int:
        return len(self._unconfirmed)

    @property
    def next_tag(self) -> int:
        """The number of the next message to be published."""
        return self._next

    def unsettled(self) -> list[T]:
        """The messages without an answer, in order."""
        return list(self._unconfirmed.values())

    def sent(self, message: T) -> None:
        """Note that the next message was published."""
        self._unconfirmed[self._next] = message
        self._next += 1

    def returned(self, tag: int) -> None:
        """Note that the broker returned a message as unroutable; it confirms it all the same, later."""
        if tag in self._unconfirmed:
            self._returned.add(tag)

    def settle(self, tag: int, *, multiple: bool, acked: bool) -> Settled[T]:
        """Note a confirmation (or, not ``acked``, a refusal) of a message, or of all up to it."""
        settled: Settled[T] = Settled([], [])
        for number in range(self._lowest, tag + 1) if multiple else (tag,):
            if number not in self._unconfirmed:
                continue
            message = self._unconfirmed.pop(number)
            is_refused = not acked or number in self._returned
            self._returned.discard(number)
            (settled.refused if is_refused else settled.confirmed).append(message)
        while self._lowest < self._next and self._lowest not in self._unconfirmed:
            self._lowest += 1
        return settled
