"""How an applied write changes the versions, whatever its operations are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.versions import after_addition, after_delete, after_expiry, after_increment, after_put
from node.core.write import AddMembers, Delete, Expire, Increment, Put, RemoveMembers

if TYPE_CHECKING:
    from node.core.places import Place
    from node.core.state import ReplicaState
    from node.core.versions import Versions
    from node.core.write import Operation, Write


def take_effect(write: Write, state: ReplicaState) -> None:
    """Change the versions by all of a write's operations, in their order."""
    for operation in write.operations:
        if isinstance(operation, Put):
            survivors = _survivors(operation.key, write, state)
            state.set_versions(operation.key, after_put(survivors or (), write, operation))
            if operation.ttl_ms:
                state.schedule_expiry(write.timestamp.physical_ms + operation.ttl_ms, write.dot, operation.key)
        else:
            _change(operation, write, state)


def _change(operation: Operation, write: Write, state: ReplicaState) -> None:
    """As above, for what is less frequent than a put."""
    for place in operation.places:
        match operation:
            case Delete() | RemoveMembers():
                survivors = _survivors(place, write, state)
                if survivors is not None:
                    state.set_versions(place, after_delete(survivors, write))
            case AddMembers():
                state.set_versions(place, after_addition(_survivors(place, write, state) or (), write))
            case Increment(_, by):
                state.set_versions(place, after_increment(state.versions(place), write, by))
            case Expire(_, dot):
                if dot in state.dots(place):
                    state.set_versions(place, after_expiry(state.versions(place), dot))


def _survivors(place: Place, write: Write, state: ReplicaState) -> Versions | None:
    """Versions among which are all that survive the write; None: there are none at all.

    Mostly a write covers all that is there; only siblings that survive it are worth reading whole.
    """
    dots = state.dots(place)
    if not dots:
        return None
    return () if all(map(write.clock.covers, dots)) else state.versions(place)
