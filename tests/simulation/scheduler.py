"""Simulated time: what happens next, and nothing else happens in between."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Scheduler:
    """Actions in order of their time; those of the same microsecond in the order in which they were planned."""

    def __init__(self) -> None:
        self.now_us = 0
        self.steps = 0
        self._planned: list[tuple[int, int, Callable[[], None]]] = []
        self._plans_made = 0

    def after(self, delay_us: int, action: Callable[[], None]) -> None:
        """Plan an action for ``delay_us`` from now."""
        self._plans_made += 1
        heapq.heappush(self._planned, (self.now_us + delay_us, self._plans_made, action))

    def run(self, *, until: Callable[[], bool], max_steps: int) -> bool:
        """Let time pass until ``until()`` holds or nothing is planned; False when ``max_steps`` did not suffice."""
        for _ in range(max_steps):
            if not self._planned or until():
                return True
            self.now_us, _number, action = heapq.heappop(self._planned)
            self.steps += 1
            action()
        return False
