"""Reading: every answer comes from one causal cut of the store that includes what the reader has seen."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, NamedTuple, Protocol

from node.core.vector_clock import VectorClock
from node.core.versions import counted
from node.errors import AnswerTooLargeError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from node.core.versions import Versions
    from node.joining import Joining
    from node.store import Store, StoreReader

# What the answer to one request may hold of values: more is asked for in several.
ANSWER_MAX_BYTES = 16 * 1024 * 1024
PAGE_MAX_BYTES = 4 * 1024 * 1024


class ReadResult(NamedTuple):
    """The siblings of a key, winner first (empty: no value), and the clock that covers what was read.

    ``clock`` is the winner's clock for a hit and the node's clock for a miss.
    """

    versions: Versions
    clock: VectorClock


class Page(NamedTuple):
    """Keys, or members of a set, in byte order, with their versions; ``has_more``: others follow the last one."""

    entries: Sequence[tuple[str, Versions]]
    has_more: bool
    clock: VectorClock


class Conflicts(NamedTuple):
    """Keys with several versions; ``in_all``: how many there are."""

    page: Page
    in_all: int


class Counted(NamedTuple):
    """What a counter stands at, and the clock of the increments that are in it."""

    value: int
    clock: VectorClock


class CountsReads(Protocol):
    """Who is told of reads."""

    def __call__(self, *, hits: int, misses: int) -> None:
        """So many were read that had something, and so many that had not."""


class Reading:
    """The reads of one node; from any thread. ``wait_for(context, wait_seconds)`` waits, or raises why not.

    ``counted(hits=…, misses=…)`` is told what was read, and whether there was something.

    All methods raise ContextNotReachedError, LimitReachedError, StoreCorruptedError, UnavailableError (also while the
    node joins).
    """

    def __init__(
        self, store: Store, joining: Joining, wait_for: Callable[[VectorClock, float], None], counted: CountsReads
    ) -> None:
        self._counted = counted
        self._store = store
        self._joining = joining
        self._wait_for = wait_for

    @contextlib.contextmanager
    def cut(self, context: VectorClock, wait_seconds: float) -> Iterator[StoreReader]:
        """A causal cut that includes ``context``."""
        self._wait_for(context, wait_seconds)
        if self._joining.must_not_read:
            raise UnavailableError("this node is joining and has not caught up yet: use another node, or try again")
        with self._store.reader() as cut:
            yield cut

    def read(self, key: str, context: VectorClock, wait_seconds: float) -> ReadResult:
        """The siblings of a key."""
        with self.cut(context, wait_seconds) as cut:
            versions = cut.versions(key)
            clock = versions[0].clock if versions else cut.clock()
        self._counted(hits=bool(versions), misses=not versions)
        return ReadResult(versions, clock)

    def read_many(
        self, keys: Sequence[str], context: VectorClock, wait_seconds: float
    ) -> tuple[list[Versions], VectorClock]:
        """The siblings of several keys at the same moment, in their order, and the clock of that moment.

        Raises AnswerTooLargeError.
        """
        found = []
        size_bytes = 0
        with self.cut(context, wait_seconds) as cut:
            for key in keys:
                versions = cut.versions(key)
                size_bytes += len(versions[0].value) if versions else 0
                if size_bytes > ANSWER_MAX_BYTES:
                    raise AnswerTooLargeError(
                        f"the values have more than {ANSWER_MAX_BYTES} bytes together: ask for fewer keys at a time"
                    )
                found.append(versions)
            clock = cut.clock()
        hits = sum(map(bool, found))
        self._counted(hits=hits, misses=len(found) - hits)
        return found, clock

    def scan(self, prefix: str, after: str, limit: int, context: VectorClock, wait_seconds: float) -> Page:
        """The first keys with ``prefix`` behind ``after``: at most ``limit``, fewer when they are large."""
        with self.cut(context, wait_seconds) as cut:
            return _page(cut.scan(prefix, after), limit, cut.clock())

    def conflicts(self, after: str, limit: int, context: VectorClock, wait_seconds: float) -> Conflicts:
        """The first keys with several versions behind ``after``, in an order of their own that does not change."""
        with self.cut(context, wait_seconds) as cut:
            return Conflicts(_page(cut.conflicts(after), limit, cut.clock(), shows_all=True), cut.conflict_count())

    def counter(self, key: str, context: VectorClock, wait_seconds: float) -> Counted:
        """What a counter stands at; 0 when nobody incremented it."""
        with self.cut(context, wait_seconds) as cut:
            shares = cut.counter(key)
            total = _counted(shares, cut)
        self._counted(hits=bool(shares), misses=not shares)
        return total

    def counter_after_writing(self, key: str) -> Counted:
        """What a counter stands at, for whoever just incremented it here: a write that is done is answered as such.

        So also while the node joins or stops, when others are told to read elsewhere.
        """
        with self._store.reader() as cut:
            return _counted(cut.counter(key), cut)

    def members(self, key: str, after: str, limit: int, context: VectorClock, wait_seconds: float) -> Page:
        """The first members of a set behind ``after``, as canonical JSON texts."""
        with self.cut(context, wait_seconds) as cut:
            page = _page(cut.members(key, after), limit, cut.clock())
        if not after:  # a further page is the same read
            self._counted(hits=bool(page.entries), misses=not page.entries)
        return page


def _counted(shares: Versions, cut: StoreReader) -> Counted:
    clock = VectorClock()
    for share in shares:
        clock = clock.merge(share.clock)
    return Counted(counted(shares), clock if shares else cut.clock())


def _page(found: Iterator[tuple[str, Versions]], limit: int, clock: VectorClock, *, shows_all: bool = False) -> Page:
    """``shows_all``: all versions of a key are shown, and not the winner alone."""
    entries: list[tuple[str, Versions]] = []
    size_bytes = 0
    for entry in itertools.islice(found, limit + 1):
        key, versions = entry
        size_bytes += len(key) + sum(len(version.value) for version in (versions if shows_all else versions[:1]))
        if len(entries) >= limit or (entries and size_bytes > PAGE_MAX_BYTES):
            return Page(entries, has_more=True, clock=clock)
        entries.append(entry)
    return Page(entries, has_more=False, clock=clock)
