"""Causal delivery: applying writes, holding what comes too early, releasing it when its causes are applied."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from node.core.causal_buffer import CausalBuffer, HeldWrite
from node.core.dependency_index import first_missing
from node.core.effects import Applied, Dropped, HeldBack
from node.core.hybrid_clock import observed
from node.core.requests import RememberedRequest
from node.core.taking_effect import take_effect
from node.core.vector_clock import VectorClock
from node.core.write import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.core.dot import Dot
    from node.core.effects import Effect
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.state import ReplicaState, SavedReplica
    from node.core.write import Write


# Shelved writes that are looked at in one go.
SHELF_LOOK_WRITES = 1_000


class CausalDelivery:
    """What a replica has applied, and what it holds back.

    The causal buffer has a limit. A held write beyond it stays on the disk alone, on the *shelf*, where nothing wakes
    it: the shelf is looked through, a part at a time, until it is empty.
    """

    _new_buffer = CausalBuffer

    def __init__(self, saved: SavedReplica, held_max_writes: int) -> None:
        self.applied = saved.clock.as_dict()
        self.timestamp = saved.timestamp
        self.buffer = self._new_buffer()
        self.has_moved = False
        """Whether something was applied since the position was last saved."""
        self._clock: VectorClock | None = saved.clock
        self._held_max_writes = held_max_writes
        self.has_shelf = saved.holds_more
        """Whether held writes stand on the disk that are not in the buffer."""
        self._shelf_after: Dot | None = None
        self._shelf_was_met = False
        # The buffer keeps the order of arrival, also over a restart.
        for held in sorted(saved.held, key=lambda held: held.since_ms):
            missing = self._missing(held.dot, held.clock)
            if missing is None or len(self.buffer) >= held_max_writes:
                self.has_shelf = True
            else:
                self.buffer.hold(held, missing)

    @property
    def clock(self) -> VectorClock:
        """The writes applied here, own ones included."""
        if self._clock is None:
            self._clock = VectorClock(self.applied)
        return self._clock

    def count(self, replica: str) -> int:
        """How many writes of a replica are applied here."""
        return self.applied.get(replica, 0)

    def known(self, replica: str) -> int:
        """How many writes of a replica are known here to exist: applied, held, or named by what is held."""
        return max(self.count(replica), self.buffer.known.get(replica, 0))

    def _missing(self, dot: Dot, clock: VectorClock) -> Dot | None:
        """The delivery rule: a dot that must be applied before this write, None when nothing is in its way."""
        return first_missing(dot, clock, self.applied)

    def waits_for(self, held: HeldWrite) -> Dot:
        """One dot that a held write waits for; raises ValueError when it waits for none."""
        missing = self._missing(held.dot, held.clock)
        if missing is None:
            raise ValueError(f"{held.dot} is not held back by anything")
        return missing

    # ------------------------------------------------------------------------------ applying

    def apply(self, write: Write, state: ReplicaState) -> Sequence[Effect]:
        """Let a write take effect, after everything that happened before it; returns what that did to conflicts."""
        conflicts = take_effect(write, state)
        if write.request_id:
            state.remember_request(
                write.request_id, RememberedRequest(write.dot, write.clock, fingerprint(write.operations))
            )
        state.append_history(write)
        self.applied[write.dot.replica] = write.dot.seq
        self._clock = None
        self.has_moved = True
        self.timestamp = observed(self.timestamp, write.timestamp)
        return conflicts

    def apply_own(self, write: Write, state: ReplicaState, effects: list[Effect]) -> None:
        """Let a write of this replica take effect, and whatever waited for it."""
        effects += self.apply(write, state)
        self._clock = write.clock
        self._release_after(write.dot, state, effects)

    def deliver(
        self, writes: Sequence[Write], now_ms: int, state: ReplicaState, effects: list[Effect], own_replica: str
    ) -> None:
        """Apply each write, or hold it, or drop what is here already."""
        applied, buffer = self.applied, self.buffer
        for write in writes:
            dot = write.dot
            if dot.seq <= applied.get(dot.replica, 0) or (buffer and dot in buffer):
                effects.append(Dropped(dot, own_echo=dot.replica == own_replica))
                continue
            missing = self._missing(dot, write.clock)
            if missing is None:
                conflicts = self.apply(write, state)
                effects.append(Applied(write, None))
                effects += conflicts
                self._release_after(dot, state, effects)
            else:
                held = HeldWrite(dot, write.clock, write.keys, now_ms)
                if len(buffer) < self._held_max_writes:
                    buffer.hold(held, missing)
                else:
                    buffer.note(held)
                    self.has_shelf = self._shelf_was_met = True
                state.hold(write, now_ms)
                effects.append(HeldBack(write, missing))

    def look_through_shelf(self, state: ReplicaState, effects: list[Effect]) -> None:
        """Apply, take into the buffer, or forget, some of the held writes that are on the disk alone."""
        if not self.has_shelf:
            return
        found = state.held_after(self._shelf_after, SHELF_LOOK_WRITES)
        # Seen from now: what is in the buffer may be let through, and off the disk, before its turn comes.
        for held in [each for each in found if each.dot not in self.buffer]:
            missing = self._missing(held.dot, held.clock)
            if held.dot.seq <= self.count(held.dot.replica):
                state.take_held(held.dot)
            elif missing is None:
                self._apply_freed(deque([held]), state, effects)
            elif len(self.buffer) < self._held_max_writes:
                self.buffer.hold(held, missing)
            else:
                self._shelf_was_met = True
        self._shelf_after = found[-1].dot if len(found) >= SHELF_LOOK_WRITES else None
        if self._shelf_after is None:
            # The end: if no write of the whole shelf had to stay, there is none any more.
            self.has_shelf, self._shelf_was_met = self._shelf_was_met, False

    def _release_after(self, dot: Dot, state: ReplicaState, effects: list[Effect]) -> None:
        """Apply every held write that only waited for ``dot``, and for what that lets through in turn."""
        if self.buffer:
            self._apply_freed(deque(self.buffer.release(dot, self.applied)), state, effects)

    def _apply_freed(self, freed: deque[HeldWrite], state: ReplicaState, effects: list[Effect]) -> None:
        while freed:
            held = freed.popleft()
            released = state.take_held(held.dot)
            conflicts = self.apply(released, state)
            effects.append(Applied(released, held.since_ms))
            effects += conflicts
            freed.extend(self.buffer.release(held.dot, self.applied))

    # ------------------------------------------------------------------------------ snapshots

    def adopt(
        self, clock: Mapping[str, int], timestamp: HybridTimestamp, state: ReplicaState, effects: list[Effect]
    ) -> None:
        """The state was merged with another one, which contained the writes of ``clock``.

        What is held and contained in it is held no longer; what only waited for that is applied.
        """
        for replica, count in clock.items():
            if count > self.count(replica):
                self.applied[replica] = count
        self._clock = None
        self.has_moved = True
        self.timestamp = observed(self.timestamp, timestamp)
        held_before = list(self.buffer)
        self.buffer = self._new_buffer()
        freed: deque[HeldWrite] = deque()
        for held in held_before:
            missing = self._missing(held.dot, held.clock)
            if held.dot.seq <= self.count(held.dot.replica):
                state.take_held(held.dot)
            elif missing is None:
                freed.append(held)
            else:
                self.buffer.hold(held, missing)
        self._apply_freed(freed, state, effects)
