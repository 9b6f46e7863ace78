"""The inbox: what waits is taken together, and what nobody asks for waits a moment for what does not wait."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from node.core.events import Confirmed, PublisherUp
from node.inbox import PATIENCE_SECONDS, Inbox
from node.patience import can_wait
from node.transport.port import Delivery
from tests.unit.shell.running import RunningReplica

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.inbox import Item

LONG_SECONDS = 20.0
AT_ONCE_SECONDS = 5.0
CONFIRMED = Confirmed([1])
URGENT = PublisherUp()


def waits(item: Item) -> bool:
    """Confirmations do."""
    return isinstance(item, Confirmed)


def slowly(inbox: Inbox, *items: Item) -> Callable[[], None]:
    """Put these one by one, each when what is before it was taken from the queue; returns how to wait for the end."""

    def put() -> None:
        for item in items:
            while len(inbox):
                time.sleep(0)
            inbox.put(item)

    thread = threading.Thread(target=put, daemon=True)  # it waits for a taker that a failed test does not send
    thread.start()
    return thread.join


def test_what_has_gathered_is_taken_in_its_order() -> None:
    """Whether it can wait or not."""
    inbox = Inbox(100, waits)
    items: list[Item] = [URGENT, CONFIRMED, URGENT, CONFIRMED]
    for item in items:
        inbox.put(item)
    assert inbox.take(LONG_SECONDS) == items


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can wait does so for longer than a test would."""
    monkeypatch.setattr("node.inbox.PATIENCE_SECONDS", LONG_SECONDS)


@pytest.mark.usefixtures("patient")
def test_what_can_wait_is_taken_with_what_comes_next() -> None:
    """As soon as something comes that cannot."""
    inbox = Inbox(100, waits)
    ended = slowly(inbox, CONFIRMED, CONFIRMED, URGENT)
    began = time.monotonic()
    assert inbox.take(LONG_SECONDS) == [CONFIRMED, CONFIRMED, URGENT]
    assert time.monotonic() - began < AT_ONCE_SECONDS
    ended()


def test_what_can_wait_does_so_for_a_moment() -> None:
    """Then it is taken alone, long before the taker would have given up."""
    inbox = Inbox(100, waits)
    inbox.put(CONFIRMED)
    began = time.monotonic()
    assert inbox.take(LONG_SECONDS) == [CONFIRMED]
    assert PATIENCE_SECONDS <= time.monotonic() - began < AT_ONCE_SECONDS


@pytest.mark.usefixtures("patient")
def test_who_has_something_else_to_do_waits_for_nothing() -> None:
    """An empty inbox, or one with what could wait, is left at once."""
    inbox = Inbox(100, waits)
    began = time.monotonic()
    assert inbox.take(0.0) == []
    inbox.put(CONFIRMED)
    assert inbox.take(0.0) == [CONFIRMED]
    assert time.monotonic() - began < AT_ONCE_SECONDS


@pytest.mark.usefixtures("patient")
def test_a_full_transaction_waits_for_nothing() -> None:
    """What can wait takes its room, too."""
    inbox = Inbox(2, waits)
    for _ in range(3):
        inbox.put(CONFIRMED)
    assert inbox.take(LONG_SECONDS) == [CONFIRMED, CONFIRMED]


@pytest.mark.usefixtures("patient")
def test_a_client_that_writes_one_after_the_other_costs_a_turn_for_each_write(tmp_path: Path) -> None:
    """Not three: for the write, for its confirmation, and for its message, which the fanout brings back."""
    with RunningReplica(tmp_path).start() as running:
        before, began = running.sample("commit_items_count"), time.monotonic()
        for _ in range(100):
            running.put()
        # What nodes tell each other and what is due by time have turns of their own, a few a second.
        by_time = 8 * (time.monotonic() - began)
        assert running.sample("commit_items_count") - before < 140 + by_time
        running.wait(lambda: running.unacknowledged == 0, "its messages are acknowledged nevertheless")
        running.wait(lambda: running.service.outbox_count == 0, "and known to be confirmed")


class TestWhatCanWait:
    """Only what nobody asks for, and what lets nothing go on."""

    @staticmethod
    def own(name: str) -> Delivery:
        """A message that says to be of this replica."""
        return Delivery(1, 1, b"", redelivered=False, content_type=None, app_id=None, message_id=f"{name}:7")

    def test_confirmations_and_own_messages_can_unless_a_request_waits_for_them(self, tmp_path: Path) -> None:
        """With ``ack=broker``, and so does the broker, for the acknowledgement."""
        with RunningReplica(tmp_path) as running:
            replica = running.thread._replica
            for item in (CONFIRMED, self.own(replica.replica)):
                assert can_wait(item, replica, 64, is_asked=False)
                assert not can_wait(item, replica, 64, is_asked=True)

    def test_messages_of_others_and_requests_cannot(self, tmp_path: Path) -> None:
        """Somebody wants to see them."""
        with RunningReplica(tmp_path) as running:
            replica = running.thread._replica
            others = [self.own("node2~bbbbbb"), self.own("node1~bbbbbb"), self.own(f"{replica.replica}x")]
            items: list[Item] = [*others, running.submit(), URGENT]
            for item in items:
                assert not can_wait(item, replica, 64, is_asked=False)

    def test_a_confirmation_that_makes_room_to_publish_cannot(self, tmp_path: Path) -> None:
        """As many messages as may be are on the wire, and others wait for them."""
        with RunningReplica(tmp_path, publish_window_messages=1) as running:
            replica = running.start(connect=False).thread._replica
            assert can_wait(CONFIRMED, replica, 1, is_asked=False)
            running.thread.put(PublisherUp())  # what is sent stays unconfirmed: there is no broker
            running.submit()
            running.wait(lambda: replica.unconfirmed_messages == 1, "a message is on the wire")
            assert not can_wait(CONFIRMED, replica, 1, is_asked=False)
            assert can_wait(CONFIRMED, replica, 2, is_asked=False)
