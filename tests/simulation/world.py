"""One run: nodes, network, clients and faults over one scheduler and one source of randomness."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.simulation.checks import Checks, Invariant, ViolationError
from tests.simulation.clients import choose_clients
from tests.simulation.coverage import Coverage, Seen
from tests.simulation.durable_state import DurableState
from tests.simulation.network import Network
from tests.simulation.oracle import Oracle
from tests.simulation.scheduler import Scheduler
from tests.simulation.simulated_node import SimulatedNode

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.plan import Plan

STEPS_MAX = 100_000
"""Five times what the longest of 5 000 seeds needed (the median is 830): beyond, something goes round in circles."""
FAULT_SPAN_US = 300_000


class World:
    """Everything that exists in one run; parts reach each other through it."""

    def __init__(self, plan: Plan, random: Random, trace: Callable[[str], None] | None) -> None:
        self.plan = plan
        self.random = random
        self.trace = trace
        self.coverage: Coverage = Coverage()
        self.scheduler = Scheduler()
        self.oracle = Oracle()
        self.checks = Checks(self.oracle, self.coverage)
        self.network = Network(plan.network, self.scheduler, random, self.coverage)
        self.nodes = [
            SimulatedNode(f"node{number}", DurableState(f"node{number}~sim1"), skew_ms, self)
            for number, skew_ms in enumerate(plan.wall_skew_ms, start=1)
        ]
        self.clients = choose_clients(self)
        self._crashes_left = plan.faults.crashes_max
        self._commit_failures_left = plan.faults.commit_failures_max
        self._healed = False

    def run(self) -> None:
        """Play the schedule to its end and judge it; raises ViolationError."""
        for node in self.nodes:
            self.network.join(node.name, node)
        for node in self.nodes:
            node.start()
        for client in self.clients:
            client.start()
        self._plan_faults()
        self._let_pass(lambda: all(client.done for client in self.clients))
        self._heal()
        self._let_pass(lambda: False)
        acknowledged = [write for client in self.clients for write in client.acknowledged]
        self.checks.at_rest([node.disk for node in self.nodes], acknowledged, self.network.waiting())

    def _let_pass(self, until: Callable[[], bool]) -> None:
        if not self.scheduler.run(until=until, max_steps=STEPS_MAX):
            raise ViolationError(Invariant.NO_STALL, f"no rest after {STEPS_MAX} steps")

    def _heal(self) -> None:
        """From here on nothing fails; what is down comes back as planned."""
        self._healed = True
        self.network.calm = True

    # ------------------------------------------------------------------------------- faults

    def _plan_faults(self) -> None:
        faults = self.plan.faults
        for _ in range(faults.timed_crashes):
            self.scheduler.after(self.random.randint(1, FAULT_SPAN_US), self._crash_some_node)
        for _ in range(faults.connection_losses):
            self.scheduler.after(self.random.randint(1, FAULT_SPAN_US), self._cut_some_connection)

    def _crash_some_node(self) -> None:
        node = self.random.choice(self.nodes)
        if node.replica is not None and not self._healed:
            node.crash(Seen.CRASH_BEFORE_CONFIRM if self.network.unconfirmed(node.name) else Seen.CRASH_IDLE)

    def _cut_some_connection(self) -> None:
        node = self.random.choice(self.nodes)
        if node.replica is None or self._healed:
            return
        publisher, consumer = self.random.choice(((True, False), (False, True), (True, True)))
        if self.trace is not None:
            self.trace(f"{self.scheduler.now_us:>9} us  {node.name:6} loses {publisher=} {consumer=}")
        if publisher:
            self.network.lose_publisher(node.name)
        if consumer:
            self.network.lose_consumer(node.name)
        self.reconnect(node.name)

    def draw_crash(self) -> bool:
        """Whether a crash falls here."""
        if self._healed or not self._crashes_left or self.random.random() >= self.plan.faults.crash_chance:
            return False
        self._crashes_left -= 1
        return True

    def draw_commit_failure(self) -> bool:
        """Whether this commit fails."""
        faults = self.plan.faults
        if self._healed or not self._commit_failures_left or self.random.random() >= faults.commit_failure_chance:
            return False
        self._commit_failures_left -= 1
        return True

    # --------------------------------------------------------------------- what nodes ask for

    def disconnect(self, name: str) -> None:
        """A process is gone: so are its connections."""
        self.network.lose_publisher(name)
        self.network.lose_consumer(name)

    def reconnect(self, name: str) -> None:
        """Connect again, each connection after a time of its own, if the process then lives."""
        node = next(node for node in self.nodes if node.name == name)

        def connect(connect_one: Callable[[str], None]) -> None:
            if node.replica is not None:
                connect_one(name)

        for connect_one in (self.network.connect_publisher, self.network.connect_consumer):
            self.scheduler.after(self._down_us(), partial(connect, connect_one))

    def restart_later(self, node: SimulatedNode) -> None:
        """Start a crashed node again after a while."""
        self.scheduler.after(self._down_us(), node.start)

    def _down_us(self) -> int:
        return self.random.randint(1, self.plan.faults.down_max_us)
