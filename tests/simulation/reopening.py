"""Publishing again after the broker refused a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import events as core

if TYPE_CHECKING:
    from tests.simulation.simulated_node import SimulatedNode

DELAY_MIN_US = 10_000
DELAY_MAX_US = 100_000


class Reopening:
    """A little later everything that is unconfirmed goes out again.

    One reopening is planned at a time, later each time until something is confirmed: with one for each
    refusal, every round of messages would bring about several more.
    """

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        self._planned_for: int | None = None
        self._delay_us = DELAY_MIN_US

    def refused(self) -> None:
        """The broker did not take a message of the present replica."""
        node = self._node
        node.take(core.PublisherDown())
        if self._planned_for == node.generation:
            return
        generation = self._planned_for = node.generation
        node.world.scheduler.after(node.world.random.randint(1, self._delay_us), lambda: self._reopen(generation))
        self._delay_us = min(2 * self._delay_us, DELAY_MAX_US)

    def _reopen(self, generation: int) -> None:
        if generation == self._node.generation:
            self._planned_for = None
            if self._node.is_publisher_up:
                self._node.take(core.PublisherUp())

    def confirmed(self) -> None:
        """The broker takes messages."""
        self._delay_us = DELAY_MIN_US
