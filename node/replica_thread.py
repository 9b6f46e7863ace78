"""The one thread that owns the replica: it takes what waits, steps, commits once, then acts.

This is the caller whose contract ``core/events.py`` states. HTTP threads and the transport's threads only put things
into its inbox; group commit comes from taking all that has gathered while the last commit was synced.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import structlog

from node import crash_points
from node.core.events import (
    Confirmed,
    Echoed,
    EndOfTransaction,
    LocalWrite,
    PublisherDown,
    PublisherUp,
    Received,
    Reject,
)
from node.core.replica import Replica
from node.errors import MessageRejectedError, OutcomeUnknownError, StoreError, StoreFullError, UnavailableError
from node.submission import Submission
from node.transport.port import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.events import Effect, Event
    from node.core.replica import ReplicaLimits
    from node.crash_points import CrashPoints
    from node.effects import EffectRunner
    from node.metrics import NodeMetrics
    from node.store import Store, StoreTransaction

# While the disk is full, received messages wait in memory (bounded by the prefetch) for the next try.
_FULL_RETRY_SECONDS = 0.5
_REFUSED_RETRY_SECONDS = (0.1, 5.0)
_BYTES_PER_WRITE = 200


class AfterCommit(NamedTuple):
    """Call this on the replica's thread, once everything that was put before it is durable."""

    function: Callable[[Replica], None]


class PublishRefused(NamedTuple):
    """The transport could not place a message: offer again everything unconfirmed, a little later."""

    reason: str


Item = Submission | Delivery | PublisherUp | PublisherDown | Confirmed | PublishRefused | AfterCommit


