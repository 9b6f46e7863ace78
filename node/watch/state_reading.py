"""Reading the whole state of one causal cut, a part at a time, for a watcher that asked for it."""

from __future__ import annotations

import contextlib
from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import Raw

from node.clocks import wall_ms
from node.core.places import CounterPlace, MemberPlace, key_of
from node.core.vector_clock import VectorClock
from node.core.versions import counted
from node.watch.events import END_OF_INITIAL_STATE, CounterState, SetState, event_text, named, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from node.core.places import Place
    from node.core.versions import Versions
    from node.store import Store
    from node.watch.events import Change

SET_PART_MEMBERS = 1_000
SET_PART_BYTES = 256 * 1024


class StateReading:
    """One cut that is being sent. As long as it is open the database keeps what the cut shows: close it."""

    def __init__(self, store: Store, prefix: str, shown: Callable[[VectorClock], list[int]]) -> None:
        """Open the cut. Raises StoreCorruptedError."""
        self._prefix = prefix
        self._shown = shown
        self.keys = 0
        self._open = contextlib.ExitStack()
        self._cut = self._open.enter_context(store.reader())
        self.contents = self._all_contents()
        """What is there, each as it is told; in the end ``keys`` says how many keys that were."""
        self.clock = self._cut.clock()
        """The writes that the state contains."""
        self.is_ended = False
        """Whether the event that ends the state was given."""

    def close(self) -> None:
        """Let the database reuse its pages."""
        self.contents.close()
        self._open.close()

    def next_part(self, part_bytes: int) -> tuple[bytes, int]:
        """The next events, and how many; about ``part_bytes``, more when one alone is larger.

        Raises StoreCorruptedError.
        """
        part: list[bytes] = []
        size_bytes = 0
        while size_bytes < part_bytes:
            content = next(self.contents, None)
            if content is None:
                part.append(named(END_OF_INITIAL_STATE, {"keys": self.keys}, self.clock))
                self.is_ended = True
                break
            part.append(event_text(content))
            size_bytes += len(part[-1])
        return b"".join(part), len(part)

    def _all_contents(self) -> Generator[Change | CounterState | SetState, None, None]:
        now_ms = wall_ms()
        for key, versions in self._cut.scan(self._prefix, ""):
            self.keys += 1
            for version in versions:
                yield value_of(key, version, self._shown, now_ms)
        for (kind, key), entries in groupby(self._cut.counters_and_members(), _type_and_key):
            if key.startswith(self._prefix):
                self.keys += 1
                about = self._counter if kind is CounterPlace else self._set
                yield from about(key, entries)

    def _counter(self, key: str, entries: Iterable[tuple[Place, Versions]]) -> Iterator[CounterState]:
        for _, shares in entries:
            yield CounterState(key=key, value=counted(shares), vc=self._shown(_merged(shares)))

    def _set(self, key: str, entries: Iterable[tuple[Place, Versions]]) -> Iterator[SetState]:
        members: list[Raw] = []
        clock, size_bytes = VectorClock(), 0
        for place, versions in entries:
            if isinstance(place, MemberPlace):
                members.append(Raw(place.member))
                clock = clock.merge(_merged(versions))
                size_bytes += len(place.member)
            if len(members) >= SET_PART_MEMBERS or size_bytes >= SET_PART_BYTES:
                yield SetState(key=key, members=members, vc=self._shown(clock))
                members, clock, size_bytes = [], VectorClock(), 0
        if members:
            yield SetState(key=key, members=members, vc=self._shown(clock))


def _type_and_key(entry: tuple[Place, Versions]) -> tuple[type, str]:
    return type(entry[0]), key_of(entry[0])


def _merged(versions: Versions) -> VectorClock:
    clock = VectorClock()
    for version in versions:
        clock = clock.merge(version.clock)
    return clock
