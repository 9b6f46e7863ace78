"""A full store: reads go on, writers are told, messages wait, publishing goes on, until there is room again."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest
import structlog

from node.core.events import Tick
from node.errors import StoreFullError
from node.full_store import CALM_SECONDS, RETRY_SECONDS, FullStore
from node.inbox import AfterCommit, ControlReceived, Look
from node.submission import Removal, Submission
from node.transport.port import ControlDelivery, Delivery
from tests.support.writes import NODE2, NODE3, put_write
from tests.unit.shell.running import EMPTY, SMALL_STORE_BYTES, RunningReplica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = b'"' + b"w" * 100_000 + b'"'


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningReplica]:
    """A replica with the smallest store; built, not started."""
    with RunningReplica(tmp_path, store_max_bytes=SMALL_STORE_BYTES) as replica:
        yield replica


def test_writers_are_told_and_reads_go_on(running: RunningReplica) -> None:
    """Nothing of a refused write is there, all that was accepted is, and the limit is counted."""
    running.start(connect=False)
    accepted = running.fill()
    assert accepted > 100
    for _ in range(5):
        with pytest.raises(StoreFullError, match="CAUSALKV_STORE_MAX_BYTES"):
            running.put("refused", LARGE)
    assert running.value("refused") is None
    assert running.value("fill0") is not None
    assert running.value(f"fill{accepted - 1}") is not None
    assert running.service.clock[running.service.replica] == accepted
    assert running.sample("limits_reached_total", limit="store_bytes") >= 1


def test_writes_go_on_when_there_is_room_again(running: RunningReplica) -> None:
    """No restart is needed, and no sequence number is left out."""
    running.start(connect=False)
    accepted = running.fill()
    running.make_room()

    def is_written() -> bool:
        try:
            return running.put("y", LARGE).dot.seq == accepted + 1
        except StoreFullError:
            return False

    running.wait(is_written, "writes go on")


def test_messages_that_do_not_fit_stay_unacknowledged_and_are_applied_later(running: RunningReplica) -> None:
    """The queue keeps them, so that a crash meanwhile loses nothing."""
    running.start()
    running.fill()
    running.wait(
        lambda: running.service.outbox_count == 0 and running.unacknowledged == 0, "own echoes have come and are gone"
    )
    running.receive(put_write(NODE2, 1, "from2", LARGE))
    running.receive(put_write(NODE2, 2, "from2", LARGE))
    running.wait(lambda: running.unacknowledged == 2, "both wait")
    running.wait(lambda: running.sample("limits_reached_total", limit="store_bytes") >= 3, "tried more than once")
    assert running.value("from2") is None
    running.make_room()
    running.wait(lambda: running.value("from2") == LARGE, "applied")
    running.wait(lambda: running.unacknowledged == 0, "acknowledged")
    assert running.service.clock[NODE2] == 2


def test_a_backlog_that_does_not_fit_is_not_caught_up_with(tmp_path: Path) -> None:
    """``/readyz`` would else send readers to a node that lacks what its queue holds."""
    with RunningReplica(tmp_path, store_max_bytes=SMALL_STORE_BYTES) as running:
        running.start(connect=False)
        running.fill()
        running.receive(put_write(NODE2, 1, "from2", LARGE))
        running.connect()
        running.wait(lambda: running.sample("limits_reached_total", limit="store_bytes") >= 2, "the backlog was tried")
        assert not running.service.ready[0]
        assert running.service.held(10) == []  # looking at the node works meanwhile
        running.make_room()
        running.wait(lambda: running.service.ready[0], "caught up")
        assert running.value("from2") == LARGE


def test_a_store_that_is_full_of_history_makes_room_by_itself(tmp_path: Path) -> None:
    """Once all members have it; deleting needs room, too, and clients that keep trying must not take its turn."""
    with RunningReplica(tmp_path, store_max_bytes=SMALL_STORE_BYTES, history_keep_writes=0) as running:
        running.start()
        accepted = 0

        def is_accepted() -> bool:
            nonlocal accepted
            for peer in (NODE2, NODE3):
                running.tell_clock(peer, {running.service.replica: accepted})
            try:
                running.put("x", LARGE)
            except StoreFullError:
                return False
            accepted += 1
            return True

        with contextlib.suppress(StoreFullError):
            while True:
                running.put("x", LARGE)
                accepted += 1
        for _ in range(5):
            running.wait(is_accepted, "there is room again")
        running.wait(lambda: running.service.outbox_count == 0, "the outbox drained")


# ------------------------------------------------------------------------------------- publishing meanwhile


def test_the_outbox_drains_while_clients_keep_trying_to_write(tmp_path: Path) -> None:
    """What was acknowledged before the store was full must reach the others, however hard clients try."""
    with RunningReplica(tmp_path, store_max_bytes=SMALL_STORE_BYTES, publish_window_messages=4) as running:
        running.start()
        running.fanout.switch_off()
        running.wait(lambda: running.service.broker_state == "disconnected", "disconnected")
        accepted = running.fill()
        over = threading.Event()

        def try_to_write() -> None:
            while not over.is_set():
                with pytest.raises(StoreFullError):
                    running.put("refused", LARGE)

        clients = [threading.Thread(target=try_to_write) for _ in range(2)]
        for client in clients:
            client.start()
        try:
            running.fanout.switch_on()
            running.wait(lambda: running.service.outbox_count == 0, "the outbox drained")
        finally:
            over.set()
            for client in clients:
                client.join()
        assert running.sample("writes_published_total") == accepted


def test_a_link_that_comes_up_in_a_transaction_that_fails_is_not_forgotten(running: RunningReplica) -> None:
    """Else the outbox would wait for the next outage."""
    running.start()
    running.fanout.switch_off()
    running.wait(lambda: running.service.broker_state == "disconnected", "disconnected")
    running.fill()
    gate = threading.Event()
    running.hold_the_thread(gate)
    running.wait_out_the_retry()
    refused = running.submit("refused", LARGE)
    running.fanout.switch_on()
    running.wait(lambda: running.service.broker_state == "connected", "connected")
    gate.set()
    with pytest.raises(StoreFullError):
        refused.result(5)
    running.wait(lambda: running.service.outbox_count == 0, "the outbox drained")


def test_a_link_that_goes_down_in_a_transaction_that_fails_does_not_undo_a_later_one(running: RunningReplica) -> None:
    """What is tried again must not be older than what has happened since."""
    running.start()
    running.fill()
    gate = threading.Event()
    running.hold_the_thread(gate)
    running.wait_out_the_retry()
    running.fanout.switch_off()
    running.wait(lambda: running.service.broker_state == "disconnected", "disconnected")
    refused = running.submit("refused", LARGE)
    gate.set()
    with pytest.raises(StoreFullError):
        refused.result(5)
    running.fanout.switch_on()
    running.wait(lambda: running.service.broker_state == "connected", "connected again")
    running.make_room()
    running.wait_out_the_retry()
    running.on_thread(lambda _: None)  # whatever was to be tried again has been
    running.put("y")
    running.wait(lambda: running.service.outbox_count == 0, "the outbox drained")


# ------------------------------------------------------------------------------------- the state by itself


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time, in seconds."""
        return self.now


