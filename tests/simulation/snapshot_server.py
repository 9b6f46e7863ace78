"""Giving snapshots, as the shell does: a read transaction from part 0 on, kept for a while, read part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.control import SnapshotGiven
from tests.simulation.coverage import Seen

if TYPE_CHECKING:
    from node.core.control import SnapshotWanted
    from node.core.places import Place
    from tests.simulation.durable_state import DurableState
    from tests.simulation.world import World

SERVED_AT_A_TIME = 2


class _Served(NamedTuple):
    disk: DurableState
    keys: list[Place]
    until_us: int


class SnapshotServer:
    """The snapshots that one process is giving."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._served: dict[str, _Served] = {}

    def forget(self) -> None:
        """The process died."""
        self._world.coverage[Seen.GIVER_CRASHED] += bool(self._served)
        self._served.clear()

    def part(self, disk: DurableState, wanted: SnapshotWanted) -> SnapshotGiven | None:
        """A part; None when this process does not know the snapshot (any more)."""
        now_us = self._world.scheduler.now_us
        self._served = {name: served for name, served in self._served.items() if served.until_us > now_us}
        served = self._served.get(wanted.request)
        if served is None:
            if wanted.part or len(self._served) >= SERVED_AT_A_TIME:
                self._world.coverage[Seen.SNAPSHOT_NOT_GIVEN] += 1
                return None
            copy = disk.copy()
            served = _Served(copy, sorted(copy.versions, key=repr), now_us)
        # It is kept so long after each request: a large one takes its time.
        self._served[wanted.request] = served._replace(until_us=now_us + self._world.plan.snapshot_kept_us)
        size = self._world.plan.snapshot_part_keys
        keys = served.keys[wanted.part * size : (wanted.part + 1) * size]
        return SnapshotGiven(
            disk.replica,
            wanted.request,
            wanted.part,
            served.disk.clock,
            served.disk.timestamp,
            tuple((key, served.disk.versions[key]) for key in keys),
            is_last=(wanted.part + 1) * size >= len(served.keys),
        )
