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
        self.link = Link(self.metrics, lambda: None)

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
    monkeypatch.setattr("node.service.BACKLOG_GRACE_SECONDS", 0.0)
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
    monkeypatch.setattr("node.service.BACKLOG_GRACE_SECONDS", 0.0)
    with RunningReplica(tmp_path) as running:
        running.start()
        running.wait(lambda: running.service.ready[0], "ready")
        running.service._ready = False
        running.node._link.consumer_up(2, 5)
        running.wait(lambda: running.service.ready[0], "ready")
