"""What must hold at every commit of every node; each check says which invariant it speaks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import effects as todo
from node.core.places import CounterPlace, MemberPlace
from tests.simulation.coverage import Coverage, Seen
from tests.simulation.invariants import Invariant, ViolationError
from tests.simulation.links import Hello
from tests.simulation.local_checks import LocalChecks
from tests.simulation.oracle import places_of
from tests.simulation.transaction import Adopted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.core.dot import Dot
    from node.core.local_writes import LocalWriteLimits
    from node.core.places import Place
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Write
    from tests.simulation.durable_state import DurableState
    from tests.simulation.links import Payload
    from tests.simulation.oracle import Oracle
    from tests.simulation.requests import WriteRequest
    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.transaction import Transaction


class Checks:
    """The judge of one run, as long as it lasts."""

    def __init__(self, oracle: Oracle, coverage: Coverage, limits: LocalWriteLimits) -> None:
        self._oracle = oracle
        self._coverage = coverage
        self.local = LocalChecks(oracle, coverage, limits)

    def committed(
        self,
        node: SimulatedNode,
        transaction: Transaction,
        effects: Sequence[todo.Effect],
        walls_ms: Sequence[int],
    ) -> None:
        """Judge a transaction that is durable now, and whose effects are not carried out yet.

        ``walls_ms``: what the wall clock showed at the ticks in it.
        """
        node.disk.walls_ms += walls_ms
        self.local.now_ms = max(walls_ms, default=0)
        accepted = [effect for effect in effects if isinstance(effect, todo.Accepted)]
        before = node.disk.applied
        self.applied(node.disk, transaction, {effect.write.dot: effect.request for effect in accepted})
        self.local.refused(before, effects)
        told: list[Write | Adopted] = []
        for effect in effects:
            if isinstance(effect, todo.Accepted | todo.Applied):
                told.append(effect.write)
            elif isinstance(effect, todo.SnapshotAdopted):
                told.append(Adopted(effect.clock))
        if transaction.log != told:
            raise ViolationError(Invariant.ANNOUNCED, f"applied {transaction.log}, but the effects said {told}")
        node.ever_applied |= node.disk.applied

    def applied(
        self, disk: DurableState, transaction: Transaction, requests: Mapping[Dot, WriteRequest | None]
    ) -> None:
        """Judge what a commit applied, write by write; ``requests`` by the writes accepted in it (None: its own)."""
        places = dict.fromkeys(transaction.touched_places)
        for entry in transaction.log:
            if isinstance(entry, Adopted):
                self._adopted(disk, entry.clock)
                places.update(dict.fromkeys(self._oracle.places))
                continue
            if entry.dot in requests:
                self._accepted(disk, entry, requests[entry.dot])
            else:
                self._delivered(disk, entry)
            # All that a write names, and not only what was touched: a write takes effect whole.
            places.update(dict.fromkeys(places_of(entry)))
        for place in places:
            self.holds(disk, place)
        if transaction.log and sum(count for _, count in disk.clock.items()) != disk.applied.bit_count():
            raise ViolationError(
                Invariant.CONVERGENCE, f"{disk.replica} has applied {disk.applied.bit_count()} writes at {disk.clock}"
            )

    def _accepted(self, disk: DurableState, write: Write, request: WriteRequest | None) -> None:
        client_saw = 0 if request is None else request.saw
        known = self._oracle.index_of(write.dot)
        if known is not None:
            again = self._oracle.writes[known] == write
            raise ViolationError(
                Invariant.EXACTLY_ONCE if again else Invariant.IDENTITY,
                f"{disk.replica} wrote {write.dot} a second time",
            )
        if unseen := client_saw & ~disk.applied:
            raise ViolationError(
                Invariant.CAUSAL_ORDER,
                f"{disk.replica} accepted {write.dot} without {self._oracle.names(unseen)}, which its client had seen",
            )
        self.local.accepted(disk, write, request)
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
        self.local.applied(disk, write)

    def _adopted(self, disk: DurableState, clock: VectorClock) -> None:
        contents = self._oracle.covered(clock)
        if contents is None:
            raise ViolationError(Invariant.IDENTITY, f"{disk.replica} merged writes that nobody made: {clock}")
        disk.applied |= contents

    def holds(self, disk: DurableState, place: Place) -> None:
        """A place holds what the applied writes come to, winner first, and nothing else."""
        found = disk.versions.get(place, ())
        expected = self._oracle.holds(place, disk.applied)
        if len(found) > 1:
            self._coverage[_SEVERAL.get(type(place), Seen.CONFLICT)] += 1
        if found != expected:
            raise ViolationError(
                Invariant.CONVERGENCE,
                f"{disk.replica} holds {place!r} as {_told(found)}; the maximal applied writes, winner first, are "
                f"{_told(expected)}",
            )

    def shown(self, disk: DurableState, client_saw: int) -> None:
        """A read that a node answers may not lack anything that its client has seen."""
        if unseen := client_saw & ~disk.applied:
            raise ViolationError(
                Invariant.CAUSAL_ORDER,
                f"{disk.replica} answered a client that had seen {self._oracle.names(unseen)}, which it lacks",
            )

    def acknowledges(self, disk: DurableState, payload: Payload | None) -> None:
        """A queue may forget only what is on the disk."""
        for write in () if payload is None or isinstance(payload, Hello) else payload:
            index = self._oracle.index_of(write.dot)
            if write.dot not in disk.held and (index is None or not disk.applied >> index & 1):
                raise ViolationError(
                    Invariant.NOTHING_LOST, f"{disk.replica} acknowledged {write.dot}, which is not on its disk"
                )

    # ------------------------------------------------------------------------------- members

    def trimmed(
        self, disk: DurableState, peers: Mapping[str, SimulatedNode], pinning: set[str], before: VectorClock
    ) -> None:
        """Only what every member has is forgotten, except those that were silent for too long."""
        self._coverage[Seen.TRIMMED] += disk.trimmed != before
        for origin, count in disk.trimmed.items():
            if count == before[origin]:
                continue
            for name in sorted(pinning):
                if lacking := self._oracle.line(origin, count) & ~peers[name].ever_applied:
                    raise ViolationError(
                        Invariant.TRIMMED_TOO_EARLY,
                        f"{disk.replica} forgot {self._oracle.names(lacking)}, which {name} never had",
                    )

    def has_everywhere(self, node: SimulatedNode, peers: Mapping[str, SimulatedNode], dot: Dot) -> None:
        """A node says that every member has applied a write."""
        self._coverage[Seen.ACK_ALL_REACHED] += 1
        index = self._oracle.index_of(dot)
        for name in [] if node.replica is None else node.replica.members.others:
            if index is None or not peers[name].ever_applied >> index & 1:
                raise ViolationError(
                    Invariant.ACK_ALL, f"{node.name} says that all have {dot}, and {name} never had it"
                )


_SEVERAL: dict[type, Seen] = {CounterPlace: Seen.COUNTER_SHARES, MemberPlace: Seen.MEMBER_ADDED_TWICE}


def _told(versions: Versions) -> list[str]:
    return [f"{version.dot}={version.value.decode()}" for version in versions]
