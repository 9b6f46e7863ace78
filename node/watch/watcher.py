"""One watcher, and those who are up to date, who get what is new from the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.watch.events import RESET, WriteEvents, keep_alive, named
from node.watch.stream import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from node.core.vector_clock import VectorClock
    from node.watch.admission import Place
    from node.watch.merging import Step
    from node.watch.metrics import WatchMetrics
    from node.watch.state_reading import StateReading
    from node.watch.stream import Stream

RESET_TEXT = (
    "this node's history does not reach back to the last event that you have: changes are left out here; "
    "read the state again, or watch with initial=true"
)


class Wish(NamedTuple):
    """What a client wants to see: changes of keys that begin with ``prefix``, all that follows ``position``.

    Without a position the whole state comes first. ``wants_state``: it comes after a reset, too.
    """

    prefix: str
    position: VectorClock | None
    wants_state: bool


class Watcher:
    """One client; for the hub's thread."""

    def __init__(self, wish: Wish, place: Place, stream: Stream) -> None:
        self.prefix = wish.prefix
        self.wants_state = wish.wants_state
        self.position = wish.position
        """What it has, until it is up to date; None: nothing, and the state comes first."""
        self.state: StateReading | None = None
        self.place = place
        self.stream = stream

    def reset(self, position: VectorClock) -> None:
        """Tell the client that it misses something, and what follows begins behind ``position``."""
        self.stream.send(Block(named(RESET, {"error": RESET_TEXT}, position)))
        self.position = None if self.wants_state else position


class LiveWatchers:
    """The watchers that are up to date: all at one position, so that what is new is put into words once."""

    def __init__(self, shown: Callable[[VectorClock], list[int]], metrics: WatchMetrics) -> None:
        self._shown = shown
        self._metrics = metrics
        self._by_prefix: dict[str, set[Watcher]] = {}

    def __iter__(self) -> Iterator[Watcher]:
        return (watcher for group in self._by_prefix.values() for watcher in group)

    def __bool__(self) -> bool:
        return bool(self._by_prefix)

    def add(self, watcher: Watcher) -> None:
        """From now on it gets what is new."""
        self._by_prefix.setdefault(watcher.prefix, set()).add(watcher)

    def remove(self, watcher: Watcher) -> None:
        """It gets nothing more; nothing happens when it is not here."""
        group = self._by_prefix.get(watcher.prefix, set())
        group.discard(watcher)
        if not group:
            self._by_prefix.pop(watcher.prefix, None)

    def send(self, steps: Sequence[Step]) -> None:
        """Send these writes to those whom they concern."""
        writes = [WriteEvents(step, self._shown) for step in steps]
        for prefix, group in self._by_prefix.items():
            block, events = block_about(writes, prefix)
            if events:
                for watcher in group:
                    watcher.stream.send(block)
                self._metrics.events.inc(events * len(group))

    def keep_alive(self, position: VectorClock) -> None:
        """Show that the connections live, and that all is told up to here."""
        block = Block(keep_alive(position))
        for watcher in self:
            watcher.stream.send(block)


def block_about(writes: Sequence[WriteEvents], prefix: str) -> tuple[Block, int]:
    """The events of these writes on keys that begin with ``prefix``, and how many they are."""
    texts, counts = zip(*(write.about(prefix) for write in writes), strict=True) if writes else ((), ())
    return Block(b"".join(texts)), sum(counts)
