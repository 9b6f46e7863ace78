"""One node: a replica that is served over HTTP; and how it stops."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from node.clocks import exact_wall_ms
from node.engine import STOP_SECONDS, Engine
from node.event_log.metrics import EventMetrics
from node.event_log.recording import EventLog
from node.event_log.streams import EventHub
from node.event_log.telling import Hello, Teller
from node.http.app import create_app
from node.http.origins import MemberOrigins
from node.http.server import HttpServer
from node.watch.hub import WatchHub
from node.watch.metrics import WatchMetrics

if TYPE_CHECKING:
    import threading

    from node.errors import CausalKVError
    from node.metrics import NodeMetrics
    from node.service import ReplicaService
    from node.settings import Settings


class Node:
    """A running node; ``start`` returns when HTTP answers, ``stop`` when all is closed."""

    def __init__(self, settings: Settings, ended: threading.Event | None = None) -> None:
        """Open the data directory and build the parts; nothing runs yet.

        ``ended`` is set when the node cannot go on and must be stopped; ``failure`` then says why.
        Raises StoreError when the data directory is refused, ConfigurationError when settings contradict.
        """
        self.settings = settings
        event_log = EventLog(settings.events_max)
        self.engine = Engine(settings, ended, url=settings.public_url, event_log=event_log)
        self._log = structlog.get_logger("causalkv.node")
        self._watch_hub = WatchHub(
            self.engine.store,
            self.engine.shown_clocks.shown,
            WatchMetrics(self.metrics.registry),
            max_watchers=settings.watch_max_watchers,
            max_states=settings.watch_max_states,
            limit_reached=self.metrics.limit_reached,
        )
        self.engine.tell_commits(self._watch_hub.moved)
        self._teller = Teller(event_log, settings.node_id, lambda: self.service.replica, self.engine.shown_clocks)
        self._event_hub = EventHub(
            self._teller,
            self._hello,
            EventMetrics(self.metrics.registry),
            max_streams=settings.events_max_streams,
            limit_reached=self.metrics.limit_reached,
        )
        event_log.recorded = self._event_hub.recorded
        self._http = self._create_http()
        self.engine.tell_answers(self._http.go_on)

    @property
    def service(self) -> ReplicaService:
        """The replica, for those who read and write."""
        return self.engine.service

    @property
    def metrics(self) -> NodeMetrics:
        """What this node counts and measures."""
        return self.engine.metrics

    @property
    def failure(self) -> CausalKVError | None:
        """Why the node cannot go on."""
        return self.engine.failure

    def _hello(self) -> Hello:
        return self._teller.hello(self.service.clock, exact_wall_ms())

    def _create_http(self) -> HttpServer:
        settings = self.settings
        origins = MemberOrigins(settings.public_url, lambda: self.service.members)
        app = create_app(
            self.service,
            watch_hub=self._watch_hub,
            origins=origins,
            teller=self._teller,
            event_hub=self._event_hub,
            faults=self.engine.faults,
            metrics=self.metrics,
            value_max_bytes=settings.value_max_bytes,
            ignores_tokens=self.engine.unsafe.ignores_tokens,
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
            headers_for_origin=origins.headers,
        )
        self.metrics.ask("http_connections", "Connections of clients that are open", lambda: server.connections)
        text = "Requests that have arrived and wait for a worker"
        self.metrics.ask("http_queued_requests", text, lambda: server.queued_requests)
        self.service.parking = server.parked
        self.service.stepping_out = server.stepped_out
        return server

    def start(self) -> None:
        """Serve HTTP and connect to the other nodes. Raises ConfigurationError when the port is taken."""
        self._http.start()
        self._watch_hub.start()
        self._event_hub.start()
        self.engine.start()
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
        self._event_hub.stop(1.0)
        self._http.stop(max(0.1, (deadline - time.monotonic()) / 3))
        self.engine.stop(deadline, is_left=lambda: lets_go and self._http.has_ended)
        self._log.info("stopped", outbox=self.service.outbox_count)
