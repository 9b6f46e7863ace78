"""What must hold once everything is healed and has come to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.dot import node_id_of
from node.core.vector_clock import VectorClock
from tests.simulation.coverage import Coverage, Seen
from tests.simulation.invariants import Invariant, ViolationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.dot import Dot
    from node.core.write import Write
    from tests.simulation.checks import Checks
    from tests.simulation.durable_state import DurableState
    from tests.simulation.oracle import Oracle
    from tests.simulation.simulated_node import SimulatedNode


class FinalChecks:
    """The judge of a run that is over."""

    def __init__(self, oracle: Oracle, checks: Checks, coverage: Coverage) -> None:
        self._oracle = oracle
        self._checks = checks
        self._coverage = coverage

    def disks(self, disks: Sequence[DurableState], acknowledged: Sequence[Write]) -> None:
        """Nothing is lost, and all have the same."""
        self._check_nothing_is_lost(disks, acknowledged)
        for disk in disks:
            for place in self._oracle.places:
                self._checks.holds(disk, place)
                if self._oracle.spared(place, disk.applied):
                    self._coverage[Seen.SURVIVED_A_DELETE] += 1
            self._check_time_is_over(disk)
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

    def _check_time_is_over(self, disk: DurableState) -> None:
        """By all wall clocks it is later than every version's end."""
        left = [
            f"{version.dot} of {place!r}"
            for place, versions in disk.versions.items()
            for version in versions
            if version.expires_ms
        ]
        if left or disk.expiries:
            raise ViolationError(
                Invariant.EXPIRY, f"{disk.replica} keeps what is over: {left}; and keeps in mind {list(disk.expiries)}"
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
        """One that names too little breaks causal order some day; one that names too much holds back for nothing."""
        for index, write in enumerate(self._oracle.writes):
            past = self._oracle.past[index]
            truth: dict[str, int] = {}
            for earlier, cause in enumerate(self._oracle.writes):
                if earlier == index or past >> earlier & 1:
                    truth[cause.dot.replica] = max(truth.get(cause.dot.replica, 0), cause.dot.seq)
                if past >> earlier & 1 and cause.timestamp >= write.timestamp:
                    raise ViolationError(
                        Invariant.TIMESTAMPS, f"{write.dot} happened after {cause.dot} and is stamped before it"
                    )
            if write.clock != VectorClock(truth):
                raise ViolationError(
                    Invariant.EXACT_CLOCKS, f"{write.dot} says {write.clock}; true is {VectorClock(truth)}"
                )

    # --------------------------------------------------------------------------------- nodes

    def published(self, nodes: Sequence[SimulatedNode], confirmed: set[Dot]) -> None:
        """What a node wrote was in every queue once, also what it wrote under former names.

        A disk that was replaced may have taken its outbox along; and what came by a snapshot needs no publishing.
        """
        lines: dict[str, set[Dot]] = {}
        for write in self._oracle.writes:
            lines.setdefault(node_id_of(write.dot.replica), set()).add(write.dot)
        for node in nodes:
            unpublished = lines.get(node.name, set()) - confirmed
            if unpublished and not node.had_other_disks and not node.has_adopted:
                raise ViolationError(
                    Invariant.PUBLISHED, f"never published and confirmed: {sorted(map(str, unpublished))}"
                )

    def node(self, node: SimulatedNode, queued: int, members: Sequence[str]) -> None:
        """Nothing waits at a node, and what it keeps is as little as it should be."""
        replica, disk = node.replica, node.disk
        if replica is None:
            raise ViolationError(Invariant.NO_STALL, f"at rest {node.name} is down")
        waiting = {
            "messages in its queue": queued,
            "held writes": len(disk.held),
            "held writes in memory": len(replica.held),
            "held writes on the disk alone": int(replica.delivery.has_shelf),
            "unconfirmed writes": replica.outbox_writes,
            "unconfirmed messages": replica.unconfirmed_messages,
            "former incarnations": len(disk.former),
            "postponed writes": len(node.postponed),
            "gaps": len(replica.anti_entropy.catch_up.repairer.gaps),
        }
        if any(waiting.values()):
            told = ", ".join(f"{count} {what}" for what, count in waiting.items() if count)
            raise ViolationError(Invariant.NO_STALL, f"at rest there are at {disk.replica}: {told}")
        if sorted(replica.members.nodes) != sorted(members):
            raise ViolationError(
                Invariant.MEMBERSHIP, f"{node.name} takes {sorted(replica.members.nodes)} for the members: {members}"
            )
        self._check_history(disk, node.world.plan.limits.anti_entropy.history_keep_writes)

    def _check_history(self, disk: DurableState, keep_writes: int) -> None:
        for origin, count in disk.clock.items():
            kept = sorted(dot.seq for dot in disk.history if dot.replica == origin)
            if len(kept) > keep_writes:
                raise ViolationError(
                    Invariant.BOUNDED_HISTORY,
                    f"{disk.replica} keeps {len(kept)} writes of {origin}, all of them stable",
                )
            if kept != list(range(disk.trimmed[origin] + 1, count + 1)):
                raise ViolationError(
                    Invariant.NOTHING_LOST,
                    f"{disk.replica} says that it keeps {origin} from {disk.trimmed[origin] + 1} on, and has {kept}",
                )
