"""A session: reads and writes in causal order, whichever replica each of them happens at."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from node.embedded.operations import Operations
from node.http.causal_context import EMPTY, format_context, parse_context

if TYPE_CHECKING:
    from node.core.vector_clock import VectorClock
    from node.embedded.operations import Access
    from node.embedded.watch import Watch


class Session(Operations):
    """Reads its own writes, never goes back, and writes behind what it has seen: also what it has seen elsewhere.

    ``token`` is the text of the header ``X-Causal-Context``: a session moves with it from an embedded replica to a
    client of an HTTP node and back. Safe to use from several threads. Its methods wait at most ``wait_seconds`` until
    the replica has applied what the session has seen, and then raise ContextNotReachedError.
    """

    def __init__(self, access: Access, token: str = "", wait_seconds: float = 5.0) -> None:
        """Raises InvalidRequestError when ``token`` is malformed."""
        self._running = access
        self.wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._clock = parse_context(token, "token")

    @property
    def token(self) -> str:
        """What this session has seen."""
        return format_context(self._clock)

    def observe(self, token: str) -> None:
        """Take in what was seen elsewhere. Raises InvalidRequestError."""
        self._seen(parse_context(token, "token"))

    def watch(self, prefix: str = "", *, initial: bool = False, since: str | None = None) -> Watch:
        """As ``Replica.watch``; what it tells, this session has seen."""
        return self._running.watches.open(prefix, since, self._clock, self.wait_seconds, self._seen, initial=initial)

    @property
    def _access(self) -> Access:
        return self._running

    def _context(self) -> VectorClock:
        return self._clock

    def _seen(self, clock: VectorClock) -> None:
        with self._lock:
            self._clock = self._clock.merge(clock)


class NoSession(Operations):
    """Reads and writes that have seen nothing before: each stands alone."""

    def _context(self) -> VectorClock:
        return EMPTY

    def _seen(self, clock: VectorClock) -> None:
        pass
