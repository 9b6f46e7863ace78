"""Watching from inside the process: what is new is read from history when the program asks for it.

So nothing gathers for a program that is slow: when history no longer reaches back to it, it is told so.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Self

from node.checks import check_cursor
from node.embedded.changes import InitialStateEnd, Reset, WatchEvent, change_from
from node.embedded.values import text_in
from node.errors import LimitReachedError, UnavailableError
from node.http.causal_context import format_context, parse_context
from node.watch.admission import Admission
from node.watch.catching_up import part_between
from node.watch.events import change_of
from node.watch.merging import is_forgotten
from node.watch.metrics import WatchMetrics
from node.watch.state_reading import StateReading
from node.watch.watcher import RESET_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.vector_clock import VectorClock
    from node.embedded.gate import Gate
    from node.engine import Engine
    from node.store import StoreReader
    from node.watch.admission import Place
    from node.watch.merging import Step

STATE_SECONDS = 60.0
"""As long as a program reads the initial state, the database cannot use the space of what is overwritten again."""


class Bell:
    """Tells those who wait that something was committed."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._listeners = 0
        self.count = 0
        """How often it was rung."""

    def listen(self, listeners: int = 1) -> None:
        """So many more, or less, want to hear it."""
        with self._rung:
            self._listeners += listeners

    def ring(self) -> None:
        """Called after each commit: costs nothing when nobody watches."""
        if self._listeners:
            with self._rung:
                self.count += 1
                self._rung.notify_all()

    def wait(self, heard: int, timeout_seconds: float | None) -> None:
        """Return when it was rung since ``count`` was ``heard``, or after the timeout."""
        with self._rung:
            self._rung.wait_for(lambda: self.count != heard, timeout_seconds)


