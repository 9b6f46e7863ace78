"""A replica's disk as dicts: what is committed survives a crash.

Values are immutable, so a shallow copy of the dicts is a copy of the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.hybrid_clock import ZERO
from node.core.state import SavedReplica
from node.core.vector_clock import VectorClock
from tests.simulation.transaction import HeldRecord, Transaction, held_write
from tests.support.dict_memory import DictMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.dot import Dot
    from node.core.members import SavedMember
    from node.core.places import Place
    from node.core.state import FormerLine
    from node.core.versions import Versions
    from node.core.write import Write


class DurableState(DictMemory):
    """What one data directory contains."""

    def __init__(self, replica: str) -> None:
        super().__init__()
        self.replica = replica
        self.clock = VectorClock()
        self.timestamp = ZERO
        self.confirmed_seq = 0
        self.former: Sequence[FormerLine] = ()
        self.trimmed = VectorClock()
        self.members: Sequence[SavedMember] = ()
        self.versions: dict[Place, Versions] = {}
        self.history: dict[Dot, Write] = {}
        self.held: dict[Dot, HeldRecord] = {}
        self.staged: dict[Place, Versions] = {}
        """The parts of a peer's snapshot that have come so far."""
        # The checks' own record of what this disk contains (bit i: the oracle's write i). It stands here
        # because it must travel with the disk when that is copied and put back.
        self.applied = 0
        self.requests_known: dict[str, int] = {}
        """Each named request that was applied here one by one, with how many ticks there were by then, less one."""
        self.walls_ms: list[int] = []
        """What the wall clock showed at each tick."""

    def begin(self) -> Transaction:
        """Start a transaction; the caller has one at a time."""
        return Transaction(self)

    def saved(self, held_max_writes: int = 1_000_000) -> SavedReplica:
        """What a restarting replica reads; ``held_max_writes`` is how many held writes it takes into memory."""
        held = tuple(held_write(dot, self.held[dot]) for dot in sorted(self.held)[:held_max_writes])
        return SavedReplica(
            self.replica,
            self.clock,
            self.timestamp,
            self.confirmed_seq,
            held,
            tuple(self.former),
            self.trimmed,
            tuple(self.members),
            holds_more=len(self.held) > len(held),
            requests_since_ms=self.requests_since_ms,
        )

    def copy(self) -> DurableState:
        """An independent copy of the disk, as a backup is, and as a read transaction sees it."""
        other = DurableState(self.replica)
        other.clock, other.timestamp, other.confirmed_seq = self.clock, self.timestamp, self.confirmed_seq
        other.former, other.trimmed, other.members = self.former, self.trimmed, self.members
        other.versions, other.history, other.held = dict(self.versions), dict(self.history), dict(self.held)
        other.staged = dict(self.staged)
        other.applied = self.applied
        other.requests_known, other.walls_ms = dict(self.requests_known), list(self.walls_ms)
        self.copy_memory_to(other)
        return other

    def fingerprint(self) -> bytes:
        """The bytes that replicas which applied the same writes must share.

        The order in which writes arrived must not show; the order of siblings must. History is no part of it: how
        far each has forgotten it is its own affair.
        """
        return repr((sorted(self.versions.items(), key=repr), self.clock, self.timestamp)).encode()
