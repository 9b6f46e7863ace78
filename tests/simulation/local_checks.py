"""What must hold of the writes that a node makes: named requests, preconditions, and the time of versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import effects as todo
from node.core.conditions import IfAbsent
from node.core.dot import node_id_of
from node.core.write import Expire
from tests.simulation.coverage import Coverage, Seen
from tests.simulation.invariants import Invariant, ViolationError
from tests.simulation.requests import shown_clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.conditions import Condition
    from node.core.local_writes import LocalWriteLimits
    from node.core.versions import Versions
    from node.core.write import Write
    from tests.simulation.durable_state import DurableState
    from tests.simulation.oracle import Oracle
    from tests.simulation.requests import WriteRequest


class LocalChecks:
    """The judge of what nodes accept, refuse, and recognise."""

    def __init__(self, oracle: Oracle, coverage: Coverage, limits: LocalWriteLimits) -> None:
        self._oracle = oracle
        self._coverage = coverage
        self._limits = limits
        self.now_ms = 0
        """What the wall clock of the node that is judged showed by the time of its transaction."""

    def accepted(self, disk: DurableState, write: Write, request: WriteRequest | None) -> None:
        """A node makes a write; ``disk`` contains all that it applied before."""
        if request is None:
            self._ended(disk, write)
        elif request.condition is not None:
            self._coverage[Seen.CONDITION_MET] += 1
            if not _is_met(request.condition, self._oracle.holds(request.condition.key, disk.applied)):
                raise ViolationError(Invariant.CONDITIONS, f"{write.dot} was made against {request.condition}")
        if write.request_id and self._must_be_known(disk, write.request_id):
            raise ViolationError(
                Invariant.EXACTLY_ONCE, f"{write.dot} repeats request {write.request_id}, which the node had applied"
            )
        self.applied(disk, write)

    # ------------------------------------------------------------------------ named requests

    def applied(self, disk: DurableState, write: Write) -> None:
        """A node applies a write, its own or another's, and is to remember its request from now on."""
        if write.request_id:
            disk.requests_known[write.request_id] = max(0, len(disk.walls_ms) - 1)

    def _must_be_known(self, disk: DurableState, request_id: str) -> bool:
        """Whether a request came before, and by the node's wall clock not too long ago, wherever that jumped."""
        if request_id not in disk.requests_known:
            return False
        walls_ms = disk.walls_ms[disk.requests_known[request_id] :]
        lowest_ms, is_long_ago = walls_ms[0] if walls_ms else 0, False
        for wall_ms in walls_ms:
            lowest_ms = min(lowest_ms, wall_ms)
            is_long_ago |= wall_ms - lowest_ms >= self._limits.requests.remember_ms
        self._coverage[Seen.REQUEST_FORGOTTEN] += is_long_ago
        return not is_long_ago

    def repeated(self, disk: DurableState, request: WriteRequest, told: Write) -> Write:
        """A node recognised a request; returns the write that it came to."""
        index = self._oracle.index_of(told.dot)
        write = None if index is None else self._oracle.writes[index]
        if write is None or index is None or not disk.applied >> index & 1:
            raise ViolationError(Invariant.EXACTLY_ONCE, f"{disk.replica} answers with {told.dot}, which it lacks")
        is_right = (write.request_id, write.operations) == (request.request_id, request.operations)
        if not is_right or write.clock != told.clock:
            raise ViolationError(Invariant.EXACTLY_ONCE, f"{disk.replica} answers {request} with {told}")
        return write

    # -------------------------------------------------------------------------- preconditions

    def refused(self, before: int, effects: Sequence[todo.Effect]) -> None:
        """Judge the refusals of a transaction, each at the state that the effects before it say."""
        applied = before
        for effect in effects:
            match effect:
                case todo.Accepted() | todo.Applied():
                    index = self._oracle.index_of(effect.write.dot)
                    applied |= 0 if index is None else 1 << index
                case todo.SnapshotAdopted():
                    applied |= self._oracle.covered(effect.clock) or 0
                case todo.RefusedWrite(request, todo.RefusalReason.CONDITION_NOT_MET, _, current):
                    holds = self._oracle.holds(request.condition.key, applied)
                    if current != holds or _is_met(request.condition, holds):
                        raise ViolationError(Invariant.CONDITIONS, f"{request} was refused: {current}; true is {holds}")

    # ------------------------------------------------------------------------- time of versions

    def _ended(self, disk: DurableState, write: Write) -> None:
        """A node ends the time of versions, by its own wall clock; those of others later."""
        node = node_id_of(disk.replica)
        for operation in write.operations:
            ends_ms = self._oracle.ends_ms(operation.key, operation.dot) if isinstance(operation, Expire) else None
            if not isinstance(operation, Expire) or ends_ms is None:
                raise ViolationError(Invariant.EXPIRY, f"{write.dot} ends what never ends: {operation}")
            is_own = node_id_of(operation.dot.replica) == node
            self._coverage[Seen.EXPIRED if is_own else Seen.EXPIRED_FOR_ANOTHER] += 1
            if self.now_ms < ends_ms + (0 if is_own else self._limits.expiry.grace_ms):
                raise ViolationError(
                    Invariant.EXPIRY, f"{write.dot} ends {operation} at {self.now_ms}, before its time at {ends_ms}"
                )


def _is_met(condition: Condition, holds: Versions) -> bool:
    if isinstance(condition, IfAbsent):
        return not holds
    return bool(holds) and list(shown_clock(holds[0].clock)) == list(condition.expected)
