"""The ring of recorded events: written by the replica's thread after each commit, read from any thread without a lock.

Recording stands in the path of every write, so an event is a plain tuple. It holds no value: a write may have many
megabytes of them, and the ring would keep them in memory.
"""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from node.core.dot import Dot
from node.core.effects import Accepted, Applied, HeldBack, PublishConfirmed
from node.watch.events import OPERATION_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.core.effects import Effect
    from node.core.vector_clock import VectorClock
    from node.core.write import Write

EventKind = Literal["accepted", "confirmed", "delivered", "held", "released", "applied"]

KEYS_KEPT_MAX = 5
RUN_CHARACTERS = 6
_ALPHABET = string.ascii_lowercase + string.digits


class AboutWrite(NamedTuple):
    """What is kept of a write: the first of its keys, and the names of its operations, each once."""

    dot: Dot
    clock: VectorClock
    keys: tuple[str, ...]
    keys_left_out: int
    operations: tuple[str, ...]


class RecordedEvent(NamedTuple):
    """One event, to be read.

    ``number`` grows by 1 with each event of a run. ``about`` is None when nothing but the name is known any more.
    """

    number: int
    kind: EventKind
    at_ms: float
    dot: Dot
    about: AboutWrite | None
    waits_for: Dot | None = None
    held_seconds: float | None = None


class Part(NamedTuple):
    """Some events in their order, and how many before them are no longer kept."""

    events: list[RecordedEvent]
    dropped: int


# As they stand in the ring: the fields of AboutWrite, and of an event; the last one is what the event waits for, how
# long it was held, or the name of a write of which nothing else is told.
_About = tuple[Dot, "VectorClock", tuple[str, ...], int, tuple[str, ...]]
_Recorded = tuple[int, EventKind, float, _About | None, "Dot | float | tuple[str, int] | None"]


def new_run() -> str:
    """A name for one run of a process, short enough to stand in every position."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(RUN_CHARACTERS))


def _nothing(_events: int) -> None:
    """Nobody listens."""


class EventLog:
    """The last ``max_events`` events of this run; ``committed`` on the replica's thread, the rest from any."""

    def __init__(self, max_events: int) -> None:
        self.run = new_run()
        self.last = 0
        """The number of the latest event."""
        self.recorded: Callable[[int], None] = _nothing
        """Told how many events are new, after each commit, on the replica's thread: it must cost next to nothing."""
        self._max_events = max_events
        self._ring: list[_Recorded | None] = [None] * max_events
        # Confirmations name numbers only: here stands what the last own writes were, by number.
        self._own: list[_About | None] = [None] * max_events

    # ------------------------------------------------------------------------------ recording

    def committed(self, effects: Sequence[Effect], at_ms: float) -> None:
        """Record what these effects, whose transaction is durable, mean for writes."""
        new: list[_Recorded] = []
        add = new.append
        number = self.last
        for effect in effects:
            if isinstance(effect, Applied):
                about = _about(effect.write)
                if effect.held_since_ms is None:
                    add((number + 1, "delivered", at_ms, about, None))
                else:
                    add((number + 1, "released", at_ms, about, max(0.0, at_ms - effect.held_since_ms) / 1000))
                number += 2
                add((number, "applied", at_ms, about, None))
            elif isinstance(effect, Accepted):
                number += 1
                about = _about(effect.write)
                self._own[about[0].seq % self._max_events] = about
                add((number, "accepted", at_ms, about, None))
            elif isinstance(effect, PublishConfirmed):
                replica = effect.replica
                for seq in range(effect.first_seq, effect.last_seq + 1):
                    number += 1
                    add((number, "confirmed", at_ms, None, (replica, seq)))
            elif isinstance(effect, HeldBack):
                about = _about(effect.write)
                add((number + 1, "delivered", at_ms, about, None))
                number += 2
                add((number, "held", at_ms, about, effect.waits_for))
        if new:
            self._keep(new)

    def _keep(self, new: list[_Recorded]) -> None:
        count = len(new)
        first = self.last + 1
        if count > self._max_events:
            first += count - self._max_events
            new = new[-self._max_events :]
        place = first % self._max_events
        until_end = self._max_events - place
        # Whole slices, so that a reader never sees a list that is being changed.
        self._ring[place : place + len(new)] = new[:until_end]
        if len(new) > until_end:
            self._ring[: len(new) - until_end] = new[until_end:]
        self.last += count
        self.recorded(count)

    # -------------------------------------------------------------------------------- reading

    @property
    def forgotten(self) -> int:
        """The number of the latest event that is no longer kept; 0: all are."""
        return max(0, self.last - self._max_events)

    def after(self, number: int, limit: int) -> Part:
        """At most ``limit`` events behind this number, the oldest that are kept first."""
        while True:
            last = self.last
            first = max(number, last - self._max_events) + 1
            until = min(first + limit - 1, last)
            # What was overwritten meanwhile has a later number: the beginning is missing then, or all of it.
            events = [event for event in self._slice(first, until) if event is not None and event[0] <= until]
            if events or until < first:
                break
        dropped = (events[0][0] if events else first) - number - 1
        return Part([self._read(event) for event in events], max(0, dropped))

    def _slice(self, first: int, last: int) -> list[_Recorded | None]:
        if last < first:
            return []
        place, end = first % self._max_events, last % self._max_events + 1
        if place < end:
            return self._ring[place:end]
        # The later part first: what is overwritten between the two is then missing at the beginning, not in between.
        later = self._ring[:end]
        return self._ring[place:] + later

    def _read(self, event: _Recorded) -> RecordedEvent:
        number, kind, at_ms, about, detail = event
        if about is None:
            dot = Dot(*cast("tuple[str, int]", detail))
            known = self._own[dot.seq % self._max_events]
            return RecordedEvent(number, kind, at_ms, dot, AboutWrite(*known) if known and known[0] == dot else None)
        return RecordedEvent(
            number,
            kind,
            at_ms,
            about[0],
            AboutWrite(*about),
            waits_for=detail if isinstance(detail, Dot) else None,
            held_seconds=detail if isinstance(detail, float) else None,
        )


def _about(write: Write) -> _About:
    operations = write.operations
    if len(operations) == 1:
        operation = operations[0]
        return write.dot, write.clock, (operation.key,), 0, (OPERATION_NAMES[type(operation)],)
    keys = write.keys
    names = tuple(dict.fromkeys(OPERATION_NAMES[type(operation)] for operation in operations))
    return write.dot, write.clock, keys[:KEYS_KEPT_MAX], max(0, len(keys) - KEYS_KEPT_MAX), names
