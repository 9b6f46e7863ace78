"""Forgetting history that nobody needs any more, a little with each tick.

What every member has applied is stable, and nobody asks for it again. It goes up to some recent writes, which are
kept for those who want to see what happened. What is not published yet is never forgotten.

Deleting needs room, too: in a full store it may fail, and with it everything in its transaction. So it is done at
ticks alone, apart from deciding what is forgotten, and little at first: a little may fit, and makes room for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.vector_clock import VectorClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.core.members import Members
    from node.core.replica import Replica
    from node.core.state import ReplicaState

FIRST_SWEEP_WRITES = 16
# The next ones are each twice as large, up to this.
SWEEP_WRITES = 2_000
# Deleting costs about what writing does: while writes come, it waits, until there is so much of it that it must keep
# up with them.
BUSY_BACKLOG_WRITES = 50_000
# Whatever came: a transaction must stay short.
SWEEP_MAX_WRITES = 25_000


class HistoryTrimming:
    """Up to where history is forgotten, and what of that is still on the disk."""

    def __init__(self, trimmed: VectorClock, keep_writes: int, max_writes: int) -> None:
        self.trimmed = trimmed
        """No write up to here may be asked for."""
        self._keep_writes = keep_writes
        self._max_writes = max_writes
        self._to_sweep = trimmed.as_dict()
        self._backlog_writes = 0
        self._sweep_writes = FIRST_SWEEP_WRITES

    def kept_writes(self, applied: Mapping[str, int]) -> int:
        """How many writes history holds."""
        return sum(count - self.trimmed[origin] for origin, count in applied.items())

    def aim(self, replica: Replica, members: Members, now_ms: int, state: ReplicaState) -> None:
        """Decide what is forgotten by now."""
        applied = replica.delivery.applied
        patience = members.pinning(now_ms)
        if self.kept_writes(applied) > self._max_writes:
            patience = [node for node in patience if members.is_alive(node, now_ms)]
        aims = {}
        for origin, count in applied.items():
            aim = members.stable_count(origin, count, patience) - self._keep_writes
            unpublished_after = replica.publishing.kept_from(origin)
            if unpublished_after is not None:
                aim = min(aim, unpublished_after)
            if aim > self.trimmed[origin]:
                aims[origin] = aim
        self._move(aims, state)

    def skip(self, ends: Mapping[str, int], state: ReplicaState) -> None:
        """Of these writes this replica never had a history."""
        self._move(ends, state)

    def _move(self, ends: Mapping[str, int], state: ReplicaState) -> None:
        if ends:
            self._backlog_writes += sum(end - self.trimmed[origin] for origin, end in ends.items())
            self.trimmed = self.trimmed.merge(VectorClock(ends))
            self._to_sweep.update(ends)
            state.save_trimmed(self.trimmed)

    def sweep(self, state: ReplicaState, arrived_writes: int) -> bool:
        """Take a little of what is forgotten off the disk; whether there was any.

        ``arrived_writes`` were applied since the last time.
        """
        if not self._to_sweep or (arrived_writes and self._backlog_writes < BUSY_BACKLOG_WRITES):
            return False
        has_swept = False
        room = min(arrived_writes + self._sweep_writes, SWEEP_MAX_WRITES)
        self._sweep_writes = min(2 * self._sweep_writes, SWEEP_WRITES)
        for origin in list(self._to_sweep):
            swept = state.trim_history(origin, self._to_sweep[origin], room)
            has_swept = has_swept or swept > 0
            room -= swept
            self._backlog_writes -= swept
            if room <= 0:
                return has_swept
            del self._to_sweep[origin]
        self._backlog_writes = 0
        return has_swept
