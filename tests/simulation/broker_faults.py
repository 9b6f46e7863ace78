"""What takes messages out of queues that no consumer ever saw: purges, deletions, a broker without its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.coverage import Coverage, Seen

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.network import Network


class BrokerFaults:
    """Faults of the broker itself; connections are told of them, and repaired by their owners."""

    def __init__(self, network: Network, random: Random, coverage: Coverage) -> None:
        self._network = network
        self._random = random
        self._coverage = coverage

    def purge(self, name: str) -> None:
        """Lose everything that waits in a queue, except what its consumer has."""
        link = self._network.links[name]
        self._coverage[Seen.PURGED] += bool(link.ready)
        link.ready.clear()

    def lose_messages(self, name: str, chance: float) -> None:
        """Lose single messages."""
        link = self._network.links[name]
        kept = [entry for entry in link.ready if self._random.random() >= chance]
        self._coverage[Seen.MESSAGE_LOST] += len(link.ready) - len(kept)
        link.ready[:] = kept

    def delete_queue(self, name: str) -> None:
        """A queue is gone, with what it held and with its consumer."""
        link = self._network.links[name]
        self._network.lose_consumer(name)
        self._coverage[Seen.QUEUE_DELETED] += bool(link.empty())
        link.is_declared = False
        link.member.queue_deleted()

    def start_empty(self) -> None:
        """The broker comes back without its disk: no queue, no message, no connection, nothing under way."""
        for name, link in self._network.links.items():
            for transit in link.transits:
                transit.lost.extend(transit.awaited)
            self._network.lose_publisher(name)
            self.delete_queue(name)
