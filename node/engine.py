"""One replica, put together: store, replica's thread, transport, and the service that all who use it call.

Everything but a way in: ``node.node`` adds HTTP, ``node.embedded`` calls from the same process.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from node.ack_room import AckRoom
from node.ages import Ages
from node.clocks import steady_ms
from node.cluster_view import ClusterView
from node.core.naming import Start
from node.core.shown_clock import ShownClocks
from node.crash_points import CrashPoints
from node.decoding import Decoding
from node.effects import EffectRunner
from node.faults import Faults
from node.healing import Healing
from node.joining import Joining
from node.limits import replica_limits
from node.link import Link
from node.logs import get_logger
from node.metrics import NodeMetrics
from node.readiness import Readiness
from node.replica_thread import ReplicaThread
from node.senders import SenderRule
from node.service import Counts, ReplicaService
from node.snapshot_server import SnapshotServer
from node.store import Store, identity
from node.story import WriteStory
from node.transport import create_transport
from node.unsafe import Unsafe
from node.waiting_room import WaitingRoom

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.replica import Replica
    from node.errors import CausalKVError
    from node.event_log.recording import EventLog
    from node.settings import Settings

STOP_SECONDS = 9.0
"""All of a stop, from the signal to the end of the process (the contract says 10)."""


class Engine:
    """A running replica; ``start`` returns at once, ``stop`` when all is closed."""

    def __init__(
        self,
        settings: Settings,
        ended: threading.Event | None = None,
        *,
        url: str = "",
        event_log: EventLog | None = None,
    ) -> None:
        """Open the data directory and build the parts; nothing runs yet.

        ``ended`` is set when the replica cannot go on and must be stopped; ``failure`` then says why. ``url``: where
        clients reach it, empty when nowhere. ``event_log`` records what happens to writes, for those who show it.
        Raises StoreError when the data directory is refused, ConfigurationError when settings contradict.
        """
        self.settings = settings
        self.failure: CausalKVError | None = None
        self.ended = ended or threading.Event()
        self.unsafe = Unsafe.from_environment(os.environ)
        for what in self.unsafe.names:
            get_logger("causalkv.node").critical(
                "UNSAFE: for experiments only, never for data that matters",
                node=settings.node_id,
                what=what,
                what_to_do="start it without CAUSALKV_UNSAFE_… variables, and without the data that it had with them",
            )
        self._crash_points = CrashPoints.from_environment(os.environ) if settings.faults else CrashPoints()
        # Before the store: a configuration that is refused must not leave a data directory behind.
        self.transport = create_transport(settings)
        self.store = Store(
            settings.data_path, cluster=settings.cluster, node=settings.node_id, max_bytes=settings.store_max_bytes
        )
        self.metrics = NodeMetrics(CollectorRegistry())
        saved = self.store.load()
        members = [member.node for member in saved.members if member.is_member] or settings.nodes
        self.shown_clocks = ShownClocks(members)
        self._counts = Counts()
        self._ages = Ages(self.store)
        self._waiting_room = WaitingRoom(
            saved.clock, settings.waiting_max_requests, lambda: self.metrics.limit_reached("waiting_max_requests")
        )
        self._ack_room = AckRoom(
            settings.ack_waiting_max_requests, lambda: self.metrics.limit_reached("ack_waiting_max_requests")
        )
        self._decoding = Decoding(_sender_rule(settings))
        self._joining = Joining(
            set(settings.nodes) - {settings.node_id},
            is_founding=settings.node_id in settings.nodes,
            is_new=self.store.is_new,
        )
        self._create_replica(url, event_log)
        self._link = Link(self.metrics, self._caught_up, self._joining.asked, self._cluster.connected)
        self._readiness = Readiness(self._link, self._joining, self._cluster)
        self.faults = self._create_faults()
        self._link.attach(self.thread, self.faults)
        if saved.members:
            self.transport.members_are(members)
        self.service = self._create_service()
        self.metrics.watch(self.service)

    def _create_replica(self, url: str, event_log: EventLog | None) -> None:
        """The replica's thread, and what it acts through."""
        settings = self.settings
        self._snapshots = SnapshotServer(self.store, self.transport.tell, self.metrics.healing.snapshot_parts_given.inc)
        healing = Healing(transport=self.transport, snapshots=self._snapshots, metrics=self.metrics.healing)
        self._cluster = ClusterView(
            settings.node_id,
            url,
            healing=healing,
            joining=self._joining,
            decoding=self._decoding,
            shown_clocks=self.shown_clocks,
            skew_warn_seconds=settings.clock_skew_warn_seconds,
        )
        healing.listener = self._cluster
        self._waiting_room.has_heard_of = self._cluster.has_heard_of
        self._effects = EffectRunner(
            transport=self.transport,
            healing=healing,
            waiting_room=self._waiting_room,
            ack_room=self._ack_room,
            story=WriteStory(settings.node_id, self.shown_clocks.shown, settings.log_writes_per_second),
            metrics=self.metrics,
            crash_points=self._crash_points,
            gauges=self._counts,
            held_on_disk=self.store.held_count,
            ahead_max_ms=int(settings.clock_skew_warn_seconds * 1000),
            event_log=event_log,
        )
        self.thread = ReplicaThread(
            self.store,
            replica_limits(settings),
            Start(
                session=identity.new_session(),
                founding=settings.nodes,
                is_new=self.store.is_new,
                url=url,
                steady_ms=steady_ms(),
                new_name=identity.new_name,
                delivery=self.unsafe.delivery,
                is_restored=settings.restored,
            ),
            effects=self._effects,
            metrics=self.metrics,
            crash_points=self._crash_points,
            decoding=self._decoding,
            commit_max_writes=settings.commit_max_writes,
            ticked=self._ticked,
            failed=self._failed,
        )

    def _create_faults(self) -> Faults | None:
        if not self.settings.faults:
            return None
        faults = Faults(self.thread.put, lose=self.thread.lose, transport=self.transport)
        self._decoding.is_delayed = faults.is_delayed
        return faults

    def _create_service(self) -> ReplicaService:
        return ReplicaService(
            self.settings,
            store=self.store,
            thread=self.thread,
            transport=self.transport,
            link=self._link,
            waiting_room=self._waiting_room,
            ack_room=self._ack_room,
            shown_clocks=self.shown_clocks,
            counts=self._counts,
            ages=self._ages,
            count_reads=self.metrics.read,
            cluster=self._cluster,
            joining=self._joining,
            readiness=self._readiness,
            unsafe=self.unsafe,
        )

    def _ticked(self, replica: Replica) -> None:
        self._cluster.refresh(replica)
        self._ages.refresh(replica)

    def _caught_up(self) -> None:
        self._readiness.backlog_is_in()

    def _failed(self, error: CausalKVError) -> None:
        self.failure = error
        self.ended.set()

    def tell_answers(self, answered: Callable[[], None]) -> None:
        """Call ``answered`` when all writes of a commit are answered, mostly on the replica's thread."""
        self.thread.turned = answered

    def tell_commits(self, moved: Callable[[], None]) -> None:
        """Call ``moved`` after each commit, on the replica's thread, for which it must cost next to nothing."""
        self._effects.moved = moved

    def start(self) -> None:
        """Begin to work, and connect to the other nodes."""
        self.thread.start()
        self._snapshots.start()
        self.transport.start(self._link)

    def stop(self, deadline: float | None = None, *, is_left: Callable[[], bool] = lambda: True) -> None:
        """Finish what was accepted, publish what can be published, close; until ``deadline`` (monotonic, in seconds).

        ``is_left``: whether nobody reads the store any more; else it is not closed. It may wait.
        """
        deadline = time.monotonic() + STOP_SECONDS if deadline is None else deadline
        self.service.stopping()
        self._wait_for_outbox(min(deadline - 3, time.monotonic() + 2))
        has_ended = self.thread.stop(max(0.1, deadline - time.monotonic() - 2))
        self._snapshots.stop(0.5)
        self.transport.stop(max(0.1, deadline - time.monotonic() - 1))
        if self.faults is not None:
            self.faults.stop()
        if has_ended and is_left():  # else somebody hangs at the disk, and must not find the database closed
            self.store.close()

    def _wait_for_outbox(self, deadline: float) -> None:
        """What is left in the outbox is safe on disk; publishing it now only saves the others a wait."""
        while self.service.outbox_count and self.service.broker_state == "connected" and time.monotonic() < deadline:
            time.sleep(0.01)


def _sender_rule(settings: Settings) -> SenderRule:
    """A node that has a broker user of its own takes it that the others have one, too."""
    rule = SenderRule(
        frozenset(settings.nodes),
        proof_required=settings.has_own_broker_user,
        trusted_users=frozenset(settings.trusted_broker_users),
    )
    if rule.proof_required:
        get_logger("causalkv.node").info(
            "only messages are taken whose sender the broker vouches for: each node must publish as a broker user of "
            "its own name",
            trusted_as_well=sorted(rule.trusted_users),
        )
    return rule
