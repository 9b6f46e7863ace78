"""Gap repair: noticing that writes are missing, and asking for exactly those, from whoever has them.

Every replica tells its clock about once a second. Whoever is behind what another has applied, or holds a write whose
dependency is not here, waits a while: mostly the message is on its way. When nothing of that origin arrives within the
limit, it asks one replica that has it for the first missing writes; one request for each origin at a time, to
another replica each time, after growing pauses. When nothing is missing, nothing is asked.

When nobody's history reaches back to what is missing, the answer is a snapshot (``snapshot.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.control import RepairWanted
from node.core.dot import Dot
from node.core.vector_clock import SequenceRange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from node.core.causal_buffer import CausalBuffer
    from node.core.control import RepairGiven
    from node.core.members import Peer


class RepairLimits(NamedTuple):
    """When repair begins, how much is asked for at a time, and how long an answer may take."""

    after_ms: int = 2_000
    request_max_writes: int = 2_000
    answer_max_bytes: int = 512 * 1024
    request_max_ranges: int = 8
    answer_ms: int = 1_000
    answer_max_ms: int = 16_000
    snapshot_from_writes: int = 100_000
    """So many missing writes are taken as a snapshot, also when their history is kept."""


class Request(NamedTuple):
    """Ask node ``peer``."""

    peer: str
    wanted: RepairWanted


class Due(NamedTuple):
    """What repair wants now: requests to make; with ``snapshot_from``, a snapshot of one of these nodes."""

    requests: Sequence[Request]
    snapshot_from: Sequence[str] = ()


class View(NamedTuple):
    """What a replica has, and what it knows of the others, at a moment of its steady time."""

    replica: str
    applied: Mapping[str, int]
    buffer: CausalBuffer
    peers: Mapping[str, Peer]
    now_ms: int


class _Gap:
    """What is known of one origin that this replica is behind of."""

    __slots__ = ("answer_until_ms", "asked", "attempts", "count", "is_answered", "since_ms")

    def __init__(self, count: int, now_ms: int) -> None:
        self.count = count
        self.since_ms = now_ms
        self.attempts = 0
        self.answer_until_ms: int | None = None
        self.is_answered = False
        self.asked: RepairWanted | None = None


class Repairer:
    """Decides what to ask whom; time comes in with each call, in milliseconds of a clock that never goes back."""

    def __init__(self, limits: RepairLimits, new_name: Callable[[], str]) -> None:
        """``new_name`` makes names that nobody guesses: an answer must bear the name of its request."""
        self._limits = limits
        self._new_name = new_name
        self._gaps: dict[str, _Gap] = {}

    @property
    def gaps(self) -> dict[str, int]:
        """The origins that this replica is behind of, with how many times it has asked."""
        return {origin: gap.attempts for origin, gap in self._gaps.items()}

    def due(self, view: View) -> Due:
        """What to ask for now."""
        applied, peers = view.applied, view.peers
        targets = _targets(view)
        for origin in [origin for origin in self._gaps if origin not in targets]:
            del self._gaps[origin]
        requests: list[Request] = []
        out_of_reach: set[str] = set()
        is_waited_for = False
        for origin, target in targets.items():
            count = applied.get(origin, 0)
            gap = self._gaps.setdefault(origin, _Gap(count, view.now_ms))
            if not self._is_time(gap, count, view.now_ms):
                continue
            is_waited_for = True
            having = [node for node, peer in peers.items() if peer.clock[origin] > count]
            keeping = [node for node in having if peers[node].trimmed[origin] <= count]
            if keeping:
                requests += self._request(view, origin, target, keeping)
            else:
                out_of_reach.update(having)
        is_far_behind = missing_writes(view) >= self._limits.snapshot_from_writes
        if is_waited_for and not out_of_reach and is_far_behind:
            ahead = (node for node, peer in peers.items() if any(peer.clock[o] > applied.get(o, 0) for o in targets))
            out_of_reach.update(ahead)
        return Due(requests, sorted(out_of_reach))

    def _is_time(self, gap: _Gap, count: int, now_ms: int) -> bool:
        if count > gap.count:
            gap.count, gap.since_ms = count, now_ms
            if gap.answer_until_ms is None:
                return False  # it came by itself: more may be on its way
            if gap.is_answered:
                gap.attempts, gap.answer_until_ms = 0, None
                return True  # the rest is asked for at once
            # Held writes were let through, or a queue moves: the open request's answer is still to come.
        if count < gap.count:
            # A commit failed, and what had come is gone again.
            gap.count, gap.since_ms, gap.attempts, gap.answer_until_ms = count, now_ms, 0, None
        if gap.answer_until_ms is not None:
            return now_ms >= gap.answer_until_ms
        return now_ms - gap.since_ms >= self._limits.after_ms

    def _request(self, view: View, origin: str, target: int, keeping: list[str]) -> list[Request]:
        gap = self._gaps[origin]
        peer = sorted(keeping)[gap.attempts % len(keeping)]
        last = min(target, view.peers[peer].clock[origin], gap.count + self._limits.request_max_writes)
        ranges = _ranges([seq for seq in range(gap.count + 1, last + 1) if Dot(origin, seq) not in view.buffer])
        gap.attempts += 1
        wait_ms = self._limits.answer_ms << min(gap.attempts - 1, 10)
        gap.answer_until_ms = view.now_ms + min(wait_ms, self._limits.answer_max_ms)
        gap.is_answered = not ranges
        if not ranges:
            return []
        gap.asked = RepairWanted(view.replica, self._new_name(), origin, ranges[: self._limits.request_max_ranges])
        return [Request(peer, gap.asked)]

    def expects(self, given: RepairGiven) -> bool:
        """Whether these writes answer the request that is open for their origin, and are among what it names."""
        gap = self._gaps.get(given.origin)
        if gap is None or gap.is_answered or gap.asked is None or gap.asked.request != given.request:
            return False
        ranges = gap.asked.ranges
        return all(
            write.dot.replica == given.origin and any(first <= write.dot.seq <= last for first, last in ranges)
            for write in given.writes
        )

    def answered(self, given: RepairGiven) -> None:
        """An expected answer was taken: nothing is open for its origin any more."""
        gap = self._gaps.get(given.origin)
        if gap is not None:
            gap.is_answered = True


def missing_writes(view: View) -> int:
    """How many writes exist, as far as is known here, that this replica has not applied."""
    return sum(target - view.applied.get(origin, 0) for origin, target in _targets(view).items())


def _targets(view: View) -> dict[str, int]:
    """How far each origin is known to go, where that is beyond what is applied here."""
    targets: dict[str, int] = {}
    told = [peer.clock.items() for peer in view.peers.values()]
    for counts in (*told, view.buffer.known.items()):
        for origin, count in counts:
            if count > max(view.applied.get(origin, 0), targets.get(origin, 0)) and origin != view.replica:
                targets[origin] = count
    return targets


def _ranges(seqs: list[int]) -> tuple[SequenceRange, ...]:
    """Rising numbers as ranges."""
    ranges: list[SequenceRange] = []
    for seq in seqs:
        if ranges and ranges[-1].last == seq - 1:
            ranges[-1] = SequenceRange(ranges[-1].first, seq)
        else:
            ranges.append(SequenceRange(seq, seq))
    return tuple(ranges)
