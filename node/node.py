"""One node, put together: store, replica thread, transport, HTTP; and how it stops."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from node.codec import CONTENT_TYPE, decode_echo, decode_message
from node.core.events import Echoed, Received
from node.core.replica import ReplicaLimits
from node.core.shown_clock import ShownClocks
from node.crash_points import CrashPoints
from node.effects import EffectRunner
from node.errors import MessageRejectedError
from node.faults import DelayLine
from node.http.app import create_app
from node.http.server import HttpServer
from node.link import Link
from node.metrics import NodeMetrics
from node.replica_thread import ReplicaThread
from node.service import Counts, ReplicaService
from node.store import Store
from node.story import WriteStory
from node.transport import create_transport
from node.waiting_room import WaitingRoom

if TYPE_CHECKING:
    from node.errors import CausalKVError
    from node.settings import Settings
    from node.transport.port import Delivery

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
        crash_points = CrashPoints.from_environment(os.environ) if settings.faults else CrashPoints()
        # Before the store: a configuration that is refused must not leave a data directory behind.
        self.transport = create_transport(settings)
        self.store = Store(
            settings.data_path, cluster=settings.cluster, node=settings.node_id, max_bytes=settings.store_max_bytes
        )
        self.metrics = NodeMetrics(CollectorRegistry())
        saved = self.store.load()
        shown_clocks = ShownClocks(settings.nodes)
        counts = Counts()
        waiting_room = WaitingRoom(
            saved.clock, settings.waiting_max_requests, lambda: self.metrics.limit_reached("waiting_max_requests")
        )
        story = WriteStory(settings.node_id, shown_clocks.shown, settings.log_writes_per_second)
        effects = EffectRunner(
            self.store.replica,
            transport=self.transport,
            waiting_room=waiting_room,
            story=story,
            metrics=self.metrics,
            crash_points=crash_points,
            gauges=counts,
        )
        self.thread = ReplicaThread(
            self.store,
            ReplicaLimits(
                outbox_max_writes=settings.outbox_max_writes,
                publish_window_messages=settings.publish_window_messages,
                pack_max_writes=settings.pack_max_writes,
                pack_max_bytes=settings.pack_max_bytes,
            ),
            effects,
            self.metrics,
            crash_points,
            decode=self._decode,
            commit_max_writes=settings.commit_max_writes,
            failed=self._failed,
        )
        self._link = Link(self.metrics, self._caught_up)
        self._delay_line = DelayLine(self.thread.put) if settings.faults else None
        self._link.attach(self.thread, self._delay_line)
        self.service = ReplicaService(
            settings,
            store=self.store,
            thread=self.thread,
            transport=self.transport,
            link=self._link,
            waiting_room=waiting_room,
            shown_clocks=shown_clocks,
            counts=counts,
        )
        self.metrics.store_limit(settings.store_max_bytes)
        self._http = self._create_http()

    def _create_http(self) -> HttpServer:
        settings = self.settings
        app = create_app(
            self.service,
            faults=self._delay_line,
            metrics=self.metrics,
            value_max_bytes=settings.value_max_bytes,
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

    def _decode(self, delivery: Delivery) -> Received | Echoed:
        if delivery.content_type not in (None, CONTENT_TYPE):
            raise MessageRejectedError(f"its content type is {delivery.content_type[:80]!r}: it must be {CONTENT_TYPE}")
        node_users = frozenset(self.settings.nodes)
        # The message id is only a hint at the sender; what counts is checked in the message.
        if (delivery.message_id or "").startswith(f"{self.store.replica}:"):
            seqs = decode_echo(delivery.body, self.store.replica, user_id=delivery.user_id, node_users=node_users)
            if seqs is not None:
                return Echoed(delivery, seqs)
        writes = decode_message(delivery.body, user_id=delivery.user_id, node_users=node_users)
        return Received(delivery, writes, time.time_ns() // 1_000_000)

    def _caught_up(self) -> None:
        self.service.caught_up()

    def _failed(self, error: CausalKVError) -> None:
        self.failure = error
        self.ended.set()

    def start(self) -> None:
        """Serve HTTP and connect to the other nodes. Raises ConfigurationError when the port is taken."""
        self._http.start()
        self.thread.start()
        self.transport.start(self._link)
        self._log.info(
            "started",
            replica=self.store.replica,
            vc=self.service.shown(self.service.clock),
            url=self.settings.public_url,
            data_dir=str(self.settings.data_path),
        )

    def stop(self) -> None:
        """Stop accepting, finish what was accepted, publish what can be published, close; within ``STOP_SECONDS``."""
        deadline = time.monotonic() + STOP_SECONDS
        self.service.stopping()
        self._http.stop(max(0.1, (deadline - time.monotonic()) / 3))
        self._wait_for_outbox(min(deadline - 3, time.monotonic() + 2))
        has_ended = self.thread.stop(max(0.1, deadline - time.monotonic() - 2))
        self.transport.stop(max(0.1, deadline - time.monotonic() - 1))
        if self._delay_line is not None:
            self._delay_line.stop()
        if has_ended:  # else it hangs at the disk, and must not find its database closed
            self.store.close()
        self._log.info("stopped", outbox=self.service.outbox_count)

    def _wait_for_outbox(self, deadline: float) -> None:
        """What is left in the outbox is safe on disk; publishing it now only saves the others a wait."""
        while self.service.outbox_count and self.service.broker_state == "connected" and time.monotonic() < deadline:
            time.sleep(0.01)
