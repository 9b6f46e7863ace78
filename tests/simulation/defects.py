"""Deliberate defects, injected from outside: a simulator that misses them proves nothing.

Each names the invariants by which it must be caught. A defect is a context manager that changes classes
or functions of the core, of the simulated caller or of the simulated disk, and puts them back.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

from node.core import causal_buffer, outbox, replica, versions
from node.core import events as core
from node.core.dependency_index import DependencyIndex
from tests.simulation import broken
from tests.simulation.checks import Invariant
from tests.simulation.durable_state import DurableState
from tests.simulation.simulated_node import SimulatedNode

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Defect:
    """A way to be wrong."""

    name: str
    caught_by: frozenset[Invariant]
    changes: tuple[tuple[object, str, object], ...]
    """(class or module, name of what is replaced in it, replacement)."""

    @contextmanager
    def injected(self) -> Iterator[None]:
        """Be wrong for a while."""
        with ExitStack() as stack:
            for target, name, replacement in self.changes:
                stack.enter_context(patch.object(target, name, replacement))
            yield


def _defect(name: str, caught_by: tuple[Invariant, ...], *changes: tuple[object, str, object]) -> Defect:
    return Defect(name, frozenset(caught_by), changes)


DEFECTS = (
    _defect(
        "a write is applied without its causes from other replicas",
        (Invariant.CAUSAL_ORDER,),
        (replica, "first_missing", broken.only_own_line),
        (causal_buffer, "first_missing", broken.only_own_line),
    ),
    _defect(
        "a write is applied without its replica's earlier ones",
        (Invariant.CAUSAL_ORDER,),
        (replica, "first_missing", broken.only_other_lines),
        (causal_buffer, "first_missing", broken.only_other_lines),
    ),
    _defect(
        "only the first of the writes that wait for a dot is looked at",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL, Invariant.NO_EXCEPTION),
        (DependencyIndex, "take", broken.take_one),
    ),
    _defect(
        "a duplicate is applied again",
        (Invariant.EXACTLY_ONCE,),
        (replica.Replica, "_receive", broken.receive_twice),
    ),
    _defect(
        "a duplicate of a held write is held again",
        (Invariant.NO_EXCEPTION,),
        (causal_buffer.CausalBuffer, "__contains__", broken.not_held),
    ),
    _defect(
        "a delivery is not acknowledged while a write of it is held",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL),
        (replica.Replica, "_receive", broken.receive_without_acknowledging(core.HeldBack)),
    ),
    _defect(
        "a duplicate is not acknowledged",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL),
        (replica.Replica, "_receive", broken.receive_without_acknowledging(core.Dropped)),
    ),
    _defect(
        "a client's context is ignored",
        (Invariant.CAUSAL_ORDER,),
        (replica.Replica, "_write", broken.write_without_context),
    ),
    _defect(
        "a write's clock forgets what its node had applied",
        (Invariant.CAUSAL_ORDER, Invariant.CONVERGENCE, Invariant.EXACT_CLOCKS),
        (replica, "Write", broken.write_with_own_entry_only),
    ),
    _defect(
        "timestamps follow the local wall clock only",
        (Invariant.TIMESTAMPS,),
        (replica, "observed", broken.local_time_only),
    ),
    _defect(
        "the winner is the latest arrival",
        (Invariant.CONVERGENCE,),
        (replica, "after_put", broken.newest_arrival_first),
    ),
    _defect(
        "equal timestamps are not told apart",
        (Invariant.CONVERGENCE,),
        (versions, "rank", broken.rank_by_time_only),
    ),
    _defect(
        "a put replaces concurrent versions",
        (Invariant.CONVERGENCE,),
        (replica, "after_put", broken.put_replaces_all),
    ),
    _defect(
        "a delete removes concurrent versions",
        (Invariant.CONVERGENCE,),
        (replica, "after_delete", broken.delete_removes_all),
    ),
    _defect(
        "a confirmation counts for everything before it",
        (Invariant.NOTHING_LOST,),
        (outbox.Outbox, "confirm", broken.confirm_up_to),
    ),
    _defect(
        "what was not confirmed is forgotten at a restart",
        (Invariant.NOTHING_LOST,),
        (DurableState, "saved", broken.saved_without_outbox),
    ),
    _defect(
        "what was not confirmed is not published again after a lost connection",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL),
        (outbox.Outbox, "_restart", lambda _outbox: None),
    ),
    _defect(
        "held writes are forgotten at a restart",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL),
        (DurableState, "saved", broken.saved_without_held),
    ),
    _defect(
        "a restart goes back by one write, and its dot is used again",
        (Invariant.IDENTITY, Invariant.NOTHING_LOST),
        (DurableState, "saved", broken.saved_with_old_clock),
    ),
    _defect(
        "a delivery is acknowledged before the commit",
        (Invariant.NOTHING_LOST,),
        *broken.before_commit(core.Acknowledge),
    ),
    _defect(
        "a client is answered before the commit",
        (Invariant.NOTHING_LOST,),
        *broken.before_commit(core.Accepted),
    ),
    _defect(
        "a write is published before the commit",
        (Invariant.IDENTITY, Invariant.NOTHING_LOST),
        *broken.before_commit(core.Publish),
    ),
    _defect(
        "a transaction is not atomic",
        (Invariant.CONVERGENCE, Invariant.IDENTITY, Invariant.NOTHING_LOST),
        (SimulatedNode, "_finish", broken.finish_torn),
    ),
    _defect(
        "a refusal by the broker is taken for a confirmation",
        (Invariant.NOTHING_LOST,),
        (SimulatedNode, "publish_refused", broken.refused_is_confirmed),
    ),
    _defect(
        "confirmations of a former replica's messages are believed",
        (Invariant.NOTHING_LOST, Invariant.NO_STALL),
        (SimulatedNode, "_believes", broken.believe_all),
    ),
    _defect(
        "after a failed commit the replica goes on with what is not durable",
        (Invariant.CAUSAL_ORDER, Invariant.CONVERGENCE, Invariant.NOTHING_LOST, Invariant.NO_EXCEPTION),
        (SimulatedNode, "_recover_from_failed_commit", broken.go_on_after_failed_commit),
    ),
)
"""The list; a new defect needs a line here and nothing else."""
