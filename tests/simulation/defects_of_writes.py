"""Defects on the path of a write: delivery, versions, outbox, transactions, and the caller's contract."""

from __future__ import annotations

from node.core import causal_buffer, delivery, local_writes, outbox, replica, taking_effect, versions
from node.core import effects as todo
from node.core.dependency_index import DependencyIndex
from tests.simulation import broken, broken_caller
from tests.simulation.defect import Defect, defect, in_failing_commits
from tests.simulation.durable_state import DurableState
from tests.simulation.invariants import Invariant
from tests.simulation.simulated_node import SimulatedNode

DEFECTS_OF_WRITES: tuple[Defect, ...] = (
    defect(
        "a write is applied without its causes from other replicas",
        (Invariant.CAUSAL_ORDER,),
        (delivery, "first_missing", broken.only_own_line),
        (causal_buffer, "first_missing", broken.only_own_line),
    ),
    defect(
        "a write is applied without its replica's earlier ones",
        (Invariant.CAUSAL_ORDER,),
        (delivery, "first_missing", broken.only_other_lines),
        (causal_buffer, "first_missing", broken.only_other_lines),
    ),
    defect(
        "only the first of the writes that wait for a dot is looked at",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL, Invariant.NO_EXCEPTION, Invariant.ACK_ALL),
        (DependencyIndex, "take", broken.take_one),
    ),
    defect(
        "a duplicate is applied again",
        (Invariant.EXACTLY_ONCE,),
        (delivery.CausalDelivery, "deliver", broken.deliver_twice),
    ),
    defect(
        "a duplicate of a held write is held again",
        (Invariant.NO_EXCEPTION,),
        (causal_buffer.CausalBuffer, "__contains__", broken.not_held),
    ),
    defect(
        "a delivery is not acknowledged while a write of it is held",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL),
        (replica.Replica, "_receive", broken.receive_without_acknowledging(todo.HeldBack)),
    ),
    defect(
        "a duplicate is not acknowledged",
        (Invariant.NO_STALL, Invariant.ACK_ALL),
        (replica.Replica, "_receive", broken.receive_without_acknowledging(todo.Dropped)),
    ),
    defect(
        "a client's context is ignored",
        (Invariant.CAUSAL_ORDER,),
        (local_writes.LocalWrites, "take", broken.write_without_context),
    ),
    defect(
        "a write's clock forgets what its node had applied",
        (Invariant.CAUSAL_ORDER, Invariant.CONVERGENCE, Invariant.EXACT_CLOCKS),
        (local_writes, "Write", broken.write_with_own_entry_only),
    ),
    defect(
        "timestamps follow the local wall clock only",
        (Invariant.TIMESTAMPS,),
        (delivery, "observed", broken.local_time_only),
    ),
    defect(
        "the winner is the latest arrival",
        (Invariant.CONVERGENCE,),
        (taking_effect, "after_put", broken.newest_arrival_first),
    ),
    defect(
        "equal timestamps are not told apart",
        (Invariant.CONVERGENCE,),
        (versions, "rank", broken.rank_by_time_only),
    ),
    defect(
        "a put replaces concurrent versions",
        (Invariant.CONVERGENCE,),
        (taking_effect, "after_put", broken.put_replaces_all),
    ),
    defect(
        "a delete removes concurrent versions",
        (Invariant.CONVERGENCE,),
        (taking_effect, "after_delete", broken.delete_removes_all),
    ),
    defect(
        "a confirmation counts for everything before it",
        (Invariant.PUBLISHED,),
        (outbox.Outbox, "confirm", broken.confirm_up_to),
    ),
    defect(
        "what was not confirmed is forgotten at a restart",
        (Invariant.PUBLISHED,),
        (DurableState, "saved", broken.saved_without_outbox),
    ),
    defect(
        "what was not confirmed is not published again after a lost connection",
        (Invariant.PUBLISHED, Invariant.NO_STALL),
        (outbox.Outbox, "_restart", lambda _outbox: None),
    ),
    defect(
        "held writes are forgotten at a restart",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL),
        (DurableState, "saved", broken.saved_without_held),
    ),
    defect(
        "a restart goes back by one write, and its dot is used again",
        (Invariant.IDENTITY, Invariant.EXACTLY_ONCE, Invariant.CONVERGENCE, Invariant.NO_STALL),
        (DurableState, "saved", broken.saved_with_old_clock),
    ),
    defect(
        "a delivery is acknowledged before the commit",
        (Invariant.NOTHING_LOST,),
        *broken_caller.before_commit(todo.Acknowledge),
    ),
    defect(
        "a client is answered before the commit",
        (Invariant.NOTHING_LOST,),
        *broken_caller.before_commit(todo.Accepted),
    ),
    defect(
        "a write is published before the commit",
        (Invariant.IDENTITY, Invariant.NOTHING_LOST),
        *broken_caller.before_commit(todo.Publish),
    ),
    defect(
        "a transaction is not atomic",
        (Invariant.CONVERGENCE, Invariant.IDENTITY, Invariant.NOTHING_LOST),
        (SimulatedNode, "_finish", broken_caller.finish_torn),
    ),
    defect(
        "a refusal by the broker is taken for a confirmation",
        (Invariant.PUBLISHED,),
        (SimulatedNode, "publish_refused", broken_caller.refused_is_confirmed),
    ),
    defect(
        "confirmations of a former replica's messages are believed",
        (Invariant.PUBLISHED, Invariant.NO_STALL),
        (SimulatedNode, "_believes", broken_caller.believe_all),
        shows_in=in_failing_commits,
    ),
    defect(
        "after a failed commit the replica goes on with what is not durable",
        (Invariant.CAUSAL_ORDER, Invariant.CONVERGENCE, Invariant.NOTHING_LOST, Invariant.NO_EXCEPTION),
        (SimulatedNode, "_recover_from_failed_commit", broken_caller.go_on_after_failed_commit),
    ),
)
