"""Defects of what keeps a cluster whole: identity, repair, snapshots, trimming, members."""

from __future__ import annotations

from node.core import publishing, repair, replica
from node.core.anti_entropy import AntiEntropy
from node.core.catching_up import CatchUp
from node.core.delivery import CausalDelivery
from node.core.identity import Identity
from node.core.members import Members
from node.core.naming import Naming
from node.core.repair import Repairer
from node.core.replica import Replica
from node.core.snapshot import SnapshotTaker
from tests.simulation import broken, broken_caller, broken_upkeep, transaction
from tests.simulation.defect import Defect, defect, in_many, in_many_failing_commits
from tests.simulation.durable_state import DurableState
from tests.simulation.invariants import Invariant
from tests.simulation.plan import FaultKind
from tests.simulation.simulated_node import SimulatedNode
from tests.simulation.snapshot_server import SnapshotServer

DEFECTS_OF_UPKEEP: tuple[Defect, ...] = (
    # Identity.
    defect(
        "a restored disk goes on under its name",
        (Invariant.IDENTITY, Invariant.EXACTLY_ONCE),
        (Identity, "__init__", broken_upkeep.always_sure),
        shows_in=in_many(FaultKind.RESTORE_DISK),
    ),
    defect(
        "a hello is answered with what is applied, not with what is held",
        (Invariant.IDENTITY, Invariant.EXACTLY_ONCE),
        (CausalDelivery, "known", broken_upkeep.known_applied_only),
        shows_in=in_many(FaultKind.RESTORE_DISK),
    ),
    defect(
        "one answer is enough to be sure of a name",
        (Invariant.IDENTITY, Invariant.EXACTLY_ONCE),
        (Naming, "settle_if_answered", broken_upkeep.one_answer_is_enough),
        shows_in=in_many(FaultKind.RESTORE_DISK),
    ),
    defect(
        "a replica does not care that others know more of its writes",
        (Invariant.IDENTITY, Invariant.EXACTLY_ONCE, Invariant.NO_EXCEPTION),
        (Replica, "note_own", broken_upkeep.deaf_to_own_name),
        shows_in=in_many(FaultKind.RESTORE_DISK),
    ),
    defect(
        "a new incarnation takes a name that was used",
        (Invariant.IDENTITY, Invariant.EXACTLY_ONCE, Invariant.NO_EXCEPTION, Invariant.NO_STALL),
        (replica, "replica_id", broken_upkeep.same_name_again),
        shows_in=in_many(FaultKind.RESTORE_DISK),
    ),
    defect(
        "what a former incarnation had not published is forgotten",
        (Invariant.PUBLISHED,),
        (publishing.Publishing, "begin_line", broken_upkeep.begin_without_former),
        shows_in=in_many(FaultKind.CRASH, FaultKind.PARTITION),
    ),
    defect(
        "what a former incarnation had not published is forgotten at a restart",
        (Invariant.PUBLISHED,),
        (DurableState, "saved", broken.saved_without_former),
        shows_in=in_many(FaultKind.CRASH, FaultKind.PARTITION),
    ),
    defect(
        "postponed writes are never made",
        (Invariant.NO_STALL,),
        (SimulatedNode, "_carry_out", broken_caller.forget_postponed),
    ),
    # Repair.
    defect(
        "nothing missing is asked for",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL, Invariant.ACK_ALL),
        (Repairer, "due", broken_upkeep.never_due),
    ),
    defect("requests never stop", (Invariant.NO_STALL,), (Repairer, "due", broken_upkeep.always_due)),
    defect(
        "a request leaves out the first missing write",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL, Invariant.ACK_ALL),
        (repair, "_ranges", broken_upkeep.ranges_without_first),
    ),
    defect(
        "requests are not answered",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL, Invariant.ACK_ALL),
        (CatchUp, "give_repair", broken_upkeep.give_nothing),
    ),
    defect(
        "writes are taken that nobody asked for",
        (Invariant.IDENTITY,),
        (Repairer, "expects", broken_upkeep.expects_everything),
    ),
    defect(
        "repair goes on after what a failed commit has undone",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL, Invariant.ACK_ALL),
        (Repairer, "_is_time", broken_upkeep.is_time_without_going_back),
        shows_in=in_many_failing_commits,
    ),
    # Snapshots.
    defect(
        "a merge keeps what the peer had deleted",
        (Invariant.CONVERGENCE,),
        (transaction, "merged", broken_upkeep.keep_all),
    ),
    defect(
        "a merge drops what the peer does not know yet",
        (Invariant.CONVERGENCE,),
        (transaction, "merged", broken_upkeep.take_theirs),
    ),
    defect(
        "a snapshot is adopted after its first part",
        (Invariant.CONVERGENCE,),
        (SnapshotTaker, "received", broken_upkeep.first_part_is_all),
    ),
    defect(
        "a snapshot's clock is adopted without its versions",
        (Invariant.CONVERGENCE,),
        (transaction.Transaction, "adopt_snapshot", broken_caller.adopt_clock_only),
    ),
    defect(
        "a part of a snapshot is taken that nobody asked for",
        (Invariant.CONVERGENCE, Invariant.IDENTITY, Invariant.NO_STALL),
        (SnapshotTaker, "expects", broken_upkeep.expects_every_part),
    ),
    defect(
        "held writes are not released after a snapshot",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL, Invariant.NO_EXCEPTION),
        (CausalDelivery, "adopt", broken_upkeep.adopt_without_release),
    ),
    defect(
        "the parts of a snapshot are of different moments",
        (Invariant.CONVERGENCE, Invariant.NO_STALL),
        (SnapshotServer, "part", broken_caller.part_of_the_moment),
    ),
    # Trimming and members.
    defect(
        "a member that has not spoken holds no history",
        (Invariant.TRIMMED_TOO_EARLY,),
        (Members, "stable_count", broken_upkeep.stable_without_silent),
    ),
    defect(
        "unpublished writes are forgotten",
        (Invariant.NO_EXCEPTION,),
        (publishing.Publishing, "kept_from", broken_upkeep.nothing_is_unpublished),
    ),
    defect(
        "a removed member still holds history",
        (Invariant.BOUNDED_HISTORY,),
        (Members, "pinning", broken_upkeep.removed_pin),
    ),
    defect(
        "all are said to have what one member has",
        (Invariant.ACK_ALL,),
        (Members, "has_everywhere", broken_upkeep.has_somewhere),
    ),
    defect(
        "who waits for a clock is forgotten",
        (Invariant.ACK_ALL,),
        (AntiEntropy, "_answer", broken_upkeep.answer_only_at_once),
    ),
    defect(
        "a node that comes back takes its predecessor's removal for its own",
        (Invariant.MEMBERSHIP,),
        (AntiEntropy, "_members_changed", broken_upkeep.members_stay),
    ),
    defect(
        "a removal is told to nobody",
        (Invariant.MEMBERSHIP, Invariant.NO_STALL, Invariant.BOUNDED_HISTORY),
        (Members, "changes", property(broken_upkeep.keeps_changes_to_itself)),
    ),
)
