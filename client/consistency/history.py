"""What sessions did with a cluster, as they saw it: every request, when it was made, and what was answered.

Nothing here knows how the store works. Every put of a run carries a value of its own, so that a value that is read
names the write that it comes from.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(enum.StrEnum):
    """What was asked for."""

    PUT = "put"
    GET = "get"
    DELETE = "delete"


class Outcome(enum.StrEnum):
    """What the client knows of its request."""

    OK = "ok"
    """It was answered; a get that found nothing too."""
    FAILED = "failed"
    """It certainly had no effect."""
    UNKNOWN = "unknown"
    """No answer came: a write may have taken effect or not."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One request of a session; ``index`` counts the session's requests.

    Times are seconds on one clock that all sessions share. ``end_seconds`` is when the answer came; for an unknown
    outcome, by when the write had taken effect if it ever did: infinite where nobody can tell.
    """

    session: str
    index: int
    node: str
    kind: Kind
    key: str
    start_seconds: float
    end_seconds: float = math.inf
    outcome: Outcome = Outcome.OK
    value: str | None = None
    """What a put puts: no other put of the run has this value."""
    values: tuple[str, ...] = ()
    """What a get showed, winner first; empty when the key had no value."""
    lists_siblings: bool = False
    """Whether a get asked for all concurrent values, not only for the winner."""
    clock: Mapping[str, int] | None = None
    """The causal token of the answer, where it covers what the session had seen; None when there is none such."""

    @property
    def is_write(self) -> bool:
        """Whether it changes its key."""
        return self.kind is not Kind.GET

    @property
    def shows_all(self) -> bool:
        """Whether it tells everything that the key held: all siblings, or that there was nothing."""
        return self.kind is Kind.GET and (self.lists_siblings or not self.values)

    def __str__(self) -> str:
        what = f"{self.key}={self.value}" if self.kind is Kind.PUT else self.key
        showed = f" -> {', '.join(self.values) or 'nothing'}" if self.kind is Kind.GET else ""
        when = f"{self.start_seconds:.3f} to {self.end_seconds:.3f} s"
        return f"[{self.session}#{self.index} {self.kind} {what}{showed} at {self.node}, {self.outcome}, {when}]"


@dataclass(frozen=True, slots=True)
class FinalRead:
    """What one node shows of a key once everything has come to rest: all siblings, winner first."""

    node: str
    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"[at the end {self.node} shows {self.key} -> {', '.join(self.values) or 'nothing'}]"


class History:
    """Everything recorded in a run; sessions may record from threads of their own."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.finals: list[FinalRead] = []

    def record(self, operation: Operation) -> None:
        """Note a request that is over; a session's in the order of their indexes. Appending to a list needs no lock."""
        self.operations.append(operation)

    def record_final(self, read: FinalRead) -> None:
        """Note what a node shows at the end."""
        self.finals.append(read)