def delivery(epoch: int, tag: int) -> Delivery:
    """A delivery of this connection."""
    return Delivery(connection_epoch=epoch, tag=tag, body=b"")


def test_deliveries_of_former_connections_are_not_kept() -> None:
    """They come again over the newest: keeping both would grow with every outage."""
    full = FullStore()
    last = AfterCommit(lambda _: None)
    full.failed([delivery(1, 1), delivery(1, 2)], StoreFullError("full"))
    full.put_off([delivery(2, 1), last])
    assert full.try_again() == [delivery(2, 1), last]
    assert full.try_again() == []


def test_what_needs_no_room_is_given_back() -> None:
    """Looking at the replica and the link's news go on."""
    look = Look(lambda _: None)
    submission = Submission((), EMPTY)
    assert FullStore().failed([submission, look, delivery(1, 1)], StoreFullError("full")) == [look]
    with pytest.raises(StoreFullError, match="full"):
        submission.result(0)


def test_control_messages_and_ticks_are_not_kept() -> None:
    """What they say is said again; the places of the messages are free, and who wanted a member out is told."""
    full = FullStore()
    taken: list[bool] = []
    control = ControlReceived(ControlDelivery(b"", None, None), lambda: taken.append(True))
    removal = Removal("node2", forced=False)
    for hand_over in (lambda items: full.failed(items, StoreFullError("full")), full.put_off):
        assert hand_over([control, Tick(1, 2), removal]) == []
        assert full.try_again() == []
    assert taken == [True, True]
    with pytest.raises(StoreFullError, match="full"):
        removal.result(0)


def test_tries_become_rarer_and_frequent_again_after_calm() -> None:
    """Each try costs a rebuild of the replica; the waits have an upper bound."""
    clock = Clock()
    full = FullStore(clock)
    waits = []
    for _ in range(6):
        full.failed([], StoreFullError("full"))
        assert full.retry_at is not None
        waits.append(full.retry_at - clock.now)
        full.try_again()
    assert waits[0] == RETRY_SECONDS[0]
    assert waits == sorted(waits)
    assert waits[-1] == RETRY_SECONDS[1]
    clock.now += CALM_SECONDS
    full.written()
    full.failed([], StoreFullError("full"))
    assert full.retry_at == clock.now + RETRY_SECONDS[0]


def test_the_log_says_once_that_it_began_and_once_that_it_is_over() -> None:
    """A line for each attempt would fill the same disk."""
    clock = Clock()
    with structlog.testing.capture_logs() as lines:
        full = FullStore(clock)
        for _ in range(50):
            full.failed([], StoreFullError("the disk is full"))
            full.try_again()
            full.written()
        assert [line["event"] for line in lines] == ["nothing can be written; reads go on"]
        assert lines[0]["reason"] == "the disk is full"
        clock.now += CALM_SECONDS
        full.written()
        full.written()
    assert [line["event"] for line in lines[1:]] == ["there is space again, writes go on"]
