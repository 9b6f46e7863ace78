"""Whether a node has caught up with its peers since it started.

It has when it holds all that its peers had when it first heard of them. Nobody to be heard, for a while: then it is as
caught up as it can be, and serves: a node waits for nobody. But one that is not among the founding members joins a
cluster that exists, and waits for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from node.core.vector_clock import VectorClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Asked at once, a peer answers within milliseconds, or, when it is busy, at its next turn.
ALONE_SECONDS = 1.5
OTHERS_SECONDS = 0.5
# A node whose broker does not answer is as caught up as it can be: it serves.
BROKER_GRACE_SECONDS = 3.0


class Joining:
    """From the start to the moment when the node has caught up; on the replica's thread, read by all."""

    def __init__(
        self,
        expected: Iterable[str],
        *,
        is_founding: bool,
        is_new: bool,
        clock_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """``expected``: the other members that may answer; ``is_new``: this node starts with nothing."""
        self._expected = set(expected)
        self._is_founding = is_founding
        self._is_new = is_new
        self._clock_seconds = clock_seconds
        self._started_at = clock_seconds()
        self._asked_at: float | None = None
        self._heard_at: float | None = None
        self._heard: set[str] = set()
        self._target = VectorClock()
        self._served_alone = False
        self.is_over = False
        """Whether the node has caught up."""
        self.left_writes: int | None = None
        """How many writes the peers had that this node lacks; None while nobody was heard."""

    @property
    def must_not_read(self) -> bool:
        """Whether what a read would show is known to be nothing like the cluster's state."""
        if not self._is_new or self.is_over or self._served_alone:
            return False
        return not self._is_founding or bool(self._target)

    def asked(self) -> None:
        """The peers were asked where they are."""
        if self._asked_at is None:
            self._asked_at = self._clock_seconds()

    def heard(self, node: str, clock: VectorClock) -> None:
        """A peer told its clock: what it has now is what this node must have; what comes later is daily life."""
        if self.is_over or node in self._heard:
            return
        self._heard.add(node)
        if self._heard_at is None:
            self._heard_at = self._clock_seconds()
            # Who has served until now does not stop to: what the others have comes meanwhile.
            self._served_alone = self._is_founding and self._heard_at - self._started_at >= BROKER_GRACE_SECONDS
        self._target = self._target.merge(clock)

    def progress(self, clock: VectorClock) -> None:
        """This node has applied ``clock``; called a few times a second."""
        if self.is_over:
            return
        left_writes = clock.missing_writes(self._target)
        if self._heard:
            self.left_writes = left_writes
        self.is_over = not left_writes and self._all_heard()

    def _all_heard(self) -> bool:
        now = self._clock_seconds()
        if self._heard >= self._expected and (self._heard or self._is_founding):
            return True
        if self._heard_at is not None:
            return now - self._heard_at >= OTHERS_SECONDS
        return self._is_founding and self._asked_at is not None and now - self._asked_at >= ALONE_SECONDS
