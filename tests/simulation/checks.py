"""What must hold: at every commit of every node, and once everything has come to rest.

The invariants are those of DESIGN section 2; each check says which one it speaks for.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from node.core.vector_clock import VectorClock
from node.core.write import Put
from tests.simulation.coverage import Coverage, Seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.core.dot import Dot
    from node.core.versions import Versions
    from node.core.write import Write
    from tests.simulation.durable_state import DurableState, Transaction
    from tests.simulation.oracle import Oracle


class Invariant(enum.StrEnum):
    """What a violation is a violation of."""

    CAUSAL_ORDER = "I1 causal order"
    CONVERGENCE = "I2 convergence"
    NOTHING_LOST = "I3 no acknowledged write is lost"
    EXACTLY_ONCE = "I4 exactly once"
    NO_STALL = "I6 no silent stall"
    IDENTITY = "I7 identity is never reused"
    EXACT_CLOCKS = "clocks name exactly the writes that happened before"
    TIMESTAMPS = "timestamps grow along happened-before"
    ANNOUNCED = "effects tell what happened"
    NO_EXCEPTION = "the core raises nothing"


class ViolationError(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: Invariant, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant


class Checks:
    """The judge of one run."""

    def __init__(self, oracle: Oracle, coverage: Coverage) -> None:
        self._oracle = oracle
        self._coverage = coverage

    # ---------------------------------------------------------------------- at every commit

    def committed(self, disk: DurableState, transaction: Transaction, clients_saw: Mapping[Dot, int]) -> None:
        """Judge what a commit applied, write by write; ``clients_saw`` by the writes accepted in it."""
        for write in transaction.applied:
            if write.dot.replica == disk.replica:
                self._accepted(disk, write, clients_saw.get(write.dot))
            else:
                self._delivered(disk, write)
        for key in transaction.touched_keys:
            self._check_siblings(disk, key)

    def _accepted(self, disk: DurableState, write: Write, client_saw: int | None) -> None:
        known = self._oracle.index_of(write.dot)
        if known is not None:
            again = self._oracle.writes[known] == write
            raise ViolationError(
                Invariant.EXACTLY_ONCE if again else Invariant.IDENTITY,
                f"{disk.replica} wrote {write.dot} a second time",
            )
        if client_saw is None:
            raise ViolationError(Invariant.ANNOUNCED, f"{disk.replica} applied {write.dot}, which no client asked for")
        if unseen := client_saw & ~disk.applied:
            raise ViolationError(
                Invariant.CAUSAL_ORDER,
                f"{disk.replica} accepted {write.dot} without {self._oracle.names(unseen)}, which its client had seen",
            )
        disk.applied |= 1 << self._oracle.record(write, disk.applied, client_saw)

    def _delivered(self, disk: DurableState, write: Write) -> None:
        index = self._oracle.index_of(write.dot)
        if index is None or self._oracle.writes[index] != write:
            raise ViolationError(
                Invariant.IDENTITY, f"{disk.replica} applied a {write.dot} that is not what its origin committed"
            )
        if disk.applied >> index & 1:
            raise ViolationError(Invariant.EXACTLY_ONCE, f"{disk.replica} applied {write.dot} twice")
        if absent := self._oracle.past[index] & ~disk.applied:
            raise ViolationError(
                Invariant.CAUSAL_ORDER, f"{disk.replica} applied {write.dot} before {self._oracle.names(absent)}"
            )
        disk.applied |= 1 << index

    def _check_siblings(self, disk: DurableState, key: str) -> None:
        shown = disk.versions.get(key, ())
        expected = self._oracle.siblings(key, disk.applied)
        if len(shown) > 1:
            self._coverage[Seen.CONFLICT] += 1
        if not _match(shown, expected, key):
            raise ViolationError(
                Invariant.CONVERGENCE,
                f"{disk.replica} holds {key} as {_dots(shown)}; the maximal applied writes, winner first, are "
                f"{[str(write.dot) for write in expected]}",
            )

    def announced(self, transaction: Transaction, announced: Sequence[Write]) -> None:
        """The effects of a transaction name what it applied, in that order."""
        applied = [write.dot for write in transaction.applied]
        if applied != [write.dot for write in announced]:
            raise ViolationError(Invariant.ANNOUNCED, f"applied {applied}, but the effects said {announced}")

    def shown(self, disk: DurableState, client_saw: int) -> None:
        """A read that a node answers may not lack anything that its client has seen."""
        if unseen := client_saw & ~disk.applied:
            raise ViolationError(
                Invariant.CAUSAL_ORDER,
                f"{disk.replica} answered a client that had seen {self._oracle.names(unseen)}, which it lacks",
            )

    # --------------------------------------------------------------------------- at the end

    def at_rest(self, disks: Sequence[DurableState], acknowledged: Sequence[Write], queued: Mapping[str, int]) -> None:
        """Judge the end: everything is healed and delivered, and nothing is planned any more."""
        self._check_nothing_is_lost(disks, acknowledged)
        if any(queued.values()):
            raise ViolationError(Invariant.NO_STALL, f"at rest there are messages in queues: {queued}")
        for disk in disks:
            self._check_nothing_waits(disk)
            for key in self._oracle.keys:
                self._check_siblings(disk, key)
                if self._oracle.deletes_that_spared(key, disk.applied):
                    self._coverage[Seen.SURVIVED_A_DELETE] += 1
        self._check_convergence(disks)
        self._check_clocks()

    def _check_nothing_is_lost(self, disks: Sequence[DurableState], acknowledged: Sequence[Write]) -> None:
        answered = 0
        for write in acknowledged:
            index = self._oracle.index_of(write.dot)
            if index is None or self._oracle.writes[index] != write:
                raise ViolationError(Invariant.NOTHING_LOST, f"{write.dot} was acknowledged, and is durable nowhere")
            answered |= 1 << index
        everything = (1 << len(self._oracle.writes)) - 1
        self._coverage[Seen.UNANSWERED_WRITE_KEPT] += (everything & ~answered).bit_count()
        for disk in disks:
            for lost, kind in ((answered & ~disk.applied, "acknowledged"), (everything & ~disk.applied, "committed")):
                if lost:
                    raise ViolationError(
                        Invariant.NOTHING_LOST, f"{disk.replica} lacks {self._oracle.names(lost)}: {kind}"
                    )

    def _check_nothing_waits(self, disk: DurableState) -> None:
        own_writes = disk.clock[disk.replica]
        if disk.held or disk.confirmed_seq != own_writes:
            raise ViolationError(
                Invariant.NO_STALL,
                f"{disk.replica} at rest holds back {[str(dot) for dot in disk.held]} and has "
                f"{own_writes - disk.confirmed_seq} unconfirmed writes",
            )

    def _check_convergence(self, disks: Sequence[DurableState]) -> None:
        first = disks[0]
        for other in disks[1:]:
            if other.clock != first.clock:
                raise ViolationError(
                    Invariant.CONVERGENCE,
                    f"{first.replica} ends at {first.clock}, {other.replica} at {other.clock}",
                )
            if other.fingerprint() != first.fingerprint():
                raise ViolationError(
                    Invariant.CONVERGENCE, f"{first.replica} and {other.replica} differ in the bytes of their states"
                )
        counted = sum(count for _replica, count in first.clock.items())
        if counted != len(self._oracle.writes):
            raise ViolationError(
                Invariant.CONVERGENCE, f"clocks count {counted} writes of {len(self._oracle.writes)} accepted ones"
            )

    def _check_clocks(self) -> None:
        """A clock that names too little breaks I1 some day; one that names too much holds writes back for nothing."""
        for index, write in enumerate(self._oracle.writes):
            past = self._oracle.past[index]
            truth: dict[str, int] = {}
            for earlier, cause in enumerate(self._oracle.writes):
                if earlier == index or past >> earlier & 1:
                    truth[cause.dot.replica] = max(truth.get(cause.dot.replica, 0), cause.dot.seq)
                if past >> earlier & 1 and cause.timestamp >= write.timestamp:
                    raise ViolationError(
                        Invariant.TIMESTAMPS,
                        f"{write.dot} at {write.timestamp} happened after {cause.dot} at {cause.timestamp}",
                    )
            if write.clock != VectorClock(truth):
                raise ViolationError(
                    Invariant.EXACT_CLOCKS, f"{write.dot} says {write.clock}; true is {VectorClock(truth)}"
                )


def _dots(versions: Versions) -> list[str]:
    return [str(version.dot) for version in versions]


def _match(shown: Versions, expected: Sequence[Write], key: str) -> bool:
    if [version.dot for version in shown] != [write.dot for write in expected]:
        return False
    return all(
        (version.clock, version.timestamp, version.value) == (write.clock, write.timestamp, _value(write, key))
        for version, write in zip(shown, expected, strict=True)
    )


def _value(write: Write, key: str) -> bytes | None:
    last = next(operation for operation in reversed(write.operations) if operation.key == key)
    return last.value if isinstance(last, Put) else None
