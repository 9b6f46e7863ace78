"""Wrong versions of the data types, of expiry, of named requests, and of preconditions.

Each function stands in for the one that ``defects_of_data.py`` names beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import effects as todo
from node.core import taking_effect
from node.core.delivery import CausalDelivery
from node.core.expiry import Expiry
from node.core.local_writes import LocalWrites
from node.core.places import CounterPlace
from node.core.requests import RequestMemory
from node.core.versions import Version, Versions
from node.core.write import Expire, RemoveMembers, Write
from tests.simulation.durable_state import DurableState
from tests.simulation.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core import events as core
    from node.core.dot import Dot
    from node.core.expiry import Expiring
    from node.core.requests import RememberedRequest
    from node.core.state import ReplicaState, SavedReplica
    from node.core.vector_clock import VectorClock
    from node.core.write import Operation

_CHANGE = taking_effect._change
_TAKE_EFFECT = taking_effect.take_effect
_ADOPT = Transaction.adopt_snapshot
_REMEMBER = Transaction.remember_request
_SCHEDULE = Transaction.schedule_expiry
_PURSUE = RequestMemory.pursue
_TAKE = LocalWrites.take
_APPLY = CausalDelivery.apply
_SAVED = DurableState.saved

# --------------------------------------------------------------------------------- data types


def removal_takes_all(operation: Operation, write: Write, state: ReplicaState) -> None:
    """A removal that takes concurrent additions with it."""
    if isinstance(operation, RemoveMembers):
        for place in operation.places:
            state.set_versions(place, ())
    else:
        _CHANGE(operation, write, state)


def expiry_takes_all(operation: Operation, write: Write, state: ReplicaState) -> None:
    """An expiry that removes whatever is there."""
    if isinstance(operation, Expire):
        state.set_versions(operation.key, ())
    else:
        _CHANGE(operation, write, state)


def increment_replaces_shares(shares: Versions, write: Write, by: int) -> Versions:
    """An increment that puts the whole sum into one share, as if nobody else incremented meanwhile."""
    total = sum(int(share.value) for share in shares) + by
    return (Version(write.dot, write.clock, write.timestamp, b"%d" % total),)


def add_shares_up(self: Transaction, known_here: VectorClock, known_there: VectorClock) -> None:
    """A merge that adds up the shares of both sides."""
    before = {place: self.versions(place) for place in self._staged_before() if isinstance(place, CounterPlace)}
    there = {place: versions for place, versions in self._staged_before().items() if place in before}
    _ADOPT(self, known_here, known_there)
    for place, shares in before.items():
        sums = {share.dot.replica: int(share.value) for share in (*shares, *there[place])}
        for share in shares:
            sums[share.dot.replica] += int(share.value)
        both = {share.dot.replica for share in shares} & {share.dot.replica for share in there[place]}
        merged = [
            share._replace(value=b"%d" % sums[share.dot.replica]) if share.dot.replica in both else share
            for share in self.versions(place)
        ]
        self.set_versions(place, tuple(merged))


def half_a_batch(write: Write, state: ReplicaState) -> Sequence[taking_effect.ConflictChange]:
    """A batch of which only the first operation takes effect."""
    return _TAKE_EFFECT(write._replace(operations=write.operations[:1]), state)


# ------------------------------------------------------------------------------- time of versions


def everybody_expires(self: Expiry, now_ms: int, wall_ms: int, state: ReplicaState) -> list[todo.Effect]:
    """Every node ends versions by its own clock, and writes nothing."""
    del now_ms
    for node in sorted({replica.partition("~")[0] for replica in self._replica.delivery.applied}):
        for expiring in state.due_expiries(node, None, wall_ms, self._limits.look_max):
            left = tuple(version for version in state.versions(expiring.key) if version.dot != expiring.dot)
            state.set_versions(expiring.key, left)
            state.forget_expiry(expiring)
    return []


def a_moment_early(self: Expiry, now_ms: int, wall_ms: int, state: ReplicaState) -> list[todo.Effect]:
    """A node that ends versions before their time."""
    return _PURSUE_EXPIRY(self, now_ms, wall_ms + 1_000, state)


_PURSUE_EXPIRY = Expiry.pursue


def saved_without_expiries(disk: DurableState, held_max_writes: int) -> SavedReplica:
    """A disk that forgot which versions end."""
    disk.expiries.clear()
    return _SAVED(disk, held_max_writes)


def stands_by_dot(expiring: Expiring, state: ReplicaState) -> bool:
    """An expiry that goes by the name of a write alone, whichever put of the write stands."""
    return expiring.dot in state.dots(expiring.key)


def schedule_what_is_there(self: Transaction, expires_ms: int, dot: Dot, key: str) -> None:
    """A store that does not keep in mind when the versions of a staged snapshot end."""
    if any(version.dot == dot for version in self.versions(key)):
        _SCHEDULE(self, expires_ms, dot, key)


def never_for_another(self: Expiry, now_ms: int) -> bool:
    """A node that leaves the versions of others to them for ever."""
    del self, now_ms
    return False


# ------------------------------------------------------------------------- named requests, conditions


def saved_without_requests(disk: DurableState, held_max_writes: int) -> SavedReplica:
    """A disk that forgot the requests."""
    disk.younger, disk.older = {}, {}
    return _SAVED(disk, held_max_writes)


def remember_own(self: Transaction, request_id: str, remembered: RememberedRequest) -> None:
    """A node that remembers only what it accepted itself."""
    if remembered.dot.replica == self._disk.replica:
        _REMEMBER(self, request_id, remembered)


def forget_both(self: RequestMemory, wall_ms: int, state: ReplicaState) -> None:
    """A node that forgets the younger generation with the older one."""
    begun_ms = self._begun_ms
    _PURSUE(self, wall_ms, state)
    if begun_ms != self._begun_ms:
        state.forget_older_requests(wall_ms)


def judge_the_committed(self: LocalWrites, event: core.LocalWrite, state: ReplicaState) -> list[todo.Effect]:
    """A node that judges conditions by what it had before the transaction."""
    if event.condition is not None and isinstance(state, Transaction):
        current = state._disk.versions.get(event.condition.key, ())
        if not event.condition.is_met(current):
            return [todo.RefusedWrite(event.request, todo.RefusalReason.CONDITION_NOT_MET, {}, current)]
    return _TAKE(self, event._replace(condition=None), state)
