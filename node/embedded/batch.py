"""Changes that are collected to be made as one write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.checks import OPERATIONS_MAX
from node.embedded import values
from node.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.core.write import Operation
    from node.embedded.values import Written


class Batch:
    """At most 1000 changes; nothing is written before the block of ``batch()`` ends. For one thread at a time.

    Of several changes of one key the last one counts; increments add up. All methods raise InvalidRequestError.
    """

    def __init__(self, value_max_bytes: int) -> None:
        self.operations: list[Operation] = []
        self.written: Written | None = None
        """How it was written; None before, and when it is empty."""
        self._value_max_bytes = value_max_bytes

    def put(self, key: str, value: Any, *, ttl_seconds: float | None = None) -> None:
        """Give a key a value."""
        self._add(values.put(key, value, ttl_seconds, self._value_max_bytes))

    def delete(self, key: str) -> None:
        """Remove a key's value."""
        self._add(values.delete(key))

    def incr(self, key: str, by: int = 1) -> None:
        """Add to a counter."""
        self._add(values.increment(key, by))

    def sadd(self, key: str, members: Iterable[Any]) -> None:
        """Add members to a set."""
        self._add(values.addition(key, members))

    def srem(self, key: str, members: Iterable[Any]) -> None:
        """Remove members from a set."""
        self._add(values.removal(key, members))

    def _add(self, operation: Operation) -> None:
        if len(self.operations) >= OPERATIONS_MAX:
            raise InvalidRequestError(f"a batch has at most {OPERATIONS_MAX} operations: use several")
        self.operations.append(operation)
