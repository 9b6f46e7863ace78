"""Defects of what clients see beyond puts and deletes: data types, batches, time, named requests, preconditions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from node.core import delivery, expiry, local_writes, taking_effect
from node.core.expiry import Expiry
from node.core.requests import RequestMemory
from node.core.write import Put
from tests.simulation import broken_data
from tests.simulation.defect import Defect, defect, in_many
from tests.simulation.durable_state import DurableState
from tests.simulation.invariants import Invariant
from tests.simulation.plan import FaultKind
from tests.simulation.transaction import Transaction

if TYPE_CHECKING:
    from tests.simulation.plan import Plan


def in_named_requests(plan: Plan) -> int:
    """The more requests that come again, the better."""
    return sum(action.repeats for action in plan.actions)


def _ending(plan: Plan) -> int:
    return sum(
        isinstance(operation, Put) and operation.ttl_ms > 0
        for action in plan.actions
        for operation in action.operations
    )


def in_lost_disks(plan: Plan) -> int:
    """Versions that end, and disks that are lost: the more of both, the better."""
    return _ending(plan) * in_many(FaultKind.LOSE_DISK)(plan)


def in_leaving(plan: Plan) -> int:
    """Versions that end, and nodes that leave: the more of both, the better."""
    return _ending(plan) * in_many(FaultKind.LEAVE)(plan)


def in_keys_put_twice(plan: Plan) -> int:
    """The more writes put one key several times, for a while or for good, the better."""
    return sum(
        count > 1
        for action in plan.actions
        for count in Counter(operation.key for operation in action.operations if isinstance(operation, Put)).values()
    )


DEFECTS_OF_DATA: tuple[Defect, ...] = (
    # Data types and batches.
    defect(
        "an addition is dropped by a concurrent removal",
        (Invariant.CONVERGENCE,),
        (taking_effect, "_change", broken_data.removal_takes_all),
    ),
    defect(
        "an increment replaces the shares of other replicas",
        (Invariant.CONVERGENCE,),
        (taking_effect, "after_increment", broken_data.increment_replaces_shares),
    ),
    defect(
        "a share is added up twice by a snapshot",
        (Invariant.CONVERGENCE,),
        (Transaction, "adopt_snapshot", broken_data.add_shares_up),
    ),
    defect(
        "a batch is applied in half",
        (Invariant.CONVERGENCE,),
        (delivery, "take_effect", broken_data.half_a_batch),
    ),
    # The time of versions.
    defect(
        "an expiry removes whatever is there",
        (Invariant.CONVERGENCE,),
        (taking_effect, "_change", broken_data.expiry_takes_all),
    ),
    defect(
        "every node ends versions by its own clock",
        (Invariant.CONVERGENCE,),
        (Expiry, "pursue", broken_data.everybody_expires),
    ),
    defect(
        "versions end before their time",
        (Invariant.EXPIRY,),
        (Expiry, "pursue", broken_data.a_moment_early),
    ),
    defect(
        "what ends is forgotten at a restart",
        (Invariant.EXPIRY,),
        (DurableState, "saved", broken_data.saved_without_expiries),
    ),
    defect(
        "the time of an earlier put of one write ends the later one",
        (Invariant.EXPIRY,),
        (expiry, "_stands", broken_data.stands_by_dot),
        shows_in=in_keys_put_twice,
    ),
    defect(
        "what comes by a snapshot never ends",
        (Invariant.EXPIRY,),
        (Transaction, "schedule_expiry", broken_data.schedule_what_is_there),
        shows_in=in_lost_disks,
    ),
    defect(
        "what is over while a snapshot comes in parts never ends",
        (Invariant.EXPIRY,),
        (Expiry, "_may_forget", lambda _expiry: True),
        shows_in=in_lost_disks,
    ),
    defect(
        "nobody ends the versions of a node that stays away",
        (Invariant.EXPIRY,),
        (Expiry, "_is_first", broken_data.never_for_another),
        shows_in=in_leaving,
    ),
    # Named requests and preconditions.
    defect(
        "requests are forgotten at a restart",
        (Invariant.EXACTLY_ONCE,),
        (DurableState, "saved", broken_data.saved_without_requests),
        shows_in=in_named_requests,
    ),
    defect(
        "a request is remembered only where it was accepted",
        (Invariant.EXACTLY_ONCE,),
        (Transaction, "remember_request", broken_data.remember_own),
        shows_in=in_named_requests,
    ),
    defect(
        "a generation of requests is forgotten too early",
        (Invariant.EXACTLY_ONCE,),
        (RequestMemory, "pursue", broken_data.forget_both),
        shows_in=in_named_requests,
    ),
    defect(
        "a condition is judged against the state before the transaction",
        (Invariant.CONDITIONS,),
        (local_writes.LocalWrites, "take", broken_data.judge_the_committed),
    ),
)
