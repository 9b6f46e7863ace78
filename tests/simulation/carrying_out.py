"""Effects of the core, carried out on the simulated networks and clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from node.core import effects as todo
from node.core.control import RepairGiven
from tests.simulation.coverage import Seen
from tests.simulation.invariants import Invariant, ViolationError
from tests.simulation.links import Hello, Ticket

if TYPE_CHECKING:
    from node.core.write import Write
    from tests.simulation.simulated_node import SimulatedNode


def window_before(effect: todo.Effect) -> Seen | None:
    """Which window of a crash lies before this effect; None before what is only told, where a crash changes nothing."""
    match effect:
        case todo.ConflictArisen() | todo.ConflictResolved():
            return None
        case todo.Accepted():
            return Seen.CRASH_BEFORE_ANSWER
        case todo.Publish():
            return Seen.CRASH_BEFORE_PUBLISH
        case todo.Acknowledge():
            return Seen.CRASH_BEFORE_ACK
        case _:
            return Seen.CRASH_BETWEEN_EFFECTS


def carry_out(node: SimulatedNode, effect: todo.Effect) -> None:
    """Do what one effect says."""
    _count(node, effect)
    match effect:
        case todo.Accepted(request, write) if node.answers(request):
            request.client.accepted(node, write)
        case todo.Repeated(request, write) if node.answers(request):
            request.client.repeated(node, node.world.checks.local.repeated(node.disk, request, write))
        case todo.RefusedWrite(request, reason, _) if node.answers(request):
            request.client.refused(reason)
        case todo.Postponed(write):
            node.postponed.append(write)
        case todo.Resumed():
            node.take_first(node.postponed)
            node.postponed = []
        case todo.Reject(_, reason):
            raise ViolationError(Invariant.NOTHING_LOST, f"{node.name} rejected a sound message: {reason}")
        case todo.SnapshotRefused(_, "its clock changed between two parts"):
            node.note("gives a snapshot up: a late copy of the first request made its giver begin anew")
        case todo.SnapshotRefused(peer, reason):
            raise ViolationError(Invariant.NO_STALL, f"{node.name} refused a sound snapshot of {peer}: {reason}")
        case todo.RemovalAnswered(request, refusal):
            node.world.operator.answered(request, refusal)
        case _:
            _carry_out_on_fanout(node, effect)
            _carry_out_on_control(node, effect)


def _carry_out_on_fanout(node: SimulatedNode, effect: todo.Effect) -> None:
    world = node.world
    match effect:
        case todo.Publish(publish_id, _, _, _, entries):
            writes = cast("tuple[Write, ...]", tuple(entries))
            world.network.publish(node.name, Ticket(node.generation, publish_id), writes)
        case todo.SayHello(replica, session):
            world.network.say_hello(node.name, Hello(replica, session))
        case todo.Acknowledge(tag):
            world.checks.acknowledges(node.disk, world.network.payload(node.name, tag))
            world.network.acknowledge(node.name, tag)
        case todo.MembersChanged(nodes, removed):
            if node.is_publisher_up:
                world.network.declare(nodes)
            if removed is not None:
                world.broker_faults.delete_queue(removed)


def _carry_out_on_control(node: SimulatedNode, effect: todo.Effect) -> None:
    control = node.world.control
    match effect:
        case todo.Tell(target, message):
            control.tell(node.name, target, message)
        case todo.GiveRepair(target, wanted, entries):
            writes = cast("tuple[Write, ...]", tuple(entries))
            given = RepairGiven(node.disk.replica, wanted.request, wanted.origin, writes)
            control.tell(node.name, target, given)
        case todo.GiveSnapshot(target, wanted):
            part = node.snapshots.part(node.disk, wanted)
            if part is not None:
                control.tell(node.name, target, part)


_COUNTED: dict[type, Seen] = {
    todo.HeldBack: Seen.HELD,
    todo.ConflictArisen: Seen.CONFLICT_ARISEN,
    todo.ConflictResolved: Seen.CONFLICT_RESOLVED,
    todo.Postponed: Seen.POSTPONED,
    todo.Resumed: Seen.RESUMED,
    todo.RepairAsked: Seen.REPAIR_ASKED,
    todo.Repaired: Seen.REPAIRED,
    todo.Distrusted: Seen.DISTRUSTED,
    todo.IncarnationTaken: Seen.INCARNATION_TAKEN,
    todo.SnapshotBegun: Seen.SNAPSHOT_BEGUN,
    todo.SnapshotStaged: Seen.SNAPSHOT_STAGED,
    todo.SnapshotAdopted: Seen.SNAPSHOT_ADOPTED,
    todo.MembersChanged: Seen.MEMBERS_CHANGED,
}


def _count(node: SimulatedNode, effect: todo.Effect) -> None:
    coverage = node.world.coverage
    if (seen := _COUNTED.get(type(effect))) is not None:
        coverage[seen] += 1
    match effect:
        case todo.Applied(_, held_since_ms):
            coverage[Seen.RELEASED] += held_since_ms is not None
        case todo.Dropped(_, own_echo, _):
            coverage[Seen.OWN_ECHO if own_echo else Seen.DUPLICATE_DROPPED] += 1
        case todo.HeldBack() if node.replica is not None:
            coverage[Seen.SHELVED] += node.replica.delivery.has_shelf
        case todo.Publish(replica=replica):
            coverage[Seen.FORMER_PUBLISHED] += replica != node.disk.replica
