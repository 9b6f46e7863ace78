"""The judge of a crash test: what clients were told, against what the stores hold.

It rebuilds, from the history alone, what every key must show, and holds each answer of the run against it. It knows
happened-before only by the clocks that travelled with the writes, and nothing of the node's own code.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tests.support.load import COUNTER, Outcome, counter_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.integration.crash.stored import StoredWrite
    from tests.support.load import Clock, ReadRecord, Records, WriteRecord


def node_of(replica: str) -> str:
    """The node of a replica id."""
    return replica.partition("~")[0]


class Audit:
    """Everything that was ever stored, and every record so far; grows round by round."""

    def __init__(self) -> None:
        self.clock: Clock = {}
        """The writes known so far, by replica."""
        self._by_dot: dict[tuple[str, int], StoredWrite] = {}
        self._by_value: dict[str, StoredWrite] = {}
        self._by_key: dict[str, dict[str, list[StoredWrite]]] = defaultdict(lambda: defaultdict(list))
        self._answered: set[tuple[str, int]] = set()
        self._asked: dict[str, WriteRecord] = {}
        self._stored: Counter[str] = Counter()
        self._acknowledged: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def add(self, writes: Iterable[StoredWrite]) -> None:
        """Writes that history holds now: each replica's follow on without a hole, and no value stands in two."""
        for write in writes:
            assert write.seq == self.clock.get(write.replica, 0) + 1, f"a hole in history before {write}"
            assert write.clock[write.replica] == write.seq, write
            self.clock[write.replica] = write.seq
            self._by_dot[write.replica, write.seq] = write
            self._by_key[write.key][write.replica].append(write)
            self._stored[node_of(write.replica)] += 1
            if write.value is not None:
                first = self._by_value.setdefault(write.value, write)
                assert first is write, f"one request was carried out twice: {first} and {write}"

    def judge(self, records: Records) -> None:
        """Hold what clients asked and were told against the history, which must hold all that was acknowledged."""
        for record in records.writes:
            self._count(record)
            if record.outcome is Outcome.ACKNOWLEDGED:
                self._judge_acknowledged(record)
        for node, stored in self._stored.items():
            least, most = self._acknowledged[node], self._acknowledged[node] + self._unknown[node]
            assert least <= stored <= most, f"{node} made {stored} writes, clients asked it for {least} to {most}"
        self._judge_values()
        for read in records.reads:
            self._judge_read(read)

    def unknown_and_stored(self, records: Records) -> tuple[int, int]:
        """How many puts had an unknown outcome, and how many of those took effect."""
        unknown = [r.value for r in records.writes if r.outcome is Outcome.UNKNOWN and r.value is not None]
        return len(unknown), sum(value in self._by_value for value in unknown)

    def siblings(self, key: str, within: Mapping[str, int]) -> list[StoredWrite]:
        """What a key must show where exactly ``within`` is applied, winner first.

        Of each replica only its last write of the key matters: it covers those before it.
        """
        latest = self._latest(key, within)
        puts = [w for w in latest if w.value is not None and not any(o is not w and o.covers(w) for o in latest)]
        return sorted(puts, key=lambda write: write.rank, reverse=True)

    def count(self, key: str) -> int:
        """How many writes there are of a key."""
        return sum(len(writes) for writes in self._by_key[key].values())

    def _latest(self, key: str, within: Mapping[str, int]) -> list[StoredWrite]:
        latest = []
        for replica, writes in self._by_key[key].items():
            place = bisect_right(writes, within.get(replica, 0), key=lambda write: write.seq)
            if place:
                latest.append(writes[place - 1])
        return latest

    # --------------------------------------------------------------------------------- judging

    def _count(self, record: WriteRecord) -> None:
        self._acknowledged[record.node] += record.outcome is Outcome.ACKNOWLEDGED
        self._unknown[record.node] += record.outcome is Outcome.UNKNOWN
        if record.value is not None:
            self._asked[record.value] = record

    def _judge_increment(self, record: WriteRecord) -> None:
        """The name of its request says which write it was; its answer showed the counter, which others moved on."""
        write = self._by_value.get(record.value or "")
        assert write is not None, f"lost: {record} was acknowledged"
        assert _is_within(write.clock, record.clock), f"the token does not cover {write}: {record}"
        assert _is_within(record.context, write.clock), f"not after what its client had seen: {record}"

    def _judge_acknowledged(self, record: WriteRecord) -> None:
        if record.key == counter_key(COUNTER):
            self._judge_increment(record)
            return
        # A node may have written under several incarnations, and its clock names them all.
        named = [(name, count) for name, count in record.clock.items() if node_of(name) == record.node]
        found = [dot for dot in named if dot in self._by_dot and self._by_dot[dot].clock == record.clock]
        assert len(found) == 1, f"lost: {record} was acknowledged as one of {named}"
        (dot,) = found
        assert dot not in self._answered, f"two requests were acknowledged as {dot}: {record}"
        self._answered.add(dot)
        write = self._by_dot[dot]
        assert (write.key, write.value) == (record.key, record.value), (record, write)
        assert _is_within(record.context, record.clock), f"not after what its client had seen: {record}"

    def _judge_values(self) -> None:
        """Nobody's value, a refused one, or one under another key or node, must not be there."""
        for value, write in self._by_value.items():
            record = self._asked.get(value)
            assert record is not None, f"nobody asked for {write}"
            assert record.outcome is not Outcome.REFUSED, f"{write} took effect although refused: {record}"
            assert (record.node, record.key) == (node_of(write.replica), write.key), (record, write)

    def _judge_read(self, read: ReadRecord) -> None:
        assert _is_within(read.context, read.clock), f"the token went back: {read}"
        if read.value is None:
            # A miss tells the node's whole clock: a cut in which the key must have had no value.
            expected = self.siblings(read.key, read.clock)
            assert not expected, f"{read} missed {expected}"
            return
        shown = self._by_value.get(read.value)
        assert shown is not None, f"{read} showed a write that is nowhere"
        assert shown.key == read.key, (read, shown)
        assert _is_within(shown.clock, read.clock), f"the token does not cover what was shown: {read}"
        stale = [w for w in self._latest(read.key, read.context) if w is not shown and w.covers(shown)]
        assert not stale, f"{read} showed {shown}, but its client had seen {stale}"


def _is_within(clock: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return all(count <= other.get(replica, 0) for replica, count in clock.items())
