"""Cross-origin dependencies: which held write waits for which dot.

A held write waits for exactly *one* missing dot at a time. When that dot is applied, only the writes that
wait for it are looked at again; nothing ever scans the whole buffer. A write is looked at once
for each entry of its clock at most, so releasing n held writes costs time linear in n, in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from node.core.dot import Dot
from node.core.sequencer import Standing, standing_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.core.vector_clock import VectorClock


def first_missing(dot: Dot, clock: VectorClock, applied: Mapping[str, int]) -> Dot | None:
    """One dot that must be applied before the write ``dot`` with clock ``clock``; None when it is deliverable.

    Its own predecessor comes first: while that is missing, nothing else can let the write through.
    """
    if standing_of(dot, applied) is Standing.AFTER_A_GAP:
        return Dot(dot.replica, dot.seq - 1)
    applied_count = applied.get
    for replica, count in clock.items():
        if count > applied_count(replica, 0) and replica != dot.replica:
            # Applying (replica, count) means that all before it are applied: one wait serves them all.
            return Dot(replica, count)
    return None


class Waiting(Protocol):
    """What the index keeps: something with a name."""

    @property
    def dot(self) -> Dot:
        """Its name."""


Held = TypeVar("Held", bound=Waiting)


class DependencyIndex(Generic[Held]):
    """Held writes by the one dot that each waits for."""

    def __init__(self) -> None:
        # Nearly always one write waits for a dot; a list for each would double the memory that a release goes through.
        self._waiting: dict[Dot, Held | list[Held]] = {}

    def wait(self, held: Held, missing: Dot) -> None:
        """Look at ``held`` again when ``missing`` is applied."""
        others = self._waiting.setdefault(missing, held)
        if others is held:
            return
        if isinstance(others, list):
            others.append(held)
        else:
            self._waiting[missing] = [others, held]

    def take(self, applied: Dot) -> list[Held]:
        """The held writes that waited for ``applied``, which are not indexed any more."""
        found = self._waiting.pop(applied, None)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]
