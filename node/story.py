"""The story of each write in the log, one line per step: accepted, published, delivered, held, applied.

Logging a line costs more than a write, so the lines are limited for each second; what is beyond the limit is
counted, and the count is logged. Nothing but lines is left out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from node.core.dot import node_id_of
from node.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.dot import Dot
    from node.core.vector_clock import VectorClock
    from node.core.write import Write

_KEYS_SHOWN = 5


class WriteStory:
    """Tells what happens to writes; for the replica's thread alone."""

    def __init__(
        self,
        node_id: str,
        shown: Callable[[VectorClock], list[int]],
        lines_per_second: int,
        clock_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = get_logger("causalkv.writes").bind(node=node_id)
        self._shown = shown
        self._lines_per_second = lines_per_second
        self._clock_seconds = clock_seconds
        self._second = 0
        self._lines_left = lines_per_second
        self._left_out = 0

    def begin(self) -> None:
        """A new commit is about to be told; called before each, so that telling a step needs no look at the clock."""
        second = int(self._clock_seconds())
        if second != self._second:
            self.flush()
            self._second = second
            self._lines_left = self._lines_per_second

    def accepted(self, write: Write) -> None:
        """A local write is durable here."""
        if self._may_speak():
            self._log.info("accepted", **self._about(write))

    def published(self, replica: str, first_seq: int, last_seq: int) -> None:
        """The broker has these own writes, in every member's queue."""
        if self._may_speak():
            dots = f"{replica}:{first_seq}" if first_seq == last_seq else f"{replica}:{first_seq}-{last_seq}"
            origin = node_id_of(replica)
            self._log.info("published", dot=dots, origin=origin, writes=last_seq - first_seq + 1)

    def delivered(self, write: Write) -> None:
        """A write came out of this node's queue."""
        if self._may_speak():
            self._log.info("delivered", **self._about(write))

    def held(self, write: Write, waits_for: Dot) -> None:
        """A write waits in the causal buffer."""
        if self._may_speak():
            self._log.info("held", waits_for=str(waits_for), **self._about(write))

    def applied(self, write: Write, held_seconds: float | None) -> None:
        """A received write took effect."""
        if self._may_speak():
            waited = {} if held_seconds is None else {"held_seconds": round(held_seconds, 3)}
            self._log.info("applied", **self._about(write), **waited)

    def conflict_arisen(self, key: str, dot: Dot) -> None:
        """Since this write a key has several versions."""
        if self._may_speak():
            self._log.info("conflict arisen", key=key, **_named(dot))

    def conflict_resolved(self, key: str, dot: Dot) -> None:
        """Since this write a key has one version again, or none."""
        if self._may_speak():
            self._log.info("conflict resolved", key=key, **_named(dot))

    def _about(self, write: Write) -> dict[str, object]:
        keys = list(write.keys)
        shown = keys if len(keys) <= _KEYS_SHOWN else [*keys[:_KEYS_SHOWN], f"… {len(keys) - _KEYS_SHOWN} more"]
        return {**_named(write.dot), "keys": shown, "vc": self._shown(write.clock)}

    def _may_speak(self) -> bool:
        if self._lines_left > 0:
            self._lines_left -= 1
            return True
        self._left_out += 1
        return False

    @property
    def is_cut(self) -> bool:
        """Whether lines were left out that ``flush`` has yet to count."""
        return self._left_out > 0

    def flush(self) -> None:
        """Log how many lines were left out, if any."""
        if self._left_out:
            self._log.info(
                "steps of writes not logged one by one",
                steps=self._left_out,
                limit_per_second=self._lines_per_second,
                setting="CAUSALKV_LOG_WRITES_PER_SECOND",
            )
            self._left_out = 0


def _named(dot: Dot) -> dict[str, object]:
    return {"dot": str(dot), "origin": node_id_of(dot.replica)}
