"""Whether this replica may go on under its name: no dot is ever used twice.

A data directory that was copied and put back knows less than its replica has written: going on where it stands
would give two writes one name. So after each start the replica asks, by a *hello* on the writes exchange, which
comes behind all that was ever published in its name; every member that comes to it in its queue answers how many
writes of this replica it knows. All members know no more: the name is safe. One knows more, or a write waits and
somebody has not answered within a limit: the replica takes a new incarnation, which nobody ever wrote under.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class IdentityLimits(NamedTuple):
    """How long a write waits for the answers, and how often the hello is repeated."""

    wait_ms: int = 3_000
    repeat_ms: int = 1_000


class Identity:
    """The question, from the start of a process until it is settled."""

    def __init__(self, limits: IdentityLimits, now_ms: int, *, is_sure: bool) -> None:
        """``is_sure``: the name was made by this very process, so that nobody can know more of it."""
        self._limits = limits
        self._since_ms = now_ms
        self._said_ms: int | None = None
        self.answered_by: set[str] = set()
        self.is_sure = is_sure
        self.writes_wait = False

    def answered(self, node: str) -> None:
        """A member knows no more writes of this replica than the replica does."""
        self.answered_by.add(node)

    def settle(self) -> None:
        """The name is safe: from now on it may be used."""
        self.is_sure = True
        self.writes_wait = False

    def doubt(self) -> None:
        """The name is not safe, and a write waits for one that is."""
        self.is_sure = False
        self.writes_wait = True

    def is_answered_by(self, members: Iterable[str]) -> bool:
        """Whether all of these have answered (there must be at least one)."""
        names = set(members)
        return bool(names) and names <= self.answered_by

    def is_overdue(self, now_ms: int) -> bool:
        """Whether a write waits, and the answers have had their time."""
        return not self.is_sure and self.writes_wait and now_ms - self._since_ms >= self._limits.wait_ms

    def is_time_for_hello(self, now_ms: int) -> bool:
        """Whether to ask (again) now; to be followed by asking."""
        if self.is_sure or (self._said_ms is not None and now_ms - self._said_ms < self._limits.repeat_ms):
            return False
        self._said_ms = now_ms
        return True
