"""Preconditions of a write, judged where it is accepted: against what that replica has applied, by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions


class IfAbsent(NamedTuple):
    """The key has no value."""

    key: str

    def is_met(self, versions: Versions) -> bool:
        """Whether it holds for these siblings of the key."""
        return not versions


class IfShown(NamedTuple):
    """The key's winner is the version whose clock is shown as ``expected``: the one that the client read."""

    key: str
    expected: Sequence[int]
    shown: Callable[[VectorClock], Sequence[int]]

    def is_met(self, versions: Versions) -> bool:
        """Whether it holds for these siblings of the key."""
        return bool(versions) and _padded(self.shown(versions[0].clock)) == _padded(self.expected)


Condition = IfAbsent | IfShown


def _padded(numbers: Sequence[int]) -> list[int]:
    """Without zeros at the end: a member that joined since has one more number, which is 0."""
    length = max((place + 1 for place, number in enumerate(numbers) if number), default=0)
    return list(numbers[:length])
