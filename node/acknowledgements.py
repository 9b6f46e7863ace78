"""Which deliveries may be acknowledged to the queue together.

Acknowledging many at once saves the broker work, but names only "all up to this one": one delivery that is not
settled yet (delayed, or on its way to the rejected queue) must not be swept along.
"""

from __future__ import annotations

from typing import NamedTuple


class Acknowledgement(NamedTuple):
    """Acknowledge delivery ``tag`` of the connection; with ``multiple``, all before it too."""

    connection_epoch: int
    tag: int
    multiple: bool


class AcknowledgementTracker:
    """For one consumer, whose delivery tags are 1, 2, 3 and so on over each connection."""

    def __init__(self) -> None:
        self._epoch = 0
        self._floor = 0
        self._above: set[int] = set()

    def leave_to_transport(self, connection_epoch: int, tag: int) -> None:
        """A rejected delivery, which the transport acknowledges itself when its copy is safe.

        It is no hole: else each later delivery would be acknowledged, and remembered here, one by one. An
        acknowledgement of "all up to" a later one may cover it; the transport stops short of it.
        """
        self.settle(connection_epoch, [tag])

    def settle(self, connection_epoch: int, tags: list[int]) -> list[Acknowledgement]:
        """What to acknowledge now that these deliveries are durable here."""
        if connection_epoch != self._epoch:
            if connection_epoch < self._epoch:
                return []
            self._epoch, self._floor = connection_epoch, 0
            self._above.clear()
        before = self._floor
        new = {tag for tag in tags if tag > before}  # a delivery that was brought twice is settled twice
        above = self._above | new
        while self._floor + 1 in above:
            self._floor += 1
            above.discard(self._floor)
        self._above = above
        result = [Acknowledgement(connection_epoch, tag, multiple=False) for tag in sorted(new & above)]
        if self._floor > before:
            result.insert(0, Acknowledgement(connection_epoch, self._floor, multiple=True))
        return result
