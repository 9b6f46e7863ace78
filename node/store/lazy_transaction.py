"""A write transaction of the database that begins when it is first used.

Many a turn of the replica's thread (a confirmation, an own echo, a tick) changes nothing durable. Beginning and ending
a transaction for it would give up Python's global lock twice, and wait for it twice.
"""

from __future__ import annotations

from typing import Any, Self


class LazyTransaction:
    """Stands for an LMDB write transaction; every method of that one begins it."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._begun: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._begun is None:
            self._begun = self._environment.begin(write=True)
        return getattr(self._begun, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Commit, or after an exception undo; nothing when it was never used."""
        if self._begun is None:
            return
        if kind is None:
            self._begun.commit()
        else:
            self._begun.abort()
