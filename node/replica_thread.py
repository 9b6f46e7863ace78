"""The one thread that owns the replica: it takes what waits, steps, commits once, then acts.

This is the caller whose contract ``core/events.py`` states. HTTP threads and the transport's threads only put things
into its inbox; group commit comes from taking all that has gathered while the last commit was synced.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from node import crash_points, expected_reads
from node.clocks import steady_ms, wall_ms
from node.core.dot import node_id_of
from node.core.effects import Accepted, Distrusted, Reject
from node.core.events import (
    Confirmed,
    EndOfTransaction,
    PublisherDown,
    PublisherUp,
    Tick,
)
from node.core.replica import Replica
from node.errors import (
    CausalKVError,
    OutcomeUnknownError,
    ReplicaFailedError,
    StoreFullError,
    UnavailableError,
)
from node.full_store import FullStore
from node.inbox import AfterCommit, Inbox, Look, PublishRefused
from node.logs import REPORT_IT, get_logger, speak_for
from node.patience import can_wait
from node.reopening import Reopening
from node.submission import Removal, Submission
from node.transport.port import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.effects import Effect
    from node.core.events import Event
    from node.core.naming import Start
    from node.core.replica import ReplicaLimits
    from node.crash_points import CrashPoints
    from node.decoding import Decoding
    from node.effects import EffectRunner
    from node.inbox import Item
    from node.metrics import NodeMetrics
    from node.store import Store
    from node.store.transaction import StoreTransaction

_TICK_SECONDS = 0.25
# Between two turns, and turn after turn while there is nothing else to do.
_CARRY_OVER_KEYS = 500


class ReplicaThread:
    """Owns the replica state machine and the store's only write transaction."""

    def __init__(
        self,
        store: Store,
        limits: ReplicaLimits,
        start: Start,
        *,
        effects: EffectRunner,
        metrics: NodeMetrics,
        crash_points: CrashPoints,
        decoding: Decoding,
        commit_max_writes: int,
        ticked: Callable[[Replica], None],
        failed: Callable[[CausalKVError], None],
    ) -> None:
        """``ticked`` is called a few times a second, on the thread.

        ``failed`` is told when the thread cannot go on, as with a damaged store: the node must stop.
        """
        self._store = store
        self._effects = effects
        self._metrics = metrics
        self._crash_points = crash_points
        self._decoding = decoding
        self._ticked = ticked
        self._failed = failed
        self._tick_at = 0.0
        self.turned: Callable[[], None] = _nothing
        """Told when all is answered that one transaction answers; it must return at once."""
        self._inbox = Inbox(commit_max_writes, self._can_wait)
        self._window_messages = limits.publish_window_messages
        self._full = FullStore()
        self._reopening = Reopening()
        self._link_up = False
        self._stopping = False
        self._finished = False
        self._ended = False
        self._log = get_logger("causalkv.replica")
        self._replica = Replica(store.load(), limits, start)
        effects.again = self.put
        self._effects.position(self._replica)
        # Whoever asks before the first tick is answered, too.
        ticked(self._replica)
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)

    # ------------------------------------------------------------------------ from any thread

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over something to do; returns at once."""
        if self._stopping and isinstance(item, Submission | Removal):
            item.fail(_is_stopping())
            return
        self._inbox.put(item)
        if self._ended:
            self._turn_away()

    def lose(self, delivery: Delivery) -> None:
        """Settle a delivery unread, as if it had never come; for lessons and tests (``/faults``)."""
        self.put(Look(lambda _replica: self._effects.settle_unread(delivery)))

    def stop(self, timeout_seconds: float) -> bool:
        """Finish what is in the inbox now, then end; False when the thread still works after the timeout."""
        self._stopping = True
        # How far the broker has confirmed is saved now and then: now is the last time.
        self._inbox.put(_tick())
        # What arrives behind this comes again after the next start: under load the inbox would never be empty.
        self._inbox.put(Look(self._finish))
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    # --------------------------------------------------------------------------- the own thread

    def _run(self) -> None:
        speak_for(node_id_of(self._replica.replica))
        while not self._finished:
            items: list[Item] = []
            try:
                items = self._take()
                if items:
                    self._turn(items)
                self._carry_over()
            except CausalKVError as error:
                self._give_up(items, error)
            except Exception as error:  # noqa: BLE001  # a thread that ends would stall the node in silence
                self._log.exception("the replica failed", what_to_do=REPORT_IT)
                self._give_up(items, ReplicaFailedError(f"a fault of this program stopped the replica: {error!r}"))
            self._tell_turned()
        self._ended = True
        self._turn_away()
        self._effects.finish_story()

    def _finish(self, _replica: Replica) -> None:
        self._finished = True

    def _turn_away(self) -> None:
        """Answer those who come when nobody takes from the inbox any more; on any thread."""
        self._inbox.turn_away(_is_stopping())
        self._effects.turn_away(_is_stopping())
        self._tell_turned()

    def _tell_turned(self) -> None:
        try:
            self.turned()
        except Exception:  # noqa: BLE001  # others' answers are no reason to stall the node
            self._log.exception("answers could not be passed on and are passed on later", what_to_do=REPORT_IT)

    def _take(self) -> list[Item]:
        """Everything that waits, up to the size of one transaction; blocks until there is something to do."""
        now = time.monotonic()
        if self._full.retry_at is not None and now >= self._full.retry_at:
            self._full.retry_at = None
            return [_tick()]  # first and alone: what it forgets makes room for the rest
        if self._full.retry_at is None and (kept := self._full.try_again()):
            return kept
        if self._reopening.at is not None and now >= self._reopening.at:
            self._reopening.at = None
            return [PublisherUp()] if self._link_up else []
        ticks: list[Item] = []
        if now >= self._tick_at:
            self._tick_at = now + _TICK_SECONDS
            ticks.append(_tick())
        times = [at for at in (self._full.retry_at, self._reopening.at, self._tick_at) if at is not None]
        has_idle_work = bool(ticks) or (self._store.merges_snapshot and self._full.retry_at is None)
        return ticks + self._inbox.take(0.0 if has_idle_work else max(0.0, min(times) - now))

    def _can_wait(self, item: Item) -> bool:
        return can_wait(item, self._replica, self._window_messages, is_asked=self._effects.is_asked)

    def _carry_over(self) -> None:
        """Go on merging a snapshot, if one is being merged and there is room."""
        if self._store.merges_snapshot and self._full.retry_at is None:
            try:
                self._store.carry_over(_CARRY_OVER_KEYS)
            except StoreFullError as error:
                self._full.failed([], error)

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
                self._step(events, transaction, effects)
                self._crash_points.passing(crash_points.BEFORE_COMMIT)
        except StoreFullError as error:
            self._recover(items, error)
            return
        if self._crash_points.is_armed and any(isinstance(effect, Accepted) for effect in effects):
            # What else is committed has nothing to publish: it is not between the two.
            self._crash_points.passing(crash_points.AFTER_COMMIT)
        # A tick mostly writes nothing: counted, an idle node's would hide what its commits cost.
        if asked := sum(not isinstance(item, Tick) for item in items):
            self._metrics.commit(asked, time.perf_counter() - began)
        self._effects.run(effects, self._replica)
        if any(isinstance(item, Submission | Delivery) for item in items):
            self._full.written()
        self._after(items)

    def _step(
        self, events: list[Event | Reject | Distrusted | None], transaction: StoreTransaction, effects: list[Effect]
    ) -> None:
        transaction.expect(expected_reads.places(events), expected_reads.request_ids(events))
        for event in events:
            if isinstance(event, Reject | Distrusted):
                effects.append(event)
            elif event is not None:
                effects += self._replica.step(event, transaction)
        effects += self._replica.step(EndOfTransaction(), transaction)

    def _after(self, items: list[Item]) -> None:
        """What is to be called once a transaction is committed."""
        for item in items:
            if isinstance(item, AfterCommit | Look):
                item.function(self._replica)
            elif isinstance(item, Tick):
                self._ticked(self._replica)
                if self._effects.is_story_cut:
                    self._effects.finish_story()

    def _event(self, item: Item) -> Event | Reject | Distrusted | None:
        """What an item is to the replica; None: nothing."""
        match item:
            case PublisherUp():
                self._link_up = True
                self._reopening.at = None
            case PublisherDown():
                self._link_up = False
            case Confirmed():
                confirmed = self._effects.confirmed(item)
                if confirmed.publish_ids:
                    # Only now is it certain that the broker has the message, and the store does not know it yet.
                    self._crash_points.passing(crash_points.AFTER_PUBLISH)
                self._reopening.confirmed()
                return confirmed
            case PublishRefused():
                self._reopening.refused(item.reason)
                return PublisherDown()
        return self._decoding.event(item, self._replica)

    # --------------------------------------------------------------------------------- failure

    def _recover(self, items: list[Item], error: StoreFullError) -> None:
        """Nothing was written: go back to what is saved, answer the clients, try the messages again later."""
        self._metrics.limit_reached("store_bytes")
        self._replica = self._replica.rebuilt(self._store.load())
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
        self._reopening.at = max(self._reopening.at or 0.0, at or 0.0)

    def _give_up(self, items: list[Item], error: CausalKVError) -> None:
        """The thread cannot go on: say so, answer everybody who waits, and stop the node."""
        self._stopping = self._finished = True
        self._log.critical(
            "the replica cannot go on; the node stops",
            reason=str(error),
            what_to_do="start it again: what was acknowledged is on its disk; if it ends again, check that disk",
        )
        # What was in the failed transaction may be on disk; what is in the inbox is not.
        for item in items:
            if isinstance(item, Submission | Removal):
                item.fail(OutcomeUnknownError("this node failed: the write may have taken effect"))
        self._failed(error)


def _nothing() -> None:
    """Nobody listens."""


def _tick() -> Tick:
    return Tick(steady_ms(), wall_ms())


def _is_stopping() -> UnavailableError:
    return UnavailableError("this node is stopping: use another node")
