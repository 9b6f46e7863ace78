"""A watch hub over a real store that a test writes to, and clients that hold the other end of a real socket."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, Self

from prometheus_client import CollectorRegistry

from node.codec import decode_write, encode_write
from node.core.hybrid_clock import HybridTimestamp
from node.core.taking_effect import take_effect
from node.core.vector_clock import VectorClock
from node.watch.hub import WatchHub
from node.watch.metrics import WatchMetrics
from node.watch.watcher import Wish
from tests.support.cluster import wait_until
from tests.support.event_stream import Event, parsed
from tests.support.writes import NODE1, put_write
from tests.unit.store.merging import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from node.core.write import Write

TIMEOUT_SECONDS = 15.0
SMALL_BUFFER_BYTES = 16_384


class Client:
    """A watcher as it sees itself."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.text = b""
        self._found: list[Event | str] = []
        self._read_bytes = 0

    def read(self) -> list[Event | str]:
        """What came so far, if anything new did within a moment."""
        self.socket.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            while data := self.socket.recv(1_000_000):
                self.text += data
        end = self.text.rfind(b"\n\n") + 2
        if end > self._read_bytes:
            lines = self.text[self._read_bytes : end].decode().split("\n")
            self._found += parsed(lines, lambda _: None)
            self._read_bytes = end
        return self._found

    def changes(self) -> list[Event]:
        """The events so far."""
        return [found for found in self.read() if isinstance(found, Event)]

    def wait_for(self, count: int) -> list[Event]:
        """Wait for so many events."""
        wait_until(lambda: len(self.changes()) >= count, f"{count} events", TIMEOUT_SECONDS, lambda: repr(self.text))
        return self.changes()

    def wait_for_end(self) -> None:
        """Wait until the other side has closed."""
        self.socket.settimeout(TIMEOUT_SECONDS)
        with contextlib.suppress(ConnectionResetError):
            while data := self.socket.recv(1_000_000):
                self.text += data


class Bench:
    """The hub, its store, and its clients; use as a context manager."""

    def __init__(self, directory: Path, **limits: Any) -> None:
        self.store = open_store(directory)
        self.registry = CollectorRegistry()
        self.limits_reached: list[str] = []
        settings: dict[str, Any] = {"max_watchers": 10, "max_states": 2, **limits}
        self.hub = WatchHub(
            self.store,
            lambda clock: list(clock.entries.values()),
            WatchMetrics(self.registry),
            limit_reached=self.limits_reached.append,
            **settings,
        )
        self.clock = VectorClock()
        self._clients: list[Client] = []
        self.hub.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hub.stop(TIMEOUT_SECONDS)
        for client in self._clients:
            client.socket.close()
        self.store.close()

    def write(self, *writes: Write, tell: bool = True) -> None:
        """Commit these writes as a replica does."""
        with self.store.transaction() as transaction:
            for write in writes:
                take_effect(write, transaction)
                transaction.append_history(decode_write(encode_write(write)))
                self.clock = self.clock.advanced_to(write.dot)
            transaction.save(self.clock, HybridTimestamp(1, 0), 0)
        if tell:
            self.hub.moved()

    def put(self, key: str = "x", value: bytes = b"1") -> Write:
        """Commit one more put."""
        write = put_write(NODE1, self.clock[NODE1] + 1, key, value)
        self.write(write)
        return write

    def forget(self, clock: VectorClock, until: VectorClock) -> None:
        """Forget history up to ``clock``, and let the node be at ``until``: what a merged snapshot leaves behind."""
        with self.store.transaction() as transaction:
            transaction.save_trimmed(clock)
            transaction.save(until, HybridTimestamp(1, 0), 0)
            self.clock = until
        self.hub.moved()

    def watch(
        self,
        prefix: str = "",
        position: VectorClock | None = None,
        *,
        from_state: bool = False,
        wants_state: bool = False,
        is_chunked: bool = False,
    ) -> Client:
        """One more client; without a position it begins here and now, or with the state."""
        if position is None and not from_state:
            position = self.clock
        ticket = self.hub.admit(Wish(prefix, position, wants_state or from_state))
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
        client = Client(ours)
        self._clients.append(client)
        ticket.take(theirs, is_chunked=is_chunked)
        return client

    def sample(self, name: str) -> float:
        """The present value of a metric."""
        return self.registry.get_sample_value(f"causalkv_{name}") or 0.0

    def wait(self, condition: Any, what: str) -> None:
        """Wait with a deadline."""
        wait_until(condition, what, TIMEOUT_SECONDS)
