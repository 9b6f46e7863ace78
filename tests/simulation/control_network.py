"""The control exchange: messages may be lost, late, doubled and overtaken; nothing waits for a node that is down."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from node.core.control import ClockTold
from tests.simulation.coverage import Coverage, Seen

if TYPE_CHECKING:
    from random import Random

    from node.core.control import ControlMessage
    from tests.simulation.plan import NetworkPlan
    from tests.simulation.scheduler import Scheduler


class Listener(Protocol):
    """What the control exchange tells a node."""

    def control_up(self) -> None:
        """Control messages can be sent and heard."""

    def told(self, message: ControlMessage) -> None:
        """A control message came."""


@dataclass(slots=True)
class _Line:
    listener: Listener
    is_up: bool = False
    epoch: int = 0
    can_send: bool = True
    can_hear: bool = True


class ControlNetwork:
    """Every node's connection for control messages."""

    def __init__(self, plan: NetworkPlan, scheduler: Scheduler, random: Random, coverage: Coverage) -> None:
        self._plan = plan
        self._scheduler = scheduler
        self._random = random
        self._coverage = coverage
        self._lines: dict[str, _Line] = {}
        self.calm = False
        self.last_activity_us = 0
        """When anything but a clock was sent last."""

    def join(self, name: str, listener: Listener) -> None:
        """A node exists; nothing reaches it before it is connected."""
        self._lines.setdefault(name, _Line(listener))

    def connect(self, name: str) -> None:
        """Begin to send and hear."""
        line = self._lines[name]
        if not line.is_up:
            line.is_up = True
            line.listener.control_up()

    def lose(self, name: str) -> None:
        """What is on the way to this node is gone."""
        line = self._lines[name]
        line.is_up = False
        line.epoch += 1

    def partition(self, name: str, *, can_send: bool, can_hear: bool) -> None:
        """Swallow what a node sends, or what is sent to it, and tell nobody."""
        line = self._lines[name]
        line.can_send, line.can_hear = can_send, can_hear

    def tell(self, sender: str, target: str | None, message: ControlMessage) -> None:
        """Send to one node, or to everybody, the sender included."""
        line = self._lines[sender]
        if not line.is_up or not line.can_send:
            return
        if not isinstance(message, ClockTold) or message.asks:
            self.last_activity_us = self._scheduler.now_us
        for name in [target] if target is not None else list(self._lines):
            if name not in self._lines:
                continue
            if not self.calm and self._random.random() < self._plan.control_loss_chance:
                self._coverage[Seen.CONTROL_LOST] += 1
                continue
            self._send(name, message)
            if not self.calm and self._random.random() < self._plan.control_duplicate_chance:
                self._send(name, message)

    def arrive(self, name: str, message: ControlMessage) -> None:
        """A message of a stranger comes to a node."""
        line = self._lines[name]
        self._coverage[Seen.FORGED] += line.is_up
        self._arrive(line, line.epoch, message)

    def _send(self, name: str, message: ControlMessage) -> None:
        line = self._lines[name]
        if not line.is_up:
            return
        delay_us = self._random.randint(1, self._plan.delay_max_us)
        if not self.calm and self._random.random() < self._plan.slow_chance:
            delay_us *= self._random.randint(2, 10)
        self._scheduler.after(delay_us, partial(self._arrive, line, line.epoch, message))

    def _arrive(self, line: _Line, epoch: int, message: ControlMessage) -> None:
        if line.is_up and line.can_hear and epoch == line.epoch:
            line.listener.told(message)
