"""How an applied write changes the versions, whatever its operations are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.effects import ConflictArisen, ConflictResolved
from node.core.versions import after_addition, after_delete, after_expiry, after_increment, after_put
from node.core.write import AddMembers, Delete, Expire, Increment, Put, RemoveMembers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.dot import Dot
    from node.core.places import Place
    from node.core.state import ReplicaState
    from node.core.versions import Versions
    from node.core.write import Operation, Write

    ConflictChange = ConflictArisen | ConflictResolved


def take_effect(write: Write, state: ReplicaState) -> Sequence[ConflictChange]:
    """Change the versions by all of a write's operations, in their order.

    Returns which conflicts came or went by it: a key is in conflict while it holds several versions. Counters and sets
    merge by themselves and never are.
    """
    changes: Sequence[ConflictChange] = ()
    for operation in write.operations:
        if isinstance(operation, Put):
            key = operation.key
            dots = state.dots(key)
            survivors = _survivors(key, dots, write, state)
            versions = after_put(survivors, write, operation)
            state.set_versions(key, versions)
            if operation.ttl_ms:
                state.schedule_expiry(write.timestamp.physical_ms + operation.ttl_ms, write.dot, key)
            if survivors or len(dots) > 1:
                changes = (*changes, *_conflict_change(key, write.dot, len(dots), len(versions)))
        elif isinstance(operation, Delete | Expire):
            key = operation.key
            before = len(state.dots(key))
            _change(operation, write, state)
            if before > 1:
                changes = (*changes, *_conflict_change(key, write.dot, before, len(state.dots(key))))
        else:
            _change(operation, write, state)
    return changes


def _conflict_change(key: str, dot: Dot, before: int, after: int) -> tuple[ConflictChange, ...]:
    """What it means that a key had so many versions before a write, and after it."""
    if before <= 1 < after:
        return (ConflictArisen(key, dot),)
    return (ConflictResolved(key, dot),) if after <= 1 < before else ()


def _change(operation: Operation, write: Write, state: ReplicaState) -> None:
    """As above, for what is less frequent than a put."""
    for place in operation.places:
        match operation:
            case Delete() | RemoveMembers():
                dots = state.dots(place)
                if dots:
                    state.set_versions(place, after_delete(_survivors(place, dots, write, state), write))
            case AddMembers():
                survivors = _survivors(place, state.dots(place), write, state)
                state.set_versions(place, after_addition(survivors, write))
            case Increment(_, by):
                state.set_versions(place, after_increment(state.versions(place), write, by))
            case Expire(_, dot):
                if dot in state.dots(place):
                    state.set_versions(place, after_expiry(state.versions(place), dot))


def _survivors(place: Place, dots: Sequence[Dot], write: Write, state: ReplicaState) -> Versions:
    """Versions among which are all that survive the write, of a place that holds these dots; empty when none does.

    Mostly a write covers all that is there; only siblings that survive it are worth reading whole.
    """
    covered = write.clock.entries
    for replica, seq in dots:
        if seq > covered.get(replica, 0):
            return state.versions(place)
    return ()
