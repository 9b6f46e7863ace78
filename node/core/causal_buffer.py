"""The causal buffer: holds a write until all that happened before it is applied.

Birman, Schiper, Stephenson 1991: write w of replica r with clock C is deliverable at a replica that has
applied L when ``C[r] == L[r] + 1`` and ``C[k] <= L[k]`` for every other k. The buffer keeps names and
clocks only; what a held write contains stays in the replica's state (on disk, in a node).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.dependency_index import DependencyIndex, first_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.core.dot import Dot
    from node.core.vector_clock import VectorClock


class HeldWrite(NamedTuple):
    """A held write's name, clock, the keys it touches, and when it arrived (wall clock, ms since 1970)."""

    dot: Dot
    clock: VectorClock
    keys: tuple[str, ...]
    since_ms: int


class CausalBuffer:
    """Held writes, in order of arrival."""

    def __init__(self) -> None:
        self._held: dict[Dot, HeldWrite] = {}
        self._known: dict[str, int] = {}
        self._index: DependencyIndex[HeldWrite] = DependencyIndex()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, dot: Dot) -> bool:
        return dot in self._held

    def __iter__(self) -> Iterator[HeldWrite]:
        return iter(self._held.values())

    def hold(self, held: HeldWrite, missing: Dot) -> None:
        """Keep a write that waits for ``missing`` (as ``first_missing`` names it)."""
        self._held[held.dot] = held
        self.note(held)
        self._index.wait(held, missing)

    def note(self, held: HeldWrite) -> None:
        """Remember what a write names that is held elsewhere."""
        for replica, count in held.clock.items():
            if count > self._known.get(replica, 0):
                self._known[replica] = count

    def release(self, applied_dot: Dot, applied: Mapping[str, int]) -> list[HeldWrite]:
        """Take out the writes that can be applied now that ``applied_dot`` is.

        ``applied`` is the count of applied writes by replica, ``applied_dot`` included. The caller applies
        each returned write and calls again for it.
        """
        released = []
        for held in self._index.take(applied_dot):
            missing = self._missing(held, applied)
            if missing is None:
                del self._held[held.dot]
                released.append(held)
            else:
                self._index.wait(held, missing)
        if not self._held:
            self._known.clear()
        return released

    def _missing(self, held: HeldWrite, applied: Mapping[str, int]) -> Dot | None:
        return first_missing(held.dot, held.clock, applied)

    @property
    def known(self) -> Mapping[str, int]:
        """The writes that what is held names, counted by replica; complete, and now and then a little more."""
        return self._known
