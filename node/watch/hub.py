"""The thread that serves all watchers: it reads what is new from history, once for all who are up to date.

One turn: what is new for those who are up to date; then a part each for some who are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from node.core.vector_clock import VectorClock
from node.errors import StoreError
from node.watch.admission import Admission, Place
from node.watch.catching_up import CatchingUp, part_between
from node.watch.events import beginning
from node.watch.merging import is_forgotten
from node.watch.stream import Block, Stream
from node.watch.stream_hub import KEEP_ALIVE_SECONDS, StreamHub, Ticket
from node.watch.watcher import LiveWatchers, Watcher, Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.store import Store
    from node.store.reader import StoreReader
    from node.watch.metrics import WatchMetrics

log = structlog.get_logger("causalkv.watch")


class WatchHub(StreamHub[Wish, Place, Watcher]):
    """All watchers of a node; ``moved``, ``admit`` and the tickets from any thread."""

    def __init__(
        self,
        store: Store,
        shown: Callable[[VectorClock], list[int]],
        metrics: WatchMetrics,
        *,
        max_watchers: int,
        max_states: int,
        limit_reached: Callable[[str], None],
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        super().__init__("watch", keep_alive_seconds)
        self._store = store
        self._metrics = metrics
        self._admission = Admission(max_watchers, max_states, limit_reached)
        metrics.watchers.set_function(lambda: self.watchers)
        self._live = LiveWatchers(shown, metrics)
        self._catching_up = CatchingUp(store, shown, metrics, self._live, max_states)
        self._position = VectorClock()

    # ------------------------------------------------------------------------ from any thread

    @property
    def watchers(self) -> int:
        """How many clients watch, or are about to."""
        return self._admission.watchers

    def moved(self) -> None:
        """Something was committed; called by the replica's thread, for which it must cost next to nothing."""
        if self._admission.watchers:
            self.wake()

    def admit(self, wish: Wish) -> Ticket[Wish, Place]:
        """Let one more client watch. Raises UnavailableError when a limit is reached."""
        return Ticket(self, wish, self._admission.admit(wants_state=wish.position is None))

    # -------------------------------------------------------------------------- the own thread

    def _go_on(self) -> None:
        try:
            super()._go_on()
        except StoreError as error:
            log.error(  # noqa: TRY400  # it says all
                "watchers were cut off: the local store cannot be read",
                reason=str(error),
                what_to_do="check the disk of the data directory; clients come again by themselves",
            )
            self._lose_everybody()

    def _open(self, wish: Wish, place: Place, stream: Stream) -> Watcher:
        watcher = Watcher(wish, place, stream)
        stream.send(Block(beginning(wish.position)))
        self._catching_up.add(watcher)
        return watcher

    def _gone(self, client: Watcher) -> None:
        self._live.remove(client)
        self._catching_up.remove(client)
        if client.stream.was_too_slow:
            self._metrics.cut_off.inc()

    def _somebody_waits(self) -> bool:
        return bool(self._catching_up)

    def _keep_alive(self) -> None:
        self._live.keep_alive(self._position)
        self._catching_up.keep_alive()

    def _advance(self) -> bool:
        with self._store.reader() as cut:
            more = self._advance_live(cut)
            return self._catching_up.go_on(cut, self._position) or more

    def _advance_live(self, cut: StoreReader) -> bool:
        """Send what is new to those who are up to date; returns whether there is more."""
        now = cut.clock()
        if not self._live:
            self._position = now
        elif is_forgotten(cut, self._position):
            self._reset_all(now)
        else:
            steps, self._position = part_between(cut, self._position, now)
            self._live.send(steps)
        return self._position != now

    def _reset_all(self, now: VectorClock) -> None:
        """History lacks what comes next: a snapshot was merged, or it was trimmed faster than it could be read."""
        self._position = now
        for watcher in list(self._live):
            self._metrics.resets.inc()
            watcher.reset(now)
            if watcher.position is None:
                self._live.remove(watcher)
                self._catching_up.add(watcher)