class ReplicaThread:
    """Owns the replica state machine and the store's only write transaction."""

    def __init__(
        self,
        store: Store,
        limits: ReplicaLimits,
        effects: EffectRunner,
        metrics: NodeMetrics,
        crash_points: CrashPoints,
        *,
        decode: Callable[[Delivery], Received | Echoed],
        commit_max_writes: int,
        failed: Callable[[StoreError], None],
    ) -> None:
        """``failed`` is told of a store that can no longer be trusted: the node must stop."""
        self._store = store
        self._limits = limits
        self._effects = effects
        self._metrics = metrics
        self._crash_points = crash_points
        self._decode = decode
        self._commit_max_writes = commit_max_writes
        self._failed = failed
        self._inbox: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._again: list[Item] = []
        self._retry_at: float | None = None
        self._reopen_at: float | None = None
        self._reopen_delay_seconds = _REFUSED_RETRY_SECONDS[0]
        self._link_up = False
        self._stopping = False
        self._log = structlog.get_logger("causalkv.replica")
        self._replica = Replica(store.load(), limits)
        self._effects.position(self._replica)
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)

    # ------------------------------------------------------------------------ from any thread

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over something to do; returns at once."""
        if self._stopping and isinstance(item, Submission):
            item.fail(UnavailableError("this node is stopping: use another node"))
            return
        self._inbox.put(item)

    def stop(self, timeout_seconds: float) -> None:
        """Finish what is in the inbox, then end."""
        self._stopping = True
        self._inbox.put(AfterCommit(lambda _: None))
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    # --------------------------------------------------------------------------- the own thread

    def _run(self) -> None:
        while True:
            items = self._take()
            if items:
                try:
                    self._turn(items)
                except StoreError as error:
                    self._give_up(items, error)
                    return
            if self._stopping and self._inbox.empty():
                return

    def _take(self) -> list[Item]:
        """Everything that waits, up to the size of one transaction; blocks until there is something to do."""
        now = time.monotonic()
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            items, self._again = self._again, []
            return items
        if self._reopen_at is not None and now >= self._reopen_at:
            self._reopen_at = None
            return [PublisherUp()] if self._link_up else []
        times = [at for at in (self._retry_at, self._reopen_at) if at is not None]
        try:
            item = self._inbox.get(timeout=max(0.0, min(times) - now) if times else None)
        except queue.Empty:
            return []
        items = []
        room = self._commit_max_writes
        while True:
            items.append(item)
            room -= 1 + len(item.body) // _BYTES_PER_WRITE if isinstance(item, Delivery) else 1
            if room <= 0:
                return items
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return items

    def _turn(self, items: list[Item]) -> None:
        """One transaction over all items, then their effects."""
        began = time.perf_counter()
        effects: list[Effect] = []
        try:
            with self._store.transaction() as transaction:
                for item in items:
                    effects += self._step(item, transaction)
                effects += self._replica.step(EndOfTransaction(), transaction)
                self._crash_points.passing(crash_points.BEFORE_COMMIT)
        except StoreFullError as error:
            self._recover(items, error)
            return
        self._crash_points.passing(crash_points.AFTER_COMMIT)
        self._metrics.commit(len(items), time.perf_counter() - began)
        self._effects.run(effects, self._replica)
        self._call(items)

    def _call(self, items: list[Item]) -> None:
        for item in items:
            if isinstance(item, AfterCommit):
                item.function(self._replica)

    def _step(self, item: Item, transaction: StoreTransaction) -> list[Effect]:
        event: Event
        match item:
            case Submission():
                event = LocalWrite(item, item.operations, item.context, _now_ms())
            case Delivery():
                try:
                    event = self._decode(item)
                except MessageRejectedError as error:
                    return [Reject(item, str(error))]
            case PublisherUp():
                self._link_up = True
                self._reopen_at = None
                event = item
            case PublisherDown():
                self._link_up = False
                event = item
            case Confirmed():
                # Only now is it certain that the broker has the message, and the store does not know it yet.
                self._crash_points.passing(crash_points.AFTER_PUBLISH)
                self._reopen_delay_seconds = _REFUSED_RETRY_SECONDS[0]
                event = self._effects.confirmed(item)
            case PublishRefused():
                self._reopen_later(item.reason)
                event = PublisherDown()
            case AfterCommit():
                return []
        return self._replica.step(event, transaction)

    def _reopen_later(self, reason: str) -> None:
        if self._reopen_at is None:
            self._log.warning(
                "the broker refused a message; everything unconfirmed is offered again",
                reason=reason,
                again_in_seconds=self._reopen_delay_seconds,
                what_to_do="look for a queue at its length limit, or one without a leader",
            )
            self._reopen_at = time.monotonic() + self._reopen_delay_seconds
            self._reopen_delay_seconds = min(2 * self._reopen_delay_seconds, _REFUSED_RETRY_SECONDS[1])

    # --------------------------------------------------------------------------------- failure

    def _recover(self, items: list[Item], error: StoreFullError) -> None:
        """Nothing was written: go back to what is saved, answer the clients, try the messages again later."""
        self._metrics.limit_reached("store_bytes")
        self._log.error("nothing can be written; reads go on", reason=str(error), what_to_do="free space")
        self._replica = Replica(self._store.load(), self._limits)
        self._effects.new_generation()
        for item in items:
            if isinstance(item, Submission):
                item.fail(error)
            elif isinstance(item, Delivery | PublisherDown):
                self._again.append(item)
        if self._link_up:
            self._again.append(PublisherUp())
        self._retry_at = time.monotonic() + _FULL_RETRY_SECONDS
        self._effects.position(self._replica)
        self._call(items)

    def _give_up(self, items: list[Item], error: StoreError) -> None:
        """The store cannot be trusted: say so, answer everybody who waits, and stop the node."""
        self._stopping = True
        self._log.critical("the local store failed; the node stops", reason=str(error), what_to_do="restore the data")
        # What was in the failed transaction may be on disk; what is in the inbox is not.
        for item in items:
            if isinstance(item, Submission):
                item.fail(OutcomeUnknownError("the local store of this node failed: the write may have taken effect"))
        waiting: list[Item] = []
        while not self._inbox.empty():
            waiting.append(self._inbox.get_nowait())
        for item in waiting:
            if isinstance(item, Submission):
                item.fail(UnavailableError("the local store of this node failed: use another node"))
        self._call(items)
        self._call(waiting)
        self._failed(error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
