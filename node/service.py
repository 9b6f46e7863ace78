"""What a node can do, as calls: the surface that HTTP stands on.

All methods may be called from any thread. Values are JSON texts as bytes; clocks are vector clocks;
nothing here knows of HTTP.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from node.ack_room import AckLevel
from node.core.dot import incarnation_of
from node.errors import UnavailableError
from node.held_report import held_reports
from node.inbox import Look
from node.reading import Reading
from node.scraped_metrics import NodeInfo, WriteLimits
from node.submission import Removal, Submission
from node.unsafe import SAFE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from node.ack_room import AckRoom
    from node.ages import Ages
    from node.cluster_view import ClusterView
    from node.core.conditions import Condition
    from node.core.replica import Replica
    from node.core.shown_clock import ShownClocks
    from node.core.vector_clock import VectorClock
    from node.core.write import Operation, Write
    from node.held_report import HeldReport
    from node.joining import Joining
    from node.link import BrokerState, Link
    from node.members_report import MemberReport
    from node.readiness import Readiness
    from node.reading import CountsReads
    from node.replica_thread import ReplicaThread
    from node.settings import Settings
    from node.store import Store
    from node.transport.port import Transport
    from node.unsafe import Unsafe
    from node.waiting_room import WaitingRoom

COMMIT_TIMEOUT_SECONDS = 30.0


class WriteResult(NamedTuple):
    """A write that is durable here, and the acknowledgement level that it has reached."""

    write: Write
    acked: AckLevel


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
        ack_room: AckRoom,
        shown_clocks: ShownClocks,
        counts: Counts,
        ages: Ages,
        count_reads: CountsReads,
        cluster: ClusterView,
        joining: Joining,
        readiness: Readiness,
        unsafe: Unsafe = SAFE,
    ) -> None:
        self.node_id = settings.node_id
        self.parking: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
        self.stepping_out: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
        self._settings = settings
        self._store = store
        self._thread = thread
        self._transport = transport
        self._link = link
        self._waiting_room = waiting_room
        self._ack_room = ack_room
        self._shown_clocks = shown_clocks
        self._counts = counts
        self.ages = ages
        self._cluster = cluster
        self.reading = Reading(store, joining, self.wait_for, count_reads)
        self._readiness = readiness
        self._unsafe = unsafe
        self._started_at = time.monotonic()
        self._stopping = False

    # --------------------------------------------------------------------- reading and writing

    def write(
        self,
        operations: tuple[Operation, ...],
        context: VectorClock,
        wait_seconds: float,
        ack: AckLevel = AckLevel.LOCAL,
        ack_timeout_seconds: float = 0.0,
        *,
        request_id: str = "",
        condition: Condition | None = None,
    ) -> WriteResult:
        """Make one write that happens after ``context``; it is durable here when this returns.

        Beyond that it waits until the write has reached ``ack``, or for ``ack_timeout_seconds``. Under a ``request_id``
        that was carried out before, nothing is written, and that write is the result (without its timestamp).
        Raises ContextNotReachedError, PreconditionFailedError, InvalidRequestError (the request id stands for another
        write), LimitReachedError, StoreFullError, UnavailableError.
        """
        waiter = None if ack is AckLevel.LOCAL else self._ack_room.admit(ack)
        try:
            self.wait_for(context, wait_seconds)
            submission = Submission(operations, context, waiter, request_id, condition)
            self._thread.put(submission)
            with self.stepping_out():
                write = submission.result(COMMIT_TIMEOUT_SECONDS)
            if waiter is None:
                return WriteResult(write, AckLevel.LOCAL)
            with self.parking():
                return WriteResult(write, waiter.wait(ack_timeout_seconds))
        finally:
            if waiter is not None:
                self._ack_room.leave(waiter)

    def submit(
        self,
        operations: tuple[Operation, ...],
        context: VectorClock,
        *,
        request_id: str = "",
        condition: Condition | None = None,
    ) -> Submission | None:
        """Ask for a write as ``write`` does, without waiting for anything; None when it would have to wait first.

        Whoever gets a submission must wait for its answer, for ``COMMIT_TIMEOUT_SECONDS`` at most.
        """
        if self._stopping or not context <= self._waiting_room.clock:
            return None
        submission = Submission(operations, context, None, request_id, condition)
        self._thread.put(submission)
        return submission

    def wait_for(self, context: VectorClock, wait_seconds: float) -> None:
        """Return when this node has applied ``context``; raises ContextNotReachedError, LimitReachedError."""
        if self._stopping:
            raise UnavailableError("this node is stopping: use another node")
        if context <= self._waiting_room.clock:
            return
        with self.parking():
            self._waiting_room.wait(context, wait_seconds)

    def remove_member(self, node: str, *, forced: bool) -> None:
        """Take a node out of the cluster for good. Raises InvalidRequestError when it cannot be, StoreFullError."""
        removal = Removal(node, forced=forced)
        self._thread.put(removal)
        with self.stepping_out():
            removal.result(COMMIT_TIMEOUT_SECONDS)

    # -------------------------------------------------------------------------------- looking

    @property
    def info(self) -> NodeInfo:
        """Who this node is."""
        return NodeInfo(self.node_id, self._settings.cluster, self.replica)

    @property
    def write_limits(self) -> WriteLimits:
        """What this node may hold of writes."""
        settings = self._settings
        return WriteLimits(settings.outbox_max_writes, settings.history_max_writes, settings.store_max_bytes)

    @property
    def replica(self) -> str:
        """The replica id under which this node writes now."""
        return self._cluster.replica

    @property
    def incarnation(self) -> str:
        """The part of the replica id that tells this incarnation of the node from its others."""
        return incarnation_of(self.replica)

    @property
    def members(self) -> Sequence[MemberReport]:
        """The members as this node knows them, itself included."""
        return self._cluster.members

    @property
    def missing_writes(self) -> int:
        """Writes that others are known to have and this node lacks."""
        return self._cluster.missing_writes

    @property
    def conflict_keys(self) -> int:
        """Keys that hold several versions. Raises StoreCorruptedError."""
        with self._store.reader() as cut:
            return cut.conflict_count()

    @property
    def history_writes(self) -> int:
        """Writes kept for repair."""
        return self._cluster.history_writes

    @property
    def control_unsent(self) -> int:
        """Control messages that were dropped because they could not be sent, so far."""
        return self._transport.control_dropped

    @property
    def ack_waiting_requests(self) -> int:
        """Requests that wait until their write is acknowledged further away."""
        return self._ack_room.waiting_requests

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
            answer.extend(held_reports(replica, limit))
            answered.set()

        self._thread.put(Look(look))
        with self.stepping_out():
            has_answered = answered.wait(COMMIT_TIMEOUT_SECONDS)
        if not has_answered:
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
        why_not = "this node is stopping" if self._stopping else self._readiness.why_not()
        return not why_not, why_not

    def stopping(self) -> None:
        """Accept nothing more, and let nobody wait."""
        self._stopping = True
        self._waiting_room.close()
        self._ack_room.close()

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
            **self._cluster.report(),
            **({"unsafe": self._unsafe.names} if self._unsafe.names else {}),
            "limits": {
                "value_max_bytes": settings.value_max_bytes,
                "store_max_bytes": settings.store_max_bytes,
                "outbox_max_writes": settings.outbox_max_writes,
                "waiting_max_requests": settings.waiting_max_requests,
                "history_max_writes": settings.history_max_writes,
                "queue_max_messages": settings.queue_max_messages,
                "requests_max_remembered": settings.requests_max_remembered,
                "watch_max_watchers": settings.watch_max_watchers,
                "watch_max_states": settings.watch_max_states,
                "events_max": settings.events_max,
                "events_max_streams": settings.events_max_streams,
            },
        }
