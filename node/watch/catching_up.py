"""Bringing watchers up to date, a part at a time and in turn: the state, or what they missed, from history."""

from __future__ import annotations

import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from node.watch.events import WriteEvents, keep_alive
from node.watch.merging import is_forgotten, steps_between
from node.watch.state_reading import StateReading
from node.watch.stream import Block
from node.watch.watcher import block_about

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.vector_clock import VectorClock
    from node.store import Store
    from node.store.reader import StoreReader
    from node.watch.merging import Step
    from node.watch.metrics import WatchMetrics
    from node.watch.watcher import LiveWatchers, Watcher

PART_WRITES = 500
PART_BYTES = 256 * 1024
# Who has so much unsent gets no further part.
ROOM_BYTES = 256 * 1024
# Those who are up to date wait meanwhile.
TURN_SECONDS = 0.02


def part_between(cut: StoreReader, after: VectorClock, until: VectorClock) -> tuple[list[Step], VectorClock]:
    """Some writes between two positions, in causal order, and the position behind them: ``until`` when that is all.

    About ``PART_BYTES``, more when one write alone is larger.
    """
    part: list[Step] = []
    size_bytes = 0
    steps = steps_between(cut, after, until)
    for step in islice(steps, PART_WRITES):
        part.append(step)
        size_bytes += len(step.write.encoded)
        if size_bytes >= PART_BYTES:
            break
    return part, part[-1].position if part else until


class CatchingUp:
    """The watchers that are not up to date; for the hub's thread."""

    def __init__(
        self,
        store: Store,
        shown: Callable[[VectorClock], list[int]],
        metrics: WatchMetrics,
        live: LiveWatchers,
        max_states: int,
    ) -> None:
        self._store = store
        self._shown = shown
        self._metrics = metrics
        self._live = live
        self._max_states = max_states
        self._open_states = 0
        self._watchers: deque[Watcher] = deque()

    def __bool__(self) -> bool:
        return bool(self._watchers)

    def add(self, watcher: Watcher) -> None:
        """Bring it up to date from where it is."""
        self._watchers.append(watcher)

    def remove(self, watcher: Watcher) -> None:
        """It is gone; nothing happens when it is not here."""
        self._close_state(watcher)
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def go_on(self, cut: StoreReader, position: VectorClock) -> bool:
        """Give some of them a part each; those who then stand at ``position``, where the others are, join them.

        ``cut`` covers it. Returns whether there is more to do at once. Raises StoreCorruptedError.
        """
        until = time.monotonic() + TURN_SECONDS
        more = False
        for _ in range(len(self._watchers)):
            watcher = self._watchers.popleft()
            if watcher.stream.is_open and watcher.stream.unsent_bytes < ROOM_BYTES:
                more |= self._step(watcher, cut, position)
            if watcher.position is not None and watcher.position == position:
                self._live.add(watcher)
            else:
                self._watchers.append(watcher)
            if time.monotonic() > until:
                return True
        return more

    def _step(self, watcher: Watcher, cut: StoreReader, position: VectorClock) -> bool:
        """One part for one watcher; False when it has to wait for others first."""
        if watcher.position is None:
            return self._send_state(watcher)
        if not watcher.position <= position:
            return False  # it came from further on than those who are up to date: they come there
        if is_forgotten(cut, watcher.position):
            self._metrics.resets.inc()
            watcher.reset(position)
            return True
        steps, watcher.position = part_between(cut, watcher.position, position)
        block, events = block_about([WriteEvents(step, self._shown) for step in steps], watcher.prefix)
        self._metrics.events.inc(events)
        watcher.stream.send(block)
        return True

    def _send_state(self, watcher: Watcher) -> bool:
        if watcher.state is None:
            if self._open_states >= self._max_states:
                return False
            self._open_states += 1
            watcher.state = StateReading(self._store, watcher.prefix, self._shown)
        part, events = watcher.state.next_part(PART_BYTES)
        self._metrics.events.inc(events)
        watcher.stream.send(Block(part))
        if watcher.state.is_ended:
            watcher.position = watcher.state.clock
            self._close_state(watcher)
        return True

    def _close_state(self, watcher: Watcher) -> None:
        watcher.place.state_is_sent()
        if watcher.state is not None:
            watcher.state.close()
            watcher.state = None
            self._open_states -= 1

    def keep_alive(self) -> None:
        """Show those that wait for their turn that the connection lives."""
        block = Block(keep_alive(None))
        for watcher in self._watchers:
            if not watcher.stream.unsent_bytes:
                watcher.stream.send(block)
