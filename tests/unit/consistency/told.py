"""Histories made by hand: one line for each request, one second after the other unless told otherwise."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, TypedDict, Unpack

from client.consistency.checker import check
from client.consistency.history import FinalRead, History, Kind, Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from client.consistency.violations import ViolationKind

NODES = ("node1", "node2", "node3")
DURATION_SECONDS = 0.5


class How(TypedDict, total=False):
    """What is unusual about a request; ``at`` is its start and end, ``clock`` the token of its answer."""

    node: str
    outcome: Outcome
    at: tuple[float, float]
    clock: Mapping[str, int]


class Told:
    """A history as it is told; the node of a request is that of its session unless it says otherwise."""

    def __init__(self) -> None:
        self.history = History()
        self._seconds = itertools.count(1)
        self._index: Counter[str] = Counter()

    def put(self, session: str, key: str, value: str, **how: Unpack[How]) -> None:
        """A session puts."""
        self._record(session, Kind.PUT, key, how, value=value)

    def delete(self, session: str, key: str, **how: Unpack[How]) -> None:
        """A session deletes."""
        self._record(session, Kind.DELETE, key, how)

    def get(self, session: str, key: str, *values: str, lists_siblings: bool = False, **how: Unpack[How]) -> None:
        """A session reads, and is shown this; one value is a winner, more are all siblings."""
        self._record(session, Kind.GET, key, how, values=values, lists_siblings=lists_siblings or len(values) > 1)

    def finally_(self, key: str, *values: str, nodes: tuple[str, ...] = NODES) -> None:
        """What nodes show at the end."""
        for node in nodes:
            self.history.record_final(FinalRead(node, key, values))

    def found(self) -> set[ViolationKind]:
        """The kinds of violations in it."""
        return {violation.kind for violation in check(self.history)}

    def _record(
        self,
        session: str,
        kind: Kind,
        key: str,
        how: How,
        *,
        value: str | None = None,
        values: tuple[str, ...] = (),
        lists_siblings: bool = False,
    ) -> None:
        now = next(self._seconds)
        start_seconds, end_seconds = how.get("at", (now, now + DURATION_SECONDS))
        operation = Operation(
            session,
            self._index[session],
            how.get("node", "node1"),
            kind,
            key,
            start_seconds,
            end_seconds,
            outcome=how.get("outcome", Outcome.OK),
            value=value,
            values=values,
            lists_siblings=lists_siblings,
            clock=how.get("clock"),
        )
        self._index[session] += 1
        self.history.record(operation)
