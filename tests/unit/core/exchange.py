"""A few replicas that hear each other's control messages, with a snapshot of each one's disk as a node gives it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from node.core.control import RepairGiven, SnapshotGiven, SnapshotWanted
from node.core.effects import GiveRepair, GiveSnapshot, Tell
from node.core.write import Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.control import ControlMessage
    from node.core.dot import Dot
    from node.core.effects import Effect
    from tests.support.dict_state import DictState
    from tests.unit.core.builders import Bench

PART_KEYS = 2
# Nothing that these replicas do takes so many messages: more is an exchange that never ends.
MESSAGES_MAX = 10_000


class Exchange:
    """The control network of these replicas: it loses nothing unless told to."""

    def __init__(self, *benches: Bench) -> None:
        self.benches = {bench.node: bench for bench in benches}
        self.is_lost: set[str] = set()
        """What these nodes send does not arrive."""
        self.sent: list[ControlMessage] = []
        self.effects: dict[str, list[Effect]] = {bench.node: [] for bench in benches}
        """Everything that each replica had done, in order."""
        self._wire: deque[tuple[str, ControlMessage]] = deque()
        self._snapshots: dict[tuple[str, str], DictState] = {}

    @property
    def writes_given(self) -> list[Dot]:
        """The writes that repair handed out, in order, repetitions included."""
        given = (message for message in self.sent if isinstance(message, RepairGiven))
        return [write.dot for message in given for write in message.writes]

    def pass_time(self, time_ms: int, tick_ms: int = 500) -> None:
        """Let all tick, hear, and answer."""
        for _ in range(0, time_ms, tick_ms):
            for bench in self.benches.values():
                self.carry_out(bench, bench.tick(tick_ms))
            self._deliver()

    def carry_out(self, bench: Bench, effects: Sequence[Effect]) -> None:
        """Do what a replica wants to have done, as far as it is about control messages."""
        self.effects[bench.node] += effects
        for effect in effects:
            match effect:
                case Tell(target, message):
                    self._send(bench, target, message)
                case GiveRepair(target, wanted, entries):
                    writes = tuple(entry for entry in entries if isinstance(entry, Write))
                    self._send(bench, target, RepairGiven(bench.replica.replica, wanted.request, wanted.origin, writes))
                case GiveSnapshot(target, wanted):
                    self._send(bench, target, self._part(bench, wanted))
                case _:
                    pass

    def _send(self, bench: Bench, target: str | None, message: ControlMessage) -> None:
        self.sent.append(message)
        assert len(self.sent) < MESSAGES_MAX, "an exchange that never ends"
        if bench.node not in self.is_lost:
            targets = [node for node in self.benches if node != bench.node] if target is None else [target]
            self._wire.extend((node, message) for node in targets if node in self.benches)

    def _part(self, bench: Bench, wanted: SnapshotWanted) -> SnapshotGiven:
        name = (bench.node, wanted.request)
        disk = self._snapshots[name] = bench.disk.copy() if wanted.part == 0 else self._snapshots[name]
        keys = sorted(disk.values)
        first, following = wanted.part * PART_KEYS, (wanted.part + 1) * PART_KEYS
        entries = tuple((key, disk.values[key]) for key in keys[first:following])
        is_last = following >= len(keys)
        return SnapshotGiven(
            bench.replica.replica, wanted.request, wanted.part, disk.clock, disk.timestamp, entries, is_last
        )

    def _deliver(self) -> None:
        while self._wire:
            node, message = self._wire.popleft()
            bench = self.benches[node]
            self.carry_out(bench, bench.hear(message))
