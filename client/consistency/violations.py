"""What a history can be guilty of."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from client.consistency.history import Operation


class ViolationKind(enum.StrEnum):
    """Which rule is broken; in brackets the bad pattern of Bouajjani et al. that it is a case of."""

    THIN_AIR = "a value from thin air"
    """Never written, by a write that certainly failed, or before it was written [ThinAirRead]."""
    CYCLE = "happened-before runs in a circle"
    """[CyclicCO]"""
    READ_YOUR_WRITES = "read your writes"
    """The four session guarantees, and the last for what is none of them [WriteCORead, WriteCOInitRead]."""
    MONOTONIC_READS = "monotonic reads"
    MONOTONIC_WRITES = "monotonic writes"
    WRITES_FOLLOW_READS = "writes follow reads"
    CAUSAL_ORDER = "causal order"
    CONFLICT_ORDER = "winners contradict each other"
    """No one order of concurrent writes explains which of them were shown [CyclicCF]."""
    TOKEN = "a token contradicts the history"  # noqa: S105  # a causal token, no secret
    CONVERGENCE = "nodes differ at the end"
    LOST = "an acknowledged write is lost"
    RESURRECTED = "an overwritten value is back"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule; ``message`` names the operations that show it."""

    kind: ViolationKind
    message: str
    operations: tuple[Operation, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"
