"""One node, put together: store, replica thread, transport, HTTP; and how it stops."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from node.ack_room import AckRoom
from node.clocks import steady_ms
from node.cluster_view import ClusterView
from node.core.naming import Start
from node.core.shown_clock import ShownClocks
from node.crash_points import CrashPoints
from node.decoding import Decoding
from node.effects import EffectRunner
from node.faults import Faults
from node.healing import Healing
from node.http.app import create_app
from node.http.server import HttpServer
from node.joining import Joining
from node.limits import replica_limits
from node.link import Link
from node.metrics import NodeMetrics
from node.readiness import Readiness
from node.replica_thread import ReplicaThread
from node.service import Counts, ReplicaService
from node.snapshot_server import SnapshotServer
from node.store import Store, identity
from node.story import WriteStory
from node.transport import create_transport
from node.unsafe import Unsafe
from node.waiting_room import WaitingRoom
from node.watch.hub import WatchHub
from node.watch.metrics import WatchMetrics

if TYPE_CHECKING:
    from node.errors import CausalKVError
    from node.settings import Settings

STOP_SECONDS = 9.0
"""All of a stop, from the signal to the end of the process (the contract says 10)."""


class Node:
    """A running node; ``start`` returns when HTTP answers, ``stop`` when all is closed."""

    def __init__(self, settings: Settings, ended: threading.Event | None = None) -> None:
        """Open the data directory and build the parts; nothing runs yet.

        ``ended`` is set when the node cannot go on and must be stopped; ``failure`` then says why.
        Raises StoreError when the data directory is refused, ConfigurationError when settings contradict.
        """
        self.settings = settings
        self.failure: CausalKVError | None = None
        self.ended = ended or threading.Event()
        self._log = structlog.get_logger("causalkv.node")
        self._unsafe = Unsafe.from_environment(os.environ)
        for what in self._unsafe.names:
            self._log.critical("UNSAFE: for experiments only, never for data that matters", what=what)
        crash_points = CrashPoints.from_environment(os.environ) if settings.faults else CrashPoints()
        # Before the store: a configuration that is refused must not leave a data directory behind.
        self.transport = create_transport(settings)
        self.store = Store(
            settings.data_path, cluster=settings.cluster, node=settings.node_id, max_bytes=settings.store_max_bytes
        )
        self.metrics = NodeMetrics(CollectorRegistry())
        self.metrics.store_limit(settings.store_max_bytes)
        saved = self.store.load()
        members = [member.node for member in saved.members if member.is_member] or settings.nodes
        shown_clocks = ShownClocks(members)
        counts = Counts()
        waiting_room = WaitingRoom(
            saved.clock, settings.waiting_max_requests, lambda: self.metrics.limit_reached("waiting_max_requests")
        )
        ack_room = AckRoom(
            settings.ack_waiting_max_requests, lambda: self.metrics.limit_reached("ack_waiting_max_requests")
        )
        decoding = Decoding(settings.nodes)
        joining = Joining(
            set(settings.nodes) - {settings.node_id},
            is_founding=settings.node_id in settings.nodes,
            is_new=self.store.is_new,
        )
        self._snapshots = SnapshotServer(self.store, self.transport.tell, self.metrics.healing.snapshot_parts_given.inc)
        healing = Healing(transport=self.transport, snapshots=self._snapshots, metrics=self.metrics.healing)
        cluster = ClusterView(
            settings.node_id,
            settings.public_url,
            healing=healing,
            joining=joining,
            decoding=decoding,
            shown_clocks=shown_clocks,
            metrics=self.metrics.healing,
            skew_warn_seconds=settings.clock_skew_warn_seconds,
        )
        healing.listener = cluster
        effects = EffectRunner(
            transport=self.transport,
            healing=healing,
            waiting_room=waiting_room,
            ack_room=ack_room,
            story=WriteStory(settings.node_id, shown_clocks.shown, settings.log_writes_per_second),
            metrics=self.metrics,
            crash_points=crash_points,
            gauges=counts,
            held_on_disk=self.store.held_count,
            ahead_max_ms=int(settings.clock_skew_warn_seconds * 1000),
        )
        self.thread = ReplicaThread(
            self.store,
            replica_limits(settings),
            Start(
                session=identity.new_session(),
                founding=settings.nodes,
                is_new=self.store.is_new,
                url=settings.public_url,
                steady_ms=steady_ms(),
                new_name=identity.new_name,
                delivery=self._unsafe.delivery,
            ),
            effects=effects,
            metrics=self.metrics,
            crash_points=crash_points,
            decoding=decoding,
            commit_max_writes=settings.commit_max_writes,
            ticked=cluster.refresh,
            failed=self._failed,
        )
        self._link = Link(self.metrics, self._caught_up, joining.asked, cluster.connected)
        self._readiness = Readiness(self._link, joining, cluster)
        self._faults: Faults | None = None
        if settings.faults:
            self._faults = Faults(self.thread.put, lose=self.thread.lose, transport=self.transport)
            decoding.is_delayed = self._faults.is_delayed
        self._link.attach(self.thread, self._faults)
        if saved.members:
            self.transport.members_are(members)
        self.service = ReplicaService(
            settings,
            store=self.store,
            thread=self.thread,
            transport=self.transport,
            link=self._link,
            waiting_room=waiting_room,
            ack_room=ack_room,
            shown_clocks=shown_clocks,
            counts=counts,
            cluster=cluster,
            joining=joining,
            readiness=self._readiness,
            unsafe=self._unsafe,
        )
        self._watch_hub = WatchHub(
            self.store,
            shown_clocks.shown,
            WatchMetrics(self.metrics.registry),
            max_watchers=settings.watch_max_watchers,
            max_states=settings.watch_max_states,
            limit_reached=self.metrics.limit_reached,
        )
        effects.moved = self._watch_hub.moved
        self._http = self._create_http()

    def _create_http(self) -> HttpServer:
        settings = self.settings
        app = create_app(
            self.service,
            watch_hub=self._watch_hub,
            faults=self._faults,
            metrics=self.metrics,
            value_max_bytes=settings.value_max_bytes,
            ignores_tokens=self._unsafe.ignores_tokens,
        )
        server = HttpServer(
            app,
            host=settings.http_host,
            port=settings.http_port,
            threads=settings.http_threads,
            running_threads=settings.http_running_threads,
            max_connections=settings.http_max_connections,
            max_body_bytes=2 * settings.value_max_bytes + 65_536,
            limit_reached=self.metrics.limit_reached,
        )
        self.service.parking = server.parked
        self.service.stepping_out = server.stepped_out
        return server

    def _caught_up(self) -> None:
        self._readiness.backlog_is_in()

    def _failed(self, error: CausalKVError) -> None:
        self.failure = error
        self.ended.set()

    def start(self) -> None:
        """Serve HTTP and connect to the other nodes. Raises ConfigurationError when the port is taken."""
        self._http.start()
        self._watch_hub.start()
        self.thread.start()
        self._snapshots.start()
        self.transport.start(self._link)
        self._log.info(
            "started",
            replica=self.service.replica,
            vc=self.service.shown(self.service.clock),
            url=self.settings.public_url,
            data_dir=str(self.settings.data_path),
        )

    def stop(self) -> None:
        """Stop accepting, finish what was accepted, publish what can be published, close; within ``STOP_SECONDS``."""
        deadline = time.monotonic() + STOP_SECONDS
        self.service.stopping()
        lets_go = self._watch_hub.stop(1.0)
        self._http.stop(max(0.1, (deadline - time.monotonic()) / 3))
        self._wait_for_outbox(min(deadline - 3, time.monotonic() + 2))
        has_ended = self.thread.stop(max(0.1, deadline - time.monotonic() - 2))
        self._snapshots.stop(0.5)
        self.transport.stop(max(0.1, deadline - time.monotonic() - 1))
        if self._faults is not None:
            self._faults.stop()
        if has_ended and lets_go:  # else it hangs at the disk, and must not find its database closed
            self.store.close()
        self._log.info("stopped", outbox=self.service.outbox_count)

    def _wait_for_outbox(self, deadline: float) -> None:
        """What is left in the outbox is safe on disk; publishing it now only saves the others a wait."""
        while self.service.outbox_count and self.service.broker_state == "connected" and time.monotonic() < deadline:
            time.sleep(0.01)
