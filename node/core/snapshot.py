"""Taking a snapshot of a peer: part after part, each asked for when the one before is stored.

The peer sends its state as it was at one clock. The parts are kept apart until the last one is there and everything
has been checked; then they are merged with what this replica has, in one step: no reader ever sees a part of it.
Asking part by part is what bounds the memory on both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.control import SnapshotGiven, SnapshotWanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions


class SnapshotLimits(NamedTuple):
    """How long a part may take, how often it is asked for, and the pause after a failure."""

    part_ms: int = 5_000
    tries: int = 3
    pause_ms: int = 2_000


class SnapshotProgress(NamedTuple):
    """A snapshot on its way: from which node, and what has come so far."""

    peer: str
    parts: int
    keys: int


class SnapshotTaker:
    """One snapshot at a time; time comes in with each call, in milliseconds that never go back."""

    def __init__(self, limits: SnapshotLimits, new_name: Callable[[], str]) -> None:
        """``new_name`` makes names that nobody guesses: a part must bear the name of its request."""
        self._limits = limits
        self._new_name = new_name
        self._request = ""
        self._peer = ""
        self._failed_peer = ""
        self._clock: VectorClock | None = None
        self._part = 0
        self.keys = 0
        """How many keys the parts had, of the snapshot under way or the last one."""
        self._asked_ms = 0
        self._tries = 0
        self._pause_until_ms: int | None = None

    @property
    def progress(self) -> SnapshotProgress | None:
        """What is under way; None when nothing is."""
        return None if not self._request else SnapshotProgress(self._peer, self._part, self.keys)

    def begin(self, peers: Sequence[str], replica: str, now_ms: int) -> tuple[str, SnapshotWanted] | None:
        """Ask one of these nodes for a snapshot, unless one is under way or one has just failed."""
        if self._request or not peers:
            return None
        if self._pause_until_ms is not None and now_ms < self._pause_until_ms:
            return None
        # In turn, so that two which fail do not hide a third one.
        following = [peer for peer in peers if peer > self._failed_peer]
        self._request, self._peer = self._new_name(), min(following or peers)
        self._clock = None
        self._part = self.keys = 0
        return self._ask(replica, now_ms, tries=1)

    def _ask(self, replica: str, now_ms: int, tries: int) -> tuple[str, SnapshotWanted]:
        self._asked_ms, self._tries = now_ms, tries
        return self._peer, SnapshotWanted(replica, self._request, self._part)

    def overdue(self, replica: str, now_ms: int) -> tuple[str, SnapshotWanted] | None:
        """Ask again for a part that did not come; gives the peer up when it has not answered several times."""
        if not self._request or now_ms - self._asked_ms < self._limits.part_ms:
            return None
        if self._tries >= self._limits.tries:
            self.give_up(now_ms)
            return None
        return self._ask(replica, now_ms, self._tries + 1)

    def give_up(self, now_ms: int) -> None:
        """Forget the snapshot under way; the next one is asked of somebody else, after a pause."""
        self._failed_peer = self._peer
        self._request = ""
        self._pause_until_ms = now_ms + self._limits.pause_ms

    def expects(self, given: SnapshotGiven) -> bool:
        """Whether this is the part that was asked for; anything else is late, doubled or made up."""
        return bool(self._request) and given.request == self._request and given.part == self._part

    def flaw(self, given: SnapshotGiven) -> str | None:
        """What is impossible about an expected part; None when nothing is."""
        if self._clock is not None and given.clock != self._clock:
            return "its clock changed between two parts"
        if not given.entries and not given.is_last:
            return "a part that is empty, and not the last one"
        for key, versions in given.entries:
            if (flaw := _flaw_of(versions, given)) is not None:
                return f"key {key[:80]!r}: {flaw}"
        return None

    def received(self, given: SnapshotGiven, replica: str, now_ms: int) -> tuple[str, SnapshotWanted] | None:
        """A part was stored: ask for the next one; None after the last."""
        self._clock = given.clock
        self._part += 1
        self.keys += len(given.entries)
        if given.is_last:
            self._request = ""
            self._failed_peer = ""
            return None
        return self._ask(replica, now_ms, tries=1)


def _flaw_of(versions: Versions, given: SnapshotGiven) -> str | None:
    if not versions:
        return "no version"
    replicas = set()
    for version in versions:
        if version.timestamp > given.timestamp:
            return f"version {version.dot} is dated later than anything that the snapshot contains"
        if not version.clock <= given.clock or not given.clock.covers(version.dot):
            return f"version {version.dot} is not among the writes of the snapshot's clock"
        if version.clock[version.dot.replica] != version.dot.seq:
            return f"the clock of version {version.dot} does not hold its own dot"
        replicas.add(version.dot.replica)
    if len(replicas) != len(versions):
        return "two versions of one replica"
    return None
