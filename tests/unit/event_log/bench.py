"""An event hub over a log that a test fills, and clients that hold the other end of a real socket."""

from __future__ import annotations

import socket
from typing import Any, Self

from prometheus_client import CollectorRegistry

from node.core.effects import Accepted
from node.core.shown_clock import ShownClocks
from node.core.vector_clock import VectorClock
from node.event_log.metrics import EventMetrics
from node.event_log.recording import EventLog
from node.event_log.streams import EventHub
from node.event_log.telling import Position, Teller, beginning_at
from tests.support.cluster import wait_until
from tests.support.writes import NODE1, put_write
from tests.unit.watch.bench import SMALL_BUFFER_BYTES, TIMEOUT_SECONDS, Client


class EventBench:
    """The hub, its log, and its clients; use as a context manager."""

    def __init__(self, *, max_events: int = 10_000, max_streams: int = 10, keep_alive_seconds: float = 60.0) -> None:
        self.log = EventLog(max_events)
        self.shown_clocks = ShownClocks(["node1", "node2"])
        self.registry = CollectorRegistry()
        self.limits_reached: list[str] = []
        teller = Teller(self.log, "node1", lambda: NODE1, self.shown_clocks)
        self.hub = EventHub(
            teller,
            lambda: teller.hello(VectorClock({NODE1: self.log.last}), 1.0),
            EventMetrics(self.registry),
            max_streams=max_streams,
            limit_reached=self.limits_reached.append,
            keep_alive_seconds=keep_alive_seconds,
        )
        self.log.recorded = self.hub.recorded
        self._clients: list[Client] = []
        self.hub.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hub.stop(TIMEOUT_SECONDS)
        for client in self._clients:
            client.socket.close()

    def record(self, count: int = 1, key: str = "x") -> None:
        """Commit so many writes."""
        first = self.log.last + 1
        effects = [Accepted(None, put_write(NODE1, seq, key)) for seq in range(first, first + count)]
        self.log.committed(effects, float(first))

    def stream(self, position: Position | None = None, *, is_chunked: bool = False) -> Client:
        """One more client."""
        ticket = self.hub.admit(beginning_at(self.log, position))
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
        client = Client(ours)
        self._clients.append(client)
        ticket.take(theirs, is_chunked=is_chunked)
        return client

    def unsent_bytes(self) -> int:
        """The most that is kept for one client."""
        return max((stream.unsent_bytes for stream in list(self.hub._clients)), default=0)

    def sample(self, name: str) -> float:
        """The present value of a metric."""
        return self.registry.get_sample_value(f"causalkv_{name}") or 0.0

    def wait(self, condition: Any, what: str) -> None:
        """Wait with a deadline."""
        wait_until(condition, what, TIMEOUT_SECONDS)


def numbers(client: Client) -> list[int]:
    """The numbers of the events that came so far; checks that each stands behind its own position."""
    events = [event for event in client.changes() if event.name == "message"]
    assert [event.position and int(event.position.partition("-")[2]) for event in events] == [
        event.data["number"] for event in events
    ]
    return [event.data["number"] for event in events]


def names(client: Client) -> list[str]:
    """The kinds of what came so far."""
    return [event.name for event in client.changes()]
