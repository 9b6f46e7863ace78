"""What is planned to go wrong, carried out; a fault that cannot happen at its moment is tried again for a while."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.connections import Kind
from tests.simulation.coverage import Seen
from tests.simulation.forgery import forged_messages
from tests.simulation.plan import HOUR_MS, Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.world import World

TRIES_MAX = 25
TRY_AGAIN_US = 10_000
MEMBERS_MIN = 2


class Faults:
    """The faults of one plan."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kinds: dict[FaultKind, Callable[[SimulatedNode, Fault, Random], bool]] = {
            FaultKind.CRASH: self._crash,
            FaultKind.CUT: self._cut,
            FaultKind.PARTITION: self._partition,
            FaultKind.PURGE: self._purge,
            FaultKind.LOSE_MESSAGES: self._lose_messages,
            FaultKind.DELETE_QUEUE: self._delete_queue,
            FaultKind.EMPTY_BROKER: self._empty_broker,
            FaultKind.LOSE_DISK: self._lose_disk,
            FaultKind.RESTORE_DISK: self._restore_disk,
            FaultKind.JUMP_CLOCK: self._jump_clock,
            FaultKind.JOIN: self._join,
            FaultKind.LEAVE: self._leave,
            FaultKind.REJOIN: self._rejoin,
            FaultKind.FORGE: self._forge,
        }

    def plan(self) -> None:
        """Put all of them into the schedule."""
        for fault in self._world.plan.faults:
            self._world.scheduler.after(fault.at_us, partial(self._strike, fault, TRIES_MAX))

    def _strike(self, fault: Fault, tries: int) -> None:
        if self._world.is_healed:
            return
        members = self._world.members()
        node = members[fault.node % len(members)]
        if self._kinds[fault.kind](node, fault, Random(fault.luck)):
            self._world.tell(f"fault: {fault.kind} at {node.name}")
        else:
            self._try_again(partial(self._strike, fault), tries)

    def _try_again(self, action: Callable[[int], None], tries: int) -> None:
        if tries > 1:
            self._world.scheduler.after(TRY_AGAIN_US, partial(action, tries - 1))

    # -------------------------------------------------------------------- nodes, connections

    def _crash(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del random
        if node.replica is None or not node.may_be_stopped:
            return False
        self._world.stays_down(node, fault.lasts_us)
        node.crash(Seen.CRASH_BEFORE_CONFIRM if self._world.network.unconfirmed(node.name) else Seen.CRASH_IDLE)
        return True

    def _cut(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del fault
        if node.replica is None:
            return False
        kinds = tuple(kind for kind in Kind if random.random() < 0.5)
        self._world.connections.cut(node, kinds or (Kind.PUBLISH,))
        return True

    def _partition(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del node
        self._world.connections.partition(random, fault.lasts_us)
        return True

    def _jump_clock(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del fault
        node.wall_skew_ms = random.randint(-HOUR_MS, HOUR_MS)
        return True

    def _forge(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        """A stranger gives writes, and a snapshot, that nobody asked for and nobody made."""
        del fault
        other = random.choice(self._world.members())
        for message in forged_messages(other.disk.replica, node.disk.clock):
            self._world.control.arrive(node.name, message)
        return True

    # -------------------------------------------------------------------------------- broker

    def _purge(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del fault, random
        self._world.broker_faults.purge(node.name)
        return True

    def _lose_messages(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        """For a while, messages vanish from a queue."""
        chance = random.choice((0.3, 1.0))
        until_us = self._world.scheduler.now_us + fault.lasts_us

        def lose(_tries: int) -> None:
            if not self._world.is_healed and self._world.scheduler.now_us <= until_us:
                self._world.broker_faults.lose_messages(node.name, chance)
                self._world.scheduler.after(random.randint(1, 2_000), partial(lose, 1))

        lose(1)
        return True

    def _delete_queue(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del fault, random
        self._world.broker_faults.delete_queue(node.name)
        return True

    def _empty_broker(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del node, fault, random
        self._world.broker_faults.start_empty()
        return True

    # --------------------------------------------------------------------------------- disks

    def _lose_disk(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del random
        if not self._world.disks.lose(node):
            return False
        self._world.stays_down(node, min(fault.lasts_us, 100_000))
        return True

    def _restore_disk(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        """The disk is copied now, and the copy is put back a while later, unless the node was taken out since."""
        del random
        copy, times_back = node.disk.copy(), node.times_back
        if node.is_fresh:
            return False

        def restore(tries: int) -> None:
            is_out_of_date = node.is_gone or node.times_back != times_back
            if not (self._world.is_healed or is_out_of_date or self._world.disks.restore(node, copy)):
                self._try_again(restore, tries)

        self._world.scheduler.after(fault.lasts_us, partial(restore, TRIES_MAX))
        return True

    # ------------------------------------------------------------------------------- members

    def _join(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del node, fault, random
        self._world.coverage[Seen.JOINED] += 1
        self._world.add_node().start()
        return True

    def _leave(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        """A node is stopped and taken out; or taken out by force while it lives, and stopped as soon as may be."""
        del fault
        operator = self._world.operator
        if len(self._world.members()) - operator.leaving <= MEMBERS_MIN or not node.may_be_stopped:
            return False
        return operator.force_out(node) if random.random() < 0.3 else operator.stop(node)

    def _rejoin(self, node: SimulatedNode, fault: Fault, random: Random) -> bool:
        del node, fault, random
        gone = [node for node in self._world.nodes if node.is_gone and self._world.operator.may_come_back(node)]
        if not gone:
            return False
        back = gone[0]
        self._world.coverage[Seen.REJOINED] += 1
        self._world.disks.renew(back)
        back.is_gone, back.times_back = False, back.times_back + 1
        back.start()
        return True
