"""Lost and restored disks, and when a schedule may lose one.

A write whose only copy is lost is lost: no store can help that, and what depended on it would wait for ever. So that
everything stays checkable, a disk is wiped or put back only while each write that would vanish with it is on the disk
of another node, applied or in its causal buffer. So every committed write is on the disk of some member at any
moment, whatever happens to queues and connections, and must be everywhere in the end. The losing node's process, its
name, its outbox, and what its peers believe of it are at risk all the same, and those are what is tested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.dot import replica_id
from tests.simulation.coverage import Seen
from tests.simulation.durable_state import DurableState

if TYPE_CHECKING:
    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.world import World


class Disks:
    """The shelf that disks and their copies come from."""

    def __init__(self, world: World) -> None:
        self._world = world

    def fresh(self, name: str) -> DurableState:
        """An empty disk, with a name that was never used."""
        return DurableState(replica_id(name, self._world.new_name()))

    def is_spare(self, node: SimulatedNode, replacement: DurableState | None = None) -> bool:
        """Whether nothing vanishes from the cluster when the node goes on with ``replacement`` (None: with nothing)."""
        elsewhere = 0 if replacement is None else self._contents(replacement)
        for other in self._world.members():
            if other is not node:
                elsewhere |= self._contents(other.disk)
        return not self._contents(node.disk) & ~elsewhere

    def _contents(self, disk: DurableState) -> int:
        contents = disk.applied
        for dot in disk.held:
            index = self._world.oracle.index_of(dot)
            if index is not None:
                contents |= 1 << index
        return contents

    def lose(self, node: SimulatedNode) -> bool:
        """The data directory is deleted while the process is down; False when too much would vanish."""
        if not (node.may_be_stopped and self.is_spare(node)):
            return False
        self._stop(node)
        self._world.coverage[Seen.DISK_LOST] += 1
        node.note("LOSES ITS DISK")
        self._swap(node, self.fresh(node.name), is_fresh=True)
        return True

    def restore(self, node: SimulatedNode, copy: DurableState) -> bool:
        """An old copy of the data directory is put back; False when too much would vanish."""
        if not (node.may_be_stopped and self.is_spare(node, copy)):
            return False
        self._stop(node)
        self._world.coverage[Seen.DISK_RESTORED] += 1
        self._world.coverage[Seen.DISK_RESTORED_BEHIND] += copy.clock[copy.replica] < node.disk.clock[copy.replica]
        node.note(f"GETS AN OLD COPY OF ITS DISK: {copy.clock} of {node.disk.clock}")
        self._swap(node, copy.copy(), is_fresh=False)
        return True

    def renew(self, node: SimulatedNode) -> None:
        """A node that was taken out gets an empty disk."""
        self._swap(node, self.fresh(node.name), is_fresh=True)

    def _swap(self, node: SimulatedNode, disk: DurableState, *, is_fresh: bool) -> None:
        node.disk, node.is_fresh, node.had_other_disks = disk, is_fresh, True

    def _stop(self, node: SimulatedNode) -> None:
        if node.replica is not None:
            node.crash(Seen.CRASH_IDLE)
