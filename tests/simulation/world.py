"""One run: nodes, networks, clients and faults over one scheduler and streams of randomness of one seed."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.simulation.broker_faults import BrokerFaults
from tests.simulation.checks import Checks
from tests.simulation.clients import choose_clients
from tests.simulation.connections import Connections
from tests.simulation.control_network import ControlNetwork
from tests.simulation.coverage import Coverage
from tests.simulation.disks import Disks
from tests.simulation.faults import Faults
from tests.simulation.final_checks import FinalChecks
from tests.simulation.invariants import Invariant, ViolationError
from tests.simulation.last_write import LastWrite
from tests.simulation.network import Network
from tests.simulation.oracle import Oracle
from tests.simulation.removals import Operator
from tests.simulation.scheduler import Scheduler
from tests.simulation.simulated_node import SimulatedNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.plan import Plan

STEPS_MAX = 150_000
"""Several times what the longest of thousands of seeds needed: beyond, something goes round in circles."""
QUIET_US = 300_000
"""At rest nothing but clocks is told for so long beyond the patience of repair: longer than any other pause."""
REST_WITHIN_US = 20_000_000


class World:
    """Everything that exists in one run; parts reach each other through it."""

    def __init__(self, seed: int, plan: Plan, trace: Callable[[str], None] | None) -> None:
        self._seed = seed
        self.plan = plan
        self.trace = trace
        self.random = self.stream("nodes")
        self.coverage: Coverage = Coverage()
        self.scheduler = Scheduler()
        self.oracle = Oracle()
        self.checks = Checks(self.oracle, self.coverage, plan.limits.local_writes)
        self.network = Network(plan.network, self.scheduler, self.stream("network"), self.coverage)
        self.broker_faults = BrokerFaults(self.network, self.stream("broker"), self.coverage)
        self.control = ControlNetwork(plan.network, self.scheduler, self.stream("control"), self.coverage)
        self.connections = Connections(self, self.stream("connections"))
        self.disks = Disks(self)
        self.operator = Operator(self, self.stream("operator"))
        self.founding = tuple(f"node{number}" for number in range(1, plan.founding + 1))
        self.nodes: list[SimulatedNode] = []
        self.is_healed = False
        self._names = 0
        self._points = self._commits = 0
        self._down_until_us: dict[str, int] = {}
        for _ in self.founding:
            self.add_node()
        self.clients = choose_clients(self)

    def stream(self, name: str) -> Random:
        """A source of randomness of its own, so that leaving a part out does not change the luck of the others."""
        return Random(f"{self._seed}/{name}")

    def new_name(self) -> str:
        """A name that was never used in this run; as an incarnation it is well formed."""
        self._names += 1
        return f"s{self._names:05}"

    def add_node(self) -> SimulatedNode:
        """One more node, which was not started yet."""
        number = len(self.nodes) + 1
        name = f"node{number}"
        node = SimulatedNode(name, self.disks.fresh(name), self.plan.wall_skew_ms[number - 1], self)
        self.nodes.append(node)
        self.network.join(name, node)
        self.control.join(name, node)
        return node

    def members(self) -> list[SimulatedNode]:
        """The nodes that were not taken out."""
        return [node for node in self.nodes if not node.is_gone]

    @property
    def by_name(self) -> dict[str, SimulatedNode]:
        """All nodes that ever were."""
        return {node.name: node for node in self.nodes}

    # ---------------------------------------------------------------------------- the course

    def run(self) -> None:
        """Play the schedule to its end and judge it; raises ViolationError."""
        self.network.declare(self.founding)
        for node in self.nodes:
            node.start()
        for client in self.clients:
            client.start()
        Faults(self).plan()
        self._let_pass(self._load_is_over, "the clients' requests end")
        self._heal()
        self._let_pass(self._is_quiet, "all is quiet after healing")
        last_write = LastWrite(self)
        last_write.begin()
        self._let_pass(lambda: last_write.is_through and self._is_quiet(), "all is quiet after the last write")
        self._judge(last_write)

    def _judge(self, last_write: LastWrite) -> None:
        final = FinalChecks(self.oracle, self.checks, self.coverage)
        members = self.members()
        acknowledged = [write for client in self.clients for write in client.acknowledged]
        acknowledged += last_write.acknowledged
        final.disks([node.disk for node in members], acknowledged)
        final.published(members, self.network.confirmed)
        for node in members:
            final.node(node, self.network.waiting(node.name), [member.name for member in members])

    def _load_is_over(self) -> bool:
        last_fault_us = max((fault.at_us for fault in self.plan.faults), default=0)
        return self.scheduler.now_us > last_fault_us and all(client.done for client in self.clients)

    def _let_pass(self, until: Callable[[], bool], what: str) -> None:
        deadline_us = self.scheduler.now_us + REST_WITHIN_US
        ended = self.scheduler.run(until=lambda: until() or self.scheduler.now_us > deadline_us, max_steps=STEPS_MAX)
        if not ended or not until():
            raise ViolationError(Invariant.NO_STALL, f"it never comes to pass that {what}")

    def _heal(self) -> None:
        """From here on nothing fails; what is down comes back at once."""
        self.tell("everything is healed")
        self.is_healed = True
        self.network.calm = self.control.calm = True
        self.connections.heal_all()
        for node in self.members():
            node.start()
        self._let_times_end()

    def _let_times_end(self) -> None:
        """So much time passes at once that no version has any left; wall clocks may jump, and this is how they do."""
        last_ms = self.oracle.last_end_ms
        for node in self.members() if last_ms else []:
            over_ms = last_ms + self.plan.limits.local_writes.expiry.grace_ms
            node.wall_skew_ms += max(0, over_ms - node.wall_ms())

    def _is_quiet(self) -> bool:
        """Nothing but clocks has been told for a while, and nothing waits."""
        last_us = max(self.network.last_activity_us, self.control.last_activity_us)
        quiet_us = QUIET_US + 1_000 * self.plan.limits.anti_entropy.repair.after_ms
        return self.scheduler.now_us - last_us > quiet_us and self.operator.is_done

    # ------------------------------------------------------------------------------- crashes

    def draw_crash(self) -> bool:
        """Whether a crash falls here."""
        self._points += 1
        return not self.is_healed and self._points in self.plan.crash_points

    def draw_commit_failure(self) -> bool:
        """Whether this commit fails."""
        self._commits += 1
        return not self.is_healed and self._commits in self.plan.failing_commits

    def stays_down(self, node: SimulatedNode, lasts_us: int) -> None:
        """A node that is down, or goes down now, is not started before so long."""
        self._down_until_us[node.name] = self.scheduler.now_us + lasts_us

    def restart_later(self, node: SimulatedNode) -> None:
        """Start a crashed node again after a while."""
        if not self.is_healed:
            self.scheduler.after(self.random.randint(1, self.plan.down_max_us), lambda: self._restart(node))

    def _restart(self, node: SimulatedNode) -> None:
        left_us = self._down_until_us.get(node.name, 0) - self.scheduler.now_us
        if left_us > 0 and not self.is_healed:
            self.scheduler.after(left_us, lambda: self._restart(node))
        else:
            node.start()

    def tell(self, what: str) -> None:
        """A line for the trace."""
        if self.trace is not None:
            self.trace(f"{self.scheduler.now_us:>9} us  {what}")
