"""The node's ear towards the transport: its one word about the link, and when the backlog is caught up with."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from node.link import Link
from node.metrics import NodeMetrics
from tests.support.writes import NODE2, put_write
from tests.unit.shell.running import RunningReplica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Ear:
    """A link that is attached to nothing."""

    def __init__(self) -> None:
        self.metrics = NodeMetrics(CollectorRegistry())
        self.link = Link(self.metrics, lambda: None, lambda: None)

    def gauges(self) -> tuple[float | None, float | None]:
        """Connected and blocked, as a scrape sees them."""
        value = self.metrics.registry.get_sample_value
        return value("causalkv_broker_connected"), value("causalkv_broker_blocked")


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads take turns as often as they can, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_the_link_is_up_when_both_sides_are() -> None:
    """Publishing and consuming have a connection each."""
    ear = Ear()
    link = ear.link
    assert (link.state, ear.gauges()) == ("disconnected", (0, 0))
    link.publisher_up()
    assert (link.state, ear.gauges()) == ("disconnected", (0, 0))
    link.consumer_up(1, 0)
    assert (link.state, ear.gauges()) == ("connected", (1, 0))
    link.publisher_blocked("memory")
    assert (link.state, ear.gauges()) == ("blocked", (1, 1))
    link.publisher_unblocked()
    assert (link.state, ear.gauges()) == ("connected", (1, 0))
    link.consumer_down("gone")
    assert (link.state, ear.gauges()) == ("disconnected", (0, 0))
    link.consumer_up(2, 0)
    link.publisher_blocked("memory")
    link.publisher_down("gone")
    link.publisher_up()
    assert (link.state, ear.gauges()) == ("connected", (1, 0))


@pytest.mark.usefixtures("quick_switches")
def test_the_gauge_ends_right_whichever_side_comes_last() -> None:
    """Both sides come up at the same moment after every outage."""
    for _ in range(500):
        ear = Ear()
        together = threading.Barrier(2)

        def publisher(ear: Ear = ear, together: threading.Barrier = together) -> None:
            together.wait()
            ear.link.publisher_up()

        def consumer(ear: Ear = ear, together: threading.Barrier = together) -> None:
            together.wait()
            ear.link.consumer_up(1, 0)

        threads = [threading.Thread(target=side) for side in (publisher, consumer)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ear.gauges() == (1, 0)


def test_a_node_is_ready_when_the_backlog_is_applied(tmp_path: Path) -> None:
    """Not when the connection is up, and not before the last message of the backlog is durable."""
    with RunningReplica(tmp_path) as running:
        for seq in range(1, 301):
            running.receive(put_write(NODE2, seq, "x", b"%d" % seq))
        assert not running.service.ready[0]
        running.start()
        running.wait(lambda: running.service.ready[0], "ready")
        assert running.service.clock[NODE2] == 300
        assert running.value("x") == b"300"


def test_poison_in_the_backlog_does_not_keep_a_node_from_being_ready(tmp_path: Path) -> None:
    """It counts as dealt with."""
    with RunningReplica(tmp_path) as running:
        for _ in range(3):
            running.receive_body(b"garbage")
        running.start()
        running.wait(lambda: running.service.ready[0], "ready")
        assert [rejected.reason for rejected in running.fanout.rejected] == [
            "not a causalkv message: JSON is malformed: invalid character (byte 0)"
        ] * 3
        assert running.sample("messages_rejected_total") == 3


def test_an_outage_while_catching_up_does_not_make_a_node_ready(tmp_path: Path) -> None:
    """The backlog is counted anew over the next connection."""
    with RunningReplica(tmp_path) as running:
        for seq in range(1, 1001):
            running.receive(put_write(NODE2, seq))
        gate = threading.Event()
        running.start(connect=False)
        running.hold_the_thread(gate)
        running.connect()
        running.wait(lambda: running.service.broker_state == "connected", "connected")
        running.fanout.switch_off()
        running.wait(lambda: running.service.broker_state == "disconnected", "disconnected")
        running.fanout.switch_on()
        gate.set()
        running.wait(lambda: running.service.broker_state == "connected", "connected again")
        running.wait(lambda: running.service.ready[0], "ready")
        assert running.service.clock[NODE2] == 1000


def test_a_backlog_that_is_not_durable_yet_is_waited_for_however_long_nothing_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it came, and then silence: a node with a full disk has not caught up."""
    monkeypatch.setattr("node.readiness.BACKLOG_GRACE_SECONDS", 0.0)
    with RunningReplica(tmp_path) as running:
        for seq in range(1, 11):
            running.receive(put_write(NODE2, seq))
        gate = threading.Event()
        running.start(connect=False)
        running.hold_the_thread(gate)
        running.connect()
        running.wait(lambda: running.service.broker_state == "connected", "connected")
        assert not running.service.ready[0]
        gate.set()
        running.wait(lambda: running.service.ready[0], "ready")
        assert running.service.clock[NODE2] == 10


