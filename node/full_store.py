"""The time during which the store is full: who is turned away, what is kept for later, and when it is tried again.

Each transaction that fails costs a rebuild of the replica, which forgets what is on the wire. So a full store is tried
again from time to time, and not for each request and message: in between, what the broker confirms gets through,
and the outbox can drain.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from node.core.events import Tick
from node.errors import StoreFullError
from node.inbox import AfterCommit, ControlReceived
from node.logs import get_logger
from node.submission import Removal, Submission
from node.transport.port import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.inbox import Item

# From the first failure on, doubled with each that follows soon.
RETRY_SECONDS = (0.5, 2.0)
# The log may stand on the same disk: the end of the trouble is told when it has lasted a while, and its return then.
CALM_SECONDS = 10.0


class FullStore:
    """Keeps what cannot be made durable now; for the replica's thread alone."""

    def __init__(self, clock_seconds: Callable[[], float] = time.monotonic) -> None:
        self._clock_seconds = clock_seconds
        self._log = get_logger("causalkv.store")
        self._kept: list[Delivery | AfterCommit] = []
        self._reason = ""
        self._delay_seconds = RETRY_SECONDS[0]
        self._failed_at: float | None = None
        self.retry_at: float | None = None
        """When the store is tried again; None while it is not known to be full."""

    def failed(self, items: Sequence[Item], error: StoreFullError) -> list[Item]:
        """A transaction over these did not fit: as ``put_off``, and from now on until ``retry_at``."""
        now = self._clock_seconds()
        if self._failed_at is None:
            self._log.error(
                "nothing can be written; reads go on",
                reason=str(error),
                what_to_do="make room as the reason says; messages wait in the queue meanwhile, writers get 507",
            )
        else:
            self._delay_seconds = min(2 * self._delay_seconds, RETRY_SECONDS[1])
        self._failed_at = now
        self.retry_at = now + self._delay_seconds
        self._reason = str(error)
        return self.put_off(items)

    def put_off(self, items: Sequence[Item]) -> list[Item]:
        """Answer the writes that cannot be made now, keep what is to be made durable; the rest is returned."""
        others: list[Item] = []
        for item in items:
            if isinstance(item, Submission | Removal):
                item.fail(StoreFullError(self._reason))
            elif isinstance(item, Delivery | AfterCommit):
                self._kept.append(item)
            elif isinstance(item, ControlReceived):
                item.taken()  # what it says is said again
            elif isinstance(item, Tick):
                pass  # all that it leads to can wait for the next one
            else:
                others.append(item)
        self._drop_what_comes_again()
        return others

    def _drop_what_comes_again(self) -> None:
        """Former connections' deliveries come again over the newest: keeping both would grow with each outage."""
        newest = max((item.connection_epoch for item in self._kept if isinstance(item, Delivery)), default=0)
        self._kept = [item for item in self._kept if not isinstance(item, Delivery) or item.connection_epoch == newest]

    def try_again(self) -> list[Item]:
        """What was kept, to be tried now."""
        self.retry_at = None
        kept: list[Item] = [*self._kept]
        self._kept.clear()
        return kept

    def written(self) -> None:
        """A transaction that wrote something was committed."""
        if self._failed_at is not None and self._clock_seconds() - self._failed_at >= CALM_SECONDS:
            self._log.info("there is space again, writes go on")
            self._failed_at = None
            self._delay_seconds = RETRY_SECONDS[0]
