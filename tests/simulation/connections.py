"""The connections of nodes to the broker: made, lost, noticed late, and kept apart by partitions."""

from __future__ import annotations

import enum
from functools import partial
from typing import TYPE_CHECKING

from tests.simulation.coverage import Seen

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.world import World


class Kind(enum.Enum):
    """A node has three connections; each can be lost alone."""

    PUBLISH = "publish"
    CONSUME = "consume"
    CONTROL = "control"


ATTEMPT_MAX_US = 10_000


class Connections:
    """Who is connected, and who cannot be."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._blocked: dict[str, frozenset[Kind]] = {}
        self._trying: set[tuple[str, int, Kind]] = set()
        self._calm = False

    # ------------------------------------------------------------------------ making, losing

    def connect_all(self, node: SimulatedNode) -> None:
        """Connect whatever is not connected, each connection after a time of its own."""
        for kind in Kind:
            self._try_later(node, node.process, kind)

    def _try_later(self, node: SimulatedNode, process: int, kind: Kind) -> None:
        attempt = (node.name, process, kind)
        if attempt not in self._trying:
            self._trying.add(attempt)
            self._world.scheduler.after(self._random.randint(1, ATTEMPT_MAX_US), partial(self._try, node, *attempt[1:]))

    def _try(self, node: SimulatedNode, process: int, kind: Kind) -> None:
        self._trying.discard((node.name, process, kind))
        if node.replica is None or node.process != process:
            return
        if kind in self._blocked.get(node.name, ()):
            self._try_later(node, process, kind)
        elif kind is Kind.PUBLISH:
            self._world.network.declare(node.replica.members.nodes)
            self._world.network.connect_publisher(node.name)
        elif kind is Kind.CONSUME:
            self._world.network.connect_consumer(node.name)
        else:
            self._world.control.connect(node.name)

    def lose_all(self, node: SimulatedNode) -> None:
        """A process is gone: so are its connections."""
        for kind in Kind:
            self._lose(node, kind)

    def cut(self, node: SimulatedNode, kinds: tuple[Kind, ...]) -> None:
        """Lose some connections of a living process, and make them again."""
        for kind in kinds:
            self._lose(node, kind)
        self.connect_all(node)

    def _lose(self, node: SimulatedNode, kind: Kind) -> None:
        if kind is Kind.PUBLISH:
            self._world.network.lose_publisher(node.name)
        elif kind is Kind.CONSUME:
            self._world.network.lose_consumer(node.name)
        else:
            self._world.control.lose(node.name)

    # ---------------------------------------------------------------------------- partitions

    def partition(self, random: Random, lasts_us: int) -> None:
        """Keep some nodes from the broker for a while: for publishing, consuming, control, or several of them."""
        for node in self._world.members():
            if random.random() < 0.5:
                continue
            kinds = frozenset(kind for kind in Kind if random.random() < 0.5)
            self._blocked[node.name] = kinds
            if Kind.CONTROL in kinds:
                can_send = random.random() < 0.3
                self._world.control.partition(node.name, can_send=can_send, can_hear=not can_send)
            self._world.coverage[Seen.PARTITIONED] += bool(kinds)
            node.note(f"is cut off: {sorted(kind.value for kind in kinds)}")
            self._go_silent(node, kinds)
            self._world.scheduler.after(random.randint(1, lasts_us), partial(self._heal, node))

    def _go_silent(self, node: SimulatedNode, kinds: frozenset[Kind]) -> None:
        link = self._world.network.links[node.name]
        link.publisher_silent |= Kind.PUBLISH in kinds
        link.consumer_silent |= Kind.CONSUME in kinds
        for kind in sorted(kinds - {Kind.CONTROL}, key=lambda kind: kind.value):
            epoch = link.publisher_epoch if kind is Kind.PUBLISH else link.consumer_epoch
            after_us = self._random.randint(1, self._world.plan.network.notice_max_us)
            self._world.scheduler.after(after_us, partial(self._notice, node, kind, epoch))

    def _notice(self, node: SimulatedNode, kind: Kind, epoch: int) -> None:
        link = self._world.network.links[node.name]
        if epoch == (link.publisher_epoch if kind is Kind.PUBLISH else link.consumer_epoch):
            self._lose(node, kind)
            self.connect_all(node)

    def _heal(self, node: SimulatedNode) -> None:
        self._blocked.pop(node.name, None)
        self._world.control.partition(node.name, can_send=True, can_hear=True)

    def heal_all(self) -> None:
        """Every node can reach the broker."""
        for node in self._world.nodes:
            self._heal(node)
            if node.replica is not None:
                self.connect_all(node)
