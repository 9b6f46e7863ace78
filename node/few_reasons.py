"""Saying a thing that anybody can bring about, in words that anybody chooses, without filling the log."""

from __future__ import annotations

import time

SECONDS = 30.0
REASONS_MAX = 10


class FewReasons:
    """Each reason is news once in ``SECONDS``, and no more than ``REASONS_MAX`` of them are; for one thread."""

    def __init__(self) -> None:
        self._since = -SECONDS
        self._told: set[str] = set()

    def is_news(self, reason: str) -> bool:
        """Whether this reason is to be told now."""
        now = time.monotonic()
        if now - self._since >= SECONDS:
            self._since, self._told = now, set()
        if reason in self._told or len(self._told) >= REASONS_MAX:
            return False
        self._told.add(reason)
        return True
