"""Clients of one process that wait until every member has applied their writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core import events as core

if TYPE_CHECKING:
    from node.core.dot import Dot
    from node.core.write import Write
    from tests.simulation.requests import Waiting
    from tests.simulation.simulated_node import SimulatedNode


class _Awaited(NamedTuple):
    client: Waiting
    dot: Dot


class WaitingForAll:
    """Asks everybody at once, and looks after each transaction what has been told by then."""

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        self._awaited: list[_Awaited] = []

    def add(self, client: Waiting, write: Write) -> None:
        """A client waits for its write."""
        self._awaited.append(_Awaited(client, write.dot))
        if write.dot.replica == self._node.disk.replica:
            self._node.take(core.AskEverybody(write.dot, self._node.wall_ms()))

    def look(self) -> None:
        """Answer those whose writes are everywhere."""
        node = self._node
        if node.replica is None or not self._awaited:
            return
        reached = [each for each in self._awaited if node.replica.members.has_everywhere(each.dot)]
        self._awaited = [each for each in self._awaited if each not in reached]
        for each in reached:
            node.world.checks.has_everywhere(node, node.world.by_name, each.dot)
            each.client.is_everywhere(each.dot)

    def forget(self) -> None:
        """The process died."""
        self._awaited.clear()