class Watches:
    """All watches of one replica."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self.engine = engine
        self.gate = gate
        self.bell = Bell()
        self.metrics = WatchMetrics(engine.metrics.registry)
        settings = engine.settings
        self._admission = Admission(
            settings.watch_max_watchers, settings.watch_max_states, engine.metrics.limit_reached
        )
        self.metrics.watchers.set_function(lambda: self._admission.watchers)
        self._open: weakref.WeakSet[Watch] = weakref.WeakSet()
        self.abandoned: deque[Place] = deque()
        """Places of watches that nobody closed."""
        engine.tell_commits(self.bell.ring)

    def open(
        self,
        prefix: str,
        since: str | None,
        context: VectorClock,
        wait_seconds: float,
        seen: Callable[[VectorClock], None],
        *,
        initial: bool,
    ) -> Watch:
        """A watch from now on, or behind ``since``, or with the state first. Raises as ``Replica.watch``."""
        checked = check_cursor(text_in(prefix, "prefix"), "prefix")
        last = None if since is None else parse_context(since, "since")
        self._reap()
        with self.gate:
            with self.engine.service.reading.cut(context if last is None else context.merge(last), wait_seconds) as cut:
                present = cut.clock()
            position = last if last is not None else None if initial else present
            place = self._admission.admit(wants_state=position is None)
            self.bell.listen()
            watch = Watch(self, checked, position, place, seen, wants_state=initial)
            self._open.add(watch)
        return watch

    def _reap(self) -> None:
        while self.abandoned:
            self.abandoned.popleft().give_back()
            self.bell.listen(-1)

    def close(self) -> None:
        """End all of them."""
        for watch in list(self._open):
            watch.close()


class Watch:
    """Changes in causal order, until it is closed: an iterator of `WatchEvent`. For one thread at a time.

    ``close`` ends it, from any thread, and so does closing the replica. Iterating raises StoreCorruptedError, and
    LimitReachedError when the program takes more than a minute to read the initial state.
    """

    def __init__(
        self,
        watches: Watches,
        prefix: str,
        position: VectorClock | None,
        place: Place,
        seen: Callable[[VectorClock], None],
        *,
        wants_state: bool,
    ) -> None:
        self._watches = watches
        self._prefix = prefix
        self._position = position
        self._place = place
        self._seen = seen
        self._wants_state = wants_state
        self._lock = threading.RLock()
        self._state: StateReading | None = None
        self._too_late: threading.Timer | None = None
        self._pending: deque[tuple[WatchEvent, VectorClock | None]] = deque()
        self._told = position
        self._is_closed = False

    @property
    def token(self) -> str:
        """The position behind what was told: ``watch(since=token)`` goes on there. Empty before there is one."""
        return "" if self._told is None else format_context(self._told)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchEvent:
        """The next event, once there is one. Raises StopIteration when the watch is closed."""
        event = self.poll(None)
        if event is None:
            raise StopIteration
        return event

    def poll(self, timeout_seconds: float | None = 0.0) -> WatchEvent | None:
        """The next event; None when there is none within the time (None: no limit), or the watch is closed."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while not self._is_closed:
            heard = self._watches.bell.count
            if (event := self._next_event()) is not None:
                return event
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            if not self._is_closed:
                self._watches.bell.wait(heard, left)
        return None

    def close(self) -> None:
        """End it."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._pending.clear()
            self._close_state()
            self._place.give_back()
        self._watches.bell.ring()
        self._watches.bell.listen(-1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        """Nobody closed it: its place is given back by the next that comes, as this may run while a lock is held."""
        if not self._is_closed:
            self._watches.abandoned.append(self._place)

    # --------------------------------------------------------------------------------- reading

    def _next_event(self) -> WatchEvent | None:
        with self._lock:
            if not self._pending and not self._is_closed:
                try:
                    with self._watches.gate:
                        self._read()
                except UnavailableError:
                    if self._watches.gate.is_closed:
                        return None  # ``close`` is on its way
                    raise
            if not self._pending:
                return None
            event, position = self._pending.popleft()
            if position is not None:
                self._told = position
        if position is not None:
            self._seen(position)
        self._watches.metrics.events.inc()
        return event

    def _read(self) -> None:
        """Read some more; leaves nothing pending when there is nothing new."""
        if self._position is None:
            self._read_state()
            return
        with self._watches.engine.store.reader() as cut:
            now = cut.clock()
            while not self._pending and self._position is not None and not now <= self._position:
                self._read_part(cut, self._position, now)

    def _read_part(self, cut: StoreReader, after: VectorClock, now: VectorClock) -> None:
        if is_forgotten(cut, after):
            self._watches.metrics.resets.inc()
            self._pending.append((Reset(token=format_context(now), error=RESET_TEXT), now))
            self._position = None if self._wants_state else now
            return
        steps, self._position = part_between(cut, after, now)
        for step in steps:
            self._tell(step)
        if not self._pending:
            self._told = self._position  # nothing of it concerns this watch

    def _tell(self, step: Step) -> None:
        shown = self._watches.engine.service.shown
        concerned = [each for each in step.write.operations if each.key.startswith(self._prefix)]
        before = self._pending[-1][0].token if self._pending else self.token
        for operation in concerned[:-1]:
            self._pending.append((change_from(change_of(step.write, operation, shown), before), None))
        for operation in concerned[-1:]:
            token = format_context(step.position)
            self._pending.append((change_from(change_of(step.write, operation, shown), token), step.position))

    def _read_state(self) -> None:
        if self._state is None:
            if self._too_late is not None:
                raise LimitReachedError(
                    f"reading the initial state took more than {STATE_SECONDS:g} s: read it without a pause, and work "
                    "on it afterwards"
                )
            self._state = StateReading(self._watches.engine.store, self._prefix, self._watches.engine.service.shown)
            self._too_late = threading.Timer(STATE_SECONDS, self._end_state)
            self._too_late.daemon = True
            self._too_late.start()
        content = next(self._state.contents, None)
        if content is not None:
            self._pending.append((change_from(content, ""), None))
            return
        clock, keys = self._state.clock, self._state.keys
        self._close_state()
        self._position = clock
        self._pending.append((InitialStateEnd(token=format_context(clock), keys=keys), clock))

    def _end_state(self) -> None:
        """The program takes too long; on the timer's thread."""
        with self._lock:
            if self._state is not None:
                self._state.close()
                self._state = None
                self._place.state_is_sent()

    def _close_state(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
        if self._state is not None:
            self._state.close()
            self._state = None
        self._place.state_is_sent()
