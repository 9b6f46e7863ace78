"""The person who takes nodes out of the cluster, and looks whether they are out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import events as core
from tests.simulation.coverage import Seen
from tests.simulation.requests import RemovalRequest

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.world import World

LOOKS_EVERY_US = 25_000


class Operator:
    """Removes every node that is gone, once, and again when nobody knows of it any more."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._forced: dict[str, bool] = {}
        self._living: set[str] = set()
        """Nodes that were taken out by force, and are not stopped yet."""
        self._out: set[str] = set()
        self._asked_us: dict[str, int] = {}

    @property
    def leaving(self) -> int:
        """How many nodes were taken out by force and live on."""
        return len(self._living)

    def stop(self, node: SimulatedNode) -> bool:
        """Stop a node for good, and take it out; False when something would vanish with it."""
        if not self._world.disks.is_spare(node):
            return False
        self._living.discard(node.name)
        node.is_gone = True
        if node.replica is not None:
            node.crash(Seen.CRASH_IDLE)
        self._out.discard(node.name)
        self._forced[node.name] = self._random.random() < 0.5
        self._look(node)
        return True

    def force_out(self, node: SimulatedNode) -> bool:
        """Take a node out while it lives; it is stopped as soon as nothing vanishes with it."""
        others = [other for other in self._world.members() if other.replica is not None and other is not node]
        if node.name in self._living or node.replica is None or not others:
            return False
        self._living.add(node.name)
        self._world.coverage[Seen.FORCED_OUT] += 1
        self._ask(self._random.choice(others), node, forced=True)
        self._stop_later(node)
        return True

    def _stop_later(self, node: SimulatedNode) -> None:
        if node.name in self._living and not (node.may_be_stopped and self.stop(node)):
            self._world.scheduler.after(LOOKS_EVERY_US, lambda: self._stop_later(node))

    def may_come_back(self, node: SimulatedNode) -> bool:
        """Whether its removal is through: all members are up and tell the same of it, and no request is on its way."""
        if node.name not in self._out or self._world.scheduler.now_us - self._asked_us[node.name] <= 2 * LOOKS_EVERY_US:
            return False
        replicas = [other.replica for other in self._world.members()]
        told = [
            {change for change in ([] if replica is None else replica.members.changes) if change.node == node.name}
            for replica in replicas
        ]
        return all(each == told[0] and each for each in told)

    @property
    def is_done(self) -> bool:
        """Whether nobody lists a node that is gone."""
        return not self._living and not any(self._listing(node) for node in self._world.nodes if node.is_gone)

    def _listing(self, node: SimulatedNode) -> list[SimulatedNode]:
        return [
            other
            for other in self._world.members()
            if other.replica is not None and node.name in other.replica.members.nodes
        ]

    def _look(self, node: SimulatedNode) -> None:
        if not node.is_gone:
            return
        up = [other for other in self._world.members() if other.replica is not None]
        asked = self._listing(node)
        # Those that know of the removal tell the others; it is asked for again only when it was lost.
        if asked and len(asked) == len(up):
            self._ask(self._random.choice(asked), node, forced=self._forced[node.name])
        self._world.scheduler.after(LOOKS_EVERY_US, lambda: self._look(node))

    def _ask(self, other: SimulatedNode, node: SimulatedNode, *, forced: bool) -> None:
        self._asked_us[node.name] = self._world.scheduler.now_us
        request = RemovalRequest(node.name)
        other.take(core.RemoveMember(request, node.name, forced, other.steady_ms(), other.wall_ms()))

    def answered(self, request: RemovalRequest, refusal: str | None) -> None:
        """A node says what became of a removal."""
        if refusal is None:
            self._world.coverage[Seen.REMOVED] += 1
            self._out.add(request.node)
        elif "alive" in refusal:
            self._world.coverage[Seen.REMOVAL_REFUSED] += 1
