"""Which deliveries may be acknowledged towards the broker, in as few words as possible.

The node acknowledges many at a time, and may reject some in between. A rejected delivery is acknowledged
only when its copy is safe, so that an acknowledgement of "all up to here" must stop short of it.
"""

from __future__ import annotations

from typing import NamedTuple


class Acknowledgement(NamedTuple):
    """One word to the broker: this delivery, or all up to it, is done with."""

    tag: int
    multiple: bool


class DeliveryTracker:
    """The deliveries of one channel, which the broker numbers from 1 on without a hole.

    An acknowledgement for a number that is not outstanding would make the broker close the channel, so
    that repeated and unknown numbers are ignored here.
    """

    def __init__(self) -> None:
        self._last_delivered = 0
        self._done_up_to = 0  # what the node has said
        self._acknowledged_up_to = 0  # what the broker has been told
        self._singles: set[int] = set()  # acknowledged one by one, beyond _acknowledged_up_to
        self._waiting_singles: list[int] = []
        self._held: set[int] = set()

    def delivered(self, tag: int) -> None:
        """Note a delivery."""
        self._last_delivered = tag

    def acknowledge(self, tag: int, *, multiple: bool) -> None:
        """The node is done with this delivery, or with all up to it."""
        if tag > self._last_delivered:
            return
        if multiple:
            self._done_up_to = max(self._done_up_to, tag)
        elif tag > self._acknowledged_up_to and tag not in self._singles and tag not in self._held:
            self._singles.add(tag)
            self._waiting_singles.append(tag)

    def hold(self, tag: int) -> bool:
        """Do not acknowledge this delivery until it is released; False when it is held or acknowledged already."""
        is_outstanding = self._acknowledged_up_to < tag <= self._last_delivered and tag not in self._singles
        if not is_outstanding or tag in self._held:
            return False
        self._held.add(tag)
        return True

    def release(self, tag: int) -> None:
        """A held delivery is done with."""
        if tag in self._held:
            self._held.discard(tag)
            self.acknowledge(tag, multiple=False)

    def take(self) -> list[Acknowledgement]:
        """What to tell the broker now, in order."""
        up_to = min(self._done_up_to, min(self._held, default=self._last_delivered + 1) - 1)
        words: list[Acknowledgement] = []
        last = up_to
        # "All up to n" is understood only while n itself is outstanding.
        while last > self._acknowledged_up_to and self._is_told(last):
            last -= 1
        if last > self._acknowledged_up_to:
            words.append(Acknowledgement(last, multiple=True))
        words.extend(Acknowledgement(tag, multiple=False) for tag in self._waiting_singles if tag > last)
        self._waiting_singles = []
        if up_to > self._acknowledged_up_to:
            self._acknowledged_up_to = up_to
            self._singles = {tag for tag in self._singles if tag > up_to}
        while self._acknowledged_up_to + 1 in self._singles:
            self._acknowledged_up_to += 1
            self._singles.discard(self._acknowledged_up_to)
        return words

    def _is_told(self, tag: int) -> bool:
        return tag in self._singles and tag not in self._waiting_singles
