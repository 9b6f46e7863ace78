"""What a node can do, as calls: the surface that HTTP stands on.

All methods may be called from any thread. Values are JSON texts as bytes; clocks are vector clocks;
nothing here knows of HTTP.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from node.core.dot import Dot
from node.errors import UnavailableError
from node.inbox import Look
from node.submission import Submission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from node.core.causal_buffer import HeldWrite
    from node.core.replica import Replica
    from node.core.shown_clock import ShownClocks
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Operation, Write
    from node.link import BrokerState, Link
    from node.replica_thread import ReplicaThread
    from node.settings import Settings
    from node.store import Store
    from node.transport.port import Transport
    from node.waiting_room import WaitingRoom

COMMIT_TIMEOUT_SECONDS = 30.0
MISSING_DOTS_SHOWN = 100
# A node whose broker does not answer is as caught up as it can be: it serves (DESIGN I5).
BROKER_GRACE_SECONDS = 3.0
# A backlog of which nothing arrives any more has gone (a queue was purged): waiting for it would last for ever.
BACKLOG_GRACE_SECONDS = 10.0


class ReadResult(NamedTuple):
    """The siblings of a key, winner first (empty: no value), and the clock that covers what was read.

    ``clock`` is the winner's clock for a hit and the node's clock for a miss.
    """

    versions: Versions
    clock: VectorClock


class HeldReport(NamedTuple):
    """A held write, the dot that it waits for now, and the first of the dots missing before it can be applied."""

    held: HeldWrite
    waits_for: Dot
    missing: list[Dot]


class Counts:
    """Numbers that the replica's thread shows to the others."""

    def __init__(self) -> None:
        self.held = 0
        self.outbox = 0
        self.unconfirmed_messages = 0


class ReplicaService:
    """One running replica, for those who read and write."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        thread: ReplicaThread,
        transport: Transport,
        link: Link,
        waiting_room: WaitingRoom,
        shown_clocks: ShownClocks,
        counts: Counts,
    ) -> None:
        self.node_id = settings.node_id
        self.incarnation = store.identity.incarnation
        self.replica = store.replica
        self.parking: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
        self.stepping_out: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
        self._settings = settings
        self._store = store
        self._thread = thread
        self._transport = transport
        self._link = link
        self._waiting_room = waiting_room
        self._shown_clocks = shown_clocks
        self._counts = counts
        self._started_at = time.monotonic()
        self._ready = False
        self._stopping = False

    # --------------------------------------------------------------------- reading and writing

    def write(self, operations: tuple[Operation, ...], context: VectorClock, wait_seconds: float) -> Write:
        """Make one write that happens after ``context``; it is durable here when this returns.

        Raises ContextNotReachedError, LimitReachedError, StoreFullError, UnavailableError.
        """
        self.wait_for(context, wait_seconds)
        submission = Submission(operations, context)
        self._thread.put(submission)
        with self.stepping_out():
            return submission.result(COMMIT_TIMEOUT_SECONDS)

    def read(self, key: str, context: VectorClock, wait_seconds: float) -> ReadResult:
        """Read a key in a state that includes ``context``.

        Raises ContextNotReachedError, LimitReachedError, StoreCorruptedError, UnavailableError.
        """
        self.wait_for(context, wait_seconds)
        with self._store.reader() as cut:
            versions = cut.versions(key)
            return ReadResult(versions, versions[0].clock if versions else cut.clock())

    def wait_for(self, context: VectorClock, wait_seconds: float) -> None:
        """Return when this node has applied ``context``; raises ContextNotReachedError, LimitReachedError."""
        if self._stopping:
            raise UnavailableError("this node is stopping: use another node")
        if context <= self._waiting_room.clock:
            return
        with self.parking():
            self._waiting_room.wait(context, wait_seconds)

    # -------------------------------------------------------------------------------- looking

    @property
    def clock(self) -> VectorClock:
        """The writes applied and durable here."""
        return self._waiting_room.clock

    def shown(self, clock: VectorClock) -> list[int]:
        """A clock as people see it: one number for each node, in natural order."""
        return self._shown_clocks.shown(clock)

    def held(self, limit: int) -> list[HeldReport]:
        """The first ``limit`` held writes in order of arrival, with what each waits for."""
        answer: list[HeldReport] = []
        answered = threading.Event()

        def look(replica: Replica) -> None:
            answer.extend(_held_reports(replica, limit))
            answered.set()

        self._thread.put(Look(look))
        if not answered.wait(COMMIT_TIMEOUT_SECONDS):
            raise UnavailableError("the replica is busy or stopping: try again")
        return answer

    @property
    def held_count(self) -> int:
        """Writes in the causal buffer."""
        return self._counts.held

    @property
    def outbox_count(self) -> int:
        """Own writes that the broker has not confirmed."""
        return self._counts.outbox

    @property
    def unconfirmed_messages(self) -> int:
        """Messages on the wire that the broker has not confirmed."""
        return self._counts.unconfirmed_messages

    @property
    def waiting_requests(self) -> int:
        """Requests that wait for their causal context."""
        return self._waiting_room.waiting_requests

    @property
    def store_used_bytes(self) -> int:
        """Size of the local store."""
        return self._store.used_bytes()

    @property
    def broker_state(self) -> BrokerState:
        """How the link to the broker is."""
        return self._link.state

    @property
    def ready(self) -> tuple[bool, str]:
        """Whether this node has caught up and serves, and if not, why."""
        if self._stopping:
            return False, "this node is stopping"
        if self._ready:
            return True, ""
        if self._link.state != "disconnected":
            self._link.forget_lost_backlog(BACKLOG_GRACE_SECONDS)
            return False, f"catching up: {self._link.backlog_messages} messages of the backlog have not arrived yet"
        if time.monotonic() - self._started_at < BROKER_GRACE_SECONDS:
            return False, "connecting to the broker"
        return True, ""

    def caught_up(self) -> None:
        """What had waited in the queue when this node connected is applied or held."""
        self._ready = True

    def stopping(self) -> None:
        """Accept nothing more, and let nobody wait."""
        self._stopping = True
        self._waiting_room.close()

    def status_details(self) -> dict[str, Any]:
        """More for /status; JSON-ready, no secrets."""
        settings = self._settings
        return {
            "replica": self.replica,
            "cluster": settings.cluster,
            "nodes": list(self._shown_clocks.nodes),
            "url": settings.public_url,
            "uptime_seconds": round(time.monotonic() - self._started_at, 1),
            "waiting_requests": self.waiting_requests,
            "store_used_bytes": self.store_used_bytes,
            "transport": self._transport.describe(),
            "limits": {
                "value_max_bytes": settings.value_max_bytes,
                "store_max_bytes": settings.store_max_bytes,
                "outbox_max_writes": settings.outbox_max_writes,
                "waiting_max_requests": settings.waiting_max_requests,
            },
        }


def _held_reports(replica: Replica, limit: int) -> list[HeldReport]:
    return [
        HeldReport(
            held,
            replica.waits_for(held),
            list(itertools.islice(_missing_dots(replica.clock, held), MISSING_DOTS_SHOWN)),
        )
        for held in itertools.islice(replica.held, limit)
    ]


def _missing_dots(applied: VectorClock, held: HeldWrite) -> Iterator[Dot]:
    """Every dot that must be applied before a held write can be; there may be very many."""
    for origin, dots in applied.missing(held.clock).items():
        for seq in range(dots.first, dots.last + 1):
            dot = Dot(origin, seq)
            if dot != held.dot:
                yield dot