def test_a_backlog_that_is_gone_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody purged the queue: what was announced never comes."""
    monkeypatch.setattr("node.readiness.BACKLOG_GRACE_SECONDS", 0.0)
    with RunningReplica(tmp_path) as running:
        running.start()
        running.wait(lambda: running.service.ready[0], "ready")
        running.node._readiness._backlog_is_in = False
        running.node._link.consumer_up(2, 5)
        running.wait(lambda: running.service.ready[0], "ready")


# ------------------------------------------------------------------------------------- control messages


def test_the_peers_are_asked_when_control_messages_pass() -> None:
    """Once for each connection: what was told meanwhile did not come."""
    asked: list[bool] = []
    link = Link(NodeMetrics(CollectorRegistry()), lambda: None, lambda: asked.append(True))
    link.publisher_up()
    link.consumer_up(1, 0)
    assert asked == []
    link.control_up()
    assert asked == [True]


def test_control_messages_too_many_at_a_time_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said there is said again; when those that wait are taken, there is room again."""
    monkeypatch.setattr("node.link.CONTROL_MAX_MESSAGES", 10)
    with RunningReplica(tmp_path) as running:
        running.start(connect=False)
        for _ in range(2):
            before = running.sample("control_dropped_total")
            gate = threading.Event()
            running.hold_the_thread(gate)
            for seq in range(1, 16):
                running.tell_clock(NODE2, {NODE2: seq})
            assert running.sample("control_dropped_total") - before == 5
            gate.set()
            running.wait(lambda: running.node._link._control_waiting == 0, "all are taken")
        assert running.sample("limits_reached_total", limit="control_messages") == 10
        running.wait(lambda: running.service.missing_writes == 10, "those that fitted were heard")
        assert running.node._link._control_waiting_bytes == 0


def test_control_messages_too_large_together_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What anybody sends must not fill the memory, in however few messages."""
    monkeypatch.setattr("node.link.CONTROL_MAX_BYTES", 1000)
    with RunningReplica(tmp_path) as running:
        running.start(connect=False)
        gate = threading.Event()
        running.hold_the_thread(gate)
        for size_bytes in (600, 600, 400, 1):
            running.hear(b"x" * size_bytes)
        assert running.sample("limits_reached_total", limit="control_messages") == 2
        gate.set()
        running.wait(lambda: running.sample("control_dropped_total") == 4, "two are dropped, two are none")
        running.hear(b"x" * 1000)
        running.wait(lambda: running.sample("control_dropped_total") == 5, "there is room again")
        assert running.sample("limits_reached_total", limit="control_messages") == 2


def test_garbage_on_the_control_exchange_disturbs_nobody(tmp_path: Path) -> None:
    """Counted and dropped; writes go on."""
    with RunningReplica(tmp_path) as running:
        running.start()
        for number in range(200):
            running.hear(b"\xff" * number)
            running.put(f"k{number}")
        running.wait(lambda: running.sample("control_dropped_total") == 200, "all are dropped")
        assert running.put().dot.seq == 201
        assert running.node.failure is None
