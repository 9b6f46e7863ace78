"""The one thread that owns the replica: it takes what waits, steps, commits once, then acts.

This is the caller whose contract ``core/events.py`` states. HTTP threads and the transport's threads only put things
into its inbox; group commit comes from taking all that has gathered while the last commit was synced.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

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
from node.errors import (
    CausalKVError,
    MessageRejectedError,
    OutcomeUnknownError,
    ReplicaFailedError,
    StoreFullError,
    UnavailableError,
)
from node.full_store import FullStore
from node.inbox import AfterCommit, Look, PublishRefused
from node.submission import Submission
from node.transport.port import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from node.core.events import Effect, Event
    from node.core.replica import ReplicaLimits
    from node.crash_points import CrashPoints
    from node.effects import EffectRunner
    from node.inbox import Item
    from node.metrics import NodeMetrics
    from node.store import Store

_REFUSED_RETRY_SECONDS = (0.1, 5.0)
_BYTES_PER_WRITE = 200
# After so long without anything to do, the count of the lines left out of the story is logged.
_IDLE_SECONDS = 1.0


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
        failed: Callable[[CausalKVError], None],
    ) -> None:
        """``failed`` is told when the thread cannot go on, as with a damaged store: the node must stop."""
        self._store = store
        self._limits = limits
        self._effects = effects
        self._metrics = metrics
        self._crash_points = crash_points
        self._decode = decode
        self._commit_max_writes = commit_max_writes
        self._failed = failed
        self._inbox: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._full = FullStore()
        self._reopen_at: float | None = None
        self._reopen_delay_seconds = _REFUSED_RETRY_SECONDS[0]
        self._link_up = False
        self._stopping = False
        self._finished = False
        self._ended = False
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
            item.fail(_is_stopping())
            return
        self._inbox.put(item)
        if self._ended:
            self._turn_away()

    def stop(self, timeout_seconds: float) -> bool:
        """Finish what is in the inbox now, then end; False when the thread still works after the timeout."""
        self._stopping = True
        # What arrives behind this comes again after the next start: under load the inbox would never be empty.
        self._inbox.put(Look(self._finish))
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    # --------------------------------------------------------------------------- the own thread

    def _run(self) -> None:
        while not self._finished:
            items: list[Item] = []
            try:
                items = self._take()
                if items:
                    self._turn(items)
            except CausalKVError as error:
                self._give_up(items, error)
            except Exception as error:  # noqa: BLE001  # a thread that ends would stall the node in silence
                self._log.exception("the replica failed by a fault of this program, please report it")
                self._give_up(items, ReplicaFailedError(f"a fault of this program stopped the replica: {error!r}"))
        self._ended = True
        self._turn_away()
        self._effects.finish_story()

    def _finish(self, _replica: Replica) -> None:
        self._finished = True

    def _turn_away(self) -> None:
        """Answer those who come when nobody takes from the inbox any more; on any thread."""
        while True:
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, Submission):
                item.fail(_is_stopping())

    def _take(self) -> list[Item]:
        """Everything that waits, up to the size of one transaction; blocks until there is something to do."""
        now = time.monotonic()
        if self._full.retry_at is not None and now >= self._full.retry_at:
            return self._full.try_again()
        if self._reopen_at is not None and now >= self._reopen_at:
            self._reopen_at = None
            return [PublisherUp()] if self._link_up else []
        times = [at for at in (self._full.retry_at, self._reopen_at) if at is not None]
        if self._effects.is_story_cut:
            times.append(now + _IDLE_SECONDS)
        try:
            item = self._inbox.get(timeout=max(0.0, min(times) - now) if times else None)
        except queue.Empty:
            self._effects.finish_story()
            return []
        items: list[Item] = []
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
        if self._full.retry_at is not None:
            items = self._full.put_off(items)
            if not items:
                return
        began = time.perf_counter()
        effects: list[Effect] = []
        events = [self._event(item) for item in items]
        try:
            with self._store.transaction() as transaction:
                transaction.expect(_keys(events))
                for event in events:
                    if isinstance(event, Reject):
                        effects.append(event)
                    elif event is not None:
                        effects += self._replica.step(event, transaction)
                effects += self._replica.step(EndOfTransaction(), transaction)
                self._crash_points.passing(crash_points.BEFORE_COMMIT)
        except StoreFullError as error:
            self._recover(items, error)
            return
        self._crash_points.passing(crash_points.AFTER_COMMIT)
        self._metrics.commit(len(items), time.perf_counter() - began)
        self._effects.run(effects, self._replica)
        if any(isinstance(item, Submission | Delivery) for item in items):
            self._full.written()
        for item in items:
            if isinstance(item, AfterCommit | Look):
                item.function(self._replica)

    def _event(self, item: Item) -> Event | Reject | None:  # noqa: PLR0911  # one for each kind of item
        """What an item is to the replica; None: nothing."""
        match item:
            case Submission():
                return LocalWrite(item, item.operations, item.context, _now_ms())
            case Delivery():
                try:
                    return self._decode(item)
                except MessageRejectedError as error:
                    return Reject(item, str(error))
            case PublisherUp():
                self._link_up = True
                self._reopen_at = None
                return item
            case PublisherDown():
                self._link_up = False
                return item
            case Confirmed():
                # Only now is it certain that the broker has the message, and the store does not know it yet.
                self._crash_points.passing(crash_points.AFTER_PUBLISH)
                self._reopen_delay_seconds = _REFUSED_RETRY_SECONDS[0]
                return self._effects.confirmed(item)
            case PublishRefused():
                self._reopen_later(item.reason)
                return PublisherDown()
            case AfterCommit() | Look():
                return None

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
        self._replica = Replica(self._store.load(), self._limits)
        self._effects.new_generation()
        self._effects.position(self._replica)
        others = self._full.failed(items, error)
        for item in others:
            # The step that failed may have come before these.
            if isinstance(item, PublisherUp | PublisherDown):
                self._link_up = isinstance(item, PublisherUp)
            elif isinstance(item, Look):
                item.function(self._replica)
        # The rebuilt replica publishes nothing yet. Publishing needs no room; what confirms it does, a little.
        needs_no_room = len(others) < len(items)
        at = time.monotonic() if needs_no_room else self._full.retry_at
        self._reopen_at = max(self._reopen_at or 0.0, at or 0.0)

    def _give_up(self, items: list[Item], error: CausalKVError) -> None:
        """The thread cannot go on: say so, answer everybody who waits, and stop the node."""
        self._stopping = self._finished = True
        self._log.critical("the replica cannot go on; the node stops", reason=str(error))
        # What was in the failed transaction may be on disk; what is in the inbox is not.
        for item in items:
            if isinstance(item, Submission):
                item.fail(OutcomeUnknownError("this node failed: the write may have taken effect"))
        self._failed(error)


def _is_stopping() -> UnavailableError:
    return UnavailableError("this node is stopping: use another node")


def _keys(events: list[Event | Reject | None]) -> Iterator[str]:
    """The keys that these events will read."""
    for event in events:
        if isinstance(event, LocalWrite):
            yield from (operation.key for operation in event.operations)
        elif isinstance(event, Received):
            for write in event.writes:
                yield from (operation.key for operation in write.operations)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
