"""A node without HTTP for tests: store, replica's thread, link and in-process fanout, all of them real."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Self

from node.codec import encode_message, encode_write
from node.control_codec import encode_control
from node.core.control import ClockTold
from node.core.vector_clock import VectorClock
from node.core.write import Put
from node.engine import Engine
from node.errors import StoreFullError
from node.inbox import AfterCommit, Look
from node.settings import MIB, Settings
from node.submission import Submission
from node.transport import shared_fanout
from node.transport.port import ControlDelivery, OutgoingMessage
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from node.core.replica import Replica
    from node.core.write import Write

TIMEOUT_SECONDS = 15.0
EMPTY = VectorClock()
MEMBERS = ("node1", "node2", "node3")
# The smallest store that can be asked for.
SMALL_STORE_BYTES = 16 * MIB


class RunningReplica:
    """node1 of a cluster of its own; the other members are what a test sends in their name."""

    def __init__(self, directory: Path, *, cluster: str | None = None, **settings: Any) -> None:
        self.cluster = cluster or f"test-{secrets.token_hex(4)}"
        self.fanout = shared_fanout(self.cluster)
        self.node = Engine(
            Settings(
                node_id="node1",
                nodes=MEMBERS,
                amqp_url="memory://",
                cluster=self.cluster,
                data_dir=directory / "node1",
                log_writes_per_second=0,
                **settings,
            )
        )
        self.service = self.node.service
        self.thread = self.node.thread
        self._ids = 0

    def start(self, *, connect: bool = True) -> Self:
        """Begin to work; with ``connect``, wait until messages travel."""
        self.thread.start()
        if connect:
            self.node.transport.start(self.node._link)
            self.wait(lambda: self.service.broker_state == "connected", "connected")
        return self

    def connect(self) -> None:
        """Begin to connect; returns at once."""
        self.node.transport.start(self.node._link)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.node.stop()

    # -------------------------------------------------------------------------- doing things

    def submit(self, key: str = "x", value: bytes = b"1", context: VectorClock = EMPTY) -> Submission:
        """Hand over a write without waiting for it."""
        submission = Submission((Put(key, value),), context)
        self.thread.put(submission)
        return submission

    def put(self, key: str = "x", value: bytes = b"1", context: VectorClock = EMPTY) -> Write:
        """Write, as a request does."""
        return self.service.write((Put(key, value),), context, 0).write

    def value(self, key: str) -> bytes | None:
        """What a read of the key shows."""
        versions = self.service.reading.read(key, EMPTY, 0).versions
        return versions[0].value if versions else None

    def fill(self, value_bytes: int = 50_000) -> int:
        """Write until the store is full; returns how many writes were accepted."""
        value = b'"' + b"v" * value_bytes + b'"'
        for count in range(100_000):
            try:
                self.put(f"fill{count}", value)
            except StoreFullError:
                return count
        raise AssertionError("the store is never full")

    def receive(self, *writes: Write) -> None:
        """Put a message with these writes, of the first one's replica, into all queues."""
        sender = writes[0].dot.replica
        self.receive_body(encode_message(sender, [encode_write(write) for write in writes]), sender)

    def receive_body(self, body: bytes, sender: str = "node2~bbbbbb") -> None:
        """Put a message with this body into all queues."""
        self._ids += 1
        with self.fanout.changed:
            assert self.fanout.place(OutgoingMessage(self._ids, f"{sender}:1", body, sender), sender.partition("~")[0])

    def tell_clock(self, replica: str, clock: dict[str, int], *, wall_ahead_ms: int = 0) -> None:
        """Say in the name of a replica what it has applied."""
        now_ms = time.time_ns() // 1_000_000 + wall_ahead_ms
        told = ClockTold(replica, "a session", VectorClock(clock), EMPTY, (), "http://peer", now_ms)
        self.hear(encode_control(told))

    def hear(self, body: bytes) -> None:
        """A control message with this body arrives."""
        self.node._link.control_received(ControlDelivery(body, None, None))

    def make_room(self) -> None:
        """The store may grow from now on: what an operator does, without the restart."""
        self.on_thread(lambda _: self.node.store._env.set_mapsize(4 * SMALL_STORE_BYTES))

    def on_thread(self, function: Any) -> None:
        """Call a function on the replica's thread, and wait until that is done."""
        done: list[bool] = []

        def call(replica: Replica) -> None:
            function(replica)
            done.append(True)

        self.thread.put(Look(call))
        self.wait(lambda: bool(done), "the replica's thread looked")

    def hold_the_thread(self, gate: threading.Event) -> None:
        """Keep the replica's thread busy until the gate opens, so that what is put meanwhile comes in one turn."""
        entered: list[bool] = []

        def hold(_: Replica) -> None:
            entered.append(True)
            gate.wait(TIMEOUT_SECONDS)

        self.thread.put(AfterCommit(hold))
        self.wait(lambda: bool(entered), "the replica's thread is held")

    def wait_out_the_retry(self) -> None:
        """Wait until a full store may be tried again, so that the next transaction is tried at once."""
        self.wait(lambda: (self.thread._full.retry_at or 0.0) <= time.monotonic(), "the store may be tried again")

    # -------------------------------------------------------------------------- looking

    @property
    def unacknowledged(self) -> int:
        """Deliveries that the queue still keeps for this node."""
        # In this order: one that is being delivered counts twice rather than not at all.
        queued = len(self.fanout.queues["node1"])
        return queued + len(self.node.transport._unacknowledged)  # type: ignore[attr-defined]  # the in-process transport

    def sample(self, name: str, **labels: str) -> float:
        """The present value of a metric."""
        return self.node.metrics.registry.get_sample_value(f"causalkv_{name}", labels) or 0.0

    def wait(self, condition: Any, what: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Wait for a condition with a deadline."""
        wait_until(condition, what, timeout_seconds, lambda: f"failure: {self.node.failure}")
