"""Faults on purpose: chosen nodes' messages late, lost or twice, everything else at once, and the node cut off."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from node.clocks import wall_offset_seconds
from node.errors import InvalidRequestError
from node.faults import DUPLICATES_MAX, NODES_MAX, Change, Faults
from node.transport.port import Delivery
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 10.0
# Long enough never to pass within a test.
FOR_EVER_SECONDS = 3600.0


class Wire:
    """Notes whether the node is cut off."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def cut(self) -> None:
        """See Transport."""
        self.calls.append("cut")

    def restore(self) -> None:
        """See Transport."""
        self.calls.append("restore")


class Line:
    """Faults, and what came through them; ``draws`` are the next numbers that chance draws, then 0.5 for ever."""

    def __init__(self, *draws: float) -> None:
        self.through: list[str] = []
        self.lost: list[str] = []
        self.times: dict[str, float] = {}
        self.wire = Wire()
        drawn = iter(draws)
        self.faults = Faults(self._forward, lose=self._lose, transport=self.wire, chance=lambda: next(drawn, 0.5))

    def _forward(self, delivery: Delivery) -> None:
        self.times[delivery.body.decode()] = time.monotonic()
        self.through.append(delivery.body.decode())

    def _lose(self, delivery: Delivery) -> None:
        self.lost.append(delivery.body.decode())

    def send(self, node: str, text: str, tag: int = 1) -> None:
        """A message of this node."""
        self.faults.delivered(Delivery(1, tag, text.encode(), message_id=f"{node}~aaaa:1"))

    def delay(self, seconds: dict[str, float]) -> None:
        """Delay messages of these nodes."""
        self.faults.change(Change(delay=seconds))

    def clear(self) -> None:
        """End all faults."""
        self.faults.change(Change(clear=True))

    def shows(self, **expected: object) -> None:
        """What is told of the faults is this, among other things."""
        shown = self.faults.describe()
        assert {name: shown[name] for name in expected} == expected

    def wait_for(self, *texts: str) -> None:
        """Wait until exactly these came through, in this order."""
        wait_until(lambda: len(self.through) >= len(texts), f"{texts}", TIMEOUT_SECONDS, lambda: str(self.through))
        assert self.through == list(texts)


@pytest.fixture
def line() -> Iterator[Line]:
    """Nothing in force yet."""
    made = Line()
    yield made
    made.clear()
    made.faults.stop()


def test_without_delays_everything_passes_at_once(line: Line) -> None:
    """On the caller's own thread."""
    line.send("node1", "a")
    assert line.through == ["a"]


def test_a_delayed_node_is_passed_by_the_others(line: Line) -> None:
    """Messages of others do not wait behind it."""
    line.delay({"node1": FOR_EVER_SECONDS})
    line.send("node1", "late")
    line.send("node2", "b")
    line.send("node11", "c")
    assert line.through == ["b", "c"]
    line.shows(delay={"node1": FOR_EVER_SECONDS}, delayed=1)


def test_a_delayed_message_comes_after_its_delay_and_not_before(line: Line) -> None:
    """Delays run side by side, each from its own arrival."""
    line.delay({"node1": 1.0, "node2": 0.1})
    started = time.monotonic()
    line.send("node1", "slow")
    line.send("node2", "fast")
    line.wait_for("fast", "slow")
    assert line.times["fast"] - started >= 0.1
    assert line.times["slow"] - started >= 1.0


def test_messages_of_one_node_keep_their_order(line: Line) -> None:
    """Also those that are due at the same moment."""
    line.delay({"node1": 0.05})
    texts = [str(n) for n in range(50)]
    for text in texts:
        line.send("node1", text)
    line.wait_for(*texts)


def test_a_shorter_delay_begun_later_wakes_the_line_in_time(line: Line) -> None:
    """The line must not sleep on for the one it waited for first."""
    line.delay({"node1": FOR_EVER_SECONDS, "node2": 0.05})
    line.send("node1", "late")
    line.send("node2", "soon")
    line.wait_for("soon")


def test_clearing_lets_all_through_in_the_order_of_arrival(line: Line) -> None:
    """Whatever their delays were."""
    line.delay({"node1": FOR_EVER_SECONDS, "node2": FOR_EVER_SECONDS / 2})
    for number, node in enumerate(["node1", "node2", "node1", "node2"]):
        line.send(node, str(number))
    line.clear()
    line.wait_for("0", "1", "2", "3")
    line.send("node1", "4")
    line.wait_for("0", "1", "2", "3", "4")
    line.shows(delay={}, delayed=0)


def test_a_delay_of_zero_ends_a_nodes_delay(line: Line) -> None:
    """For what comes from now on; other nodes keep theirs."""
    line.delay({"node1": FOR_EVER_SECONDS, "node2": FOR_EVER_SECONDS})
    line.delay({"node1": 0})
    line.send("node1", "a")
    line.send("node2", "b")
    assert line.through == ["a"]
    line.shows(delay={"node2": FOR_EVER_SECONDS}, delayed=1)


def test_what_is_delayed_is_forgotten_with_its_connection(line: Line) -> None:
    """The queue delivers it again: keeping it would grow with every outage."""
    line.delay({"node1": FOR_EVER_SECONDS})
    line.send("node1", "old")
    line.faults.connection_lost()
    line.shows(delay={"node1": FOR_EVER_SECONDS}, delayed=0)
    line.clear()
    line.send("node1", "new")
    assert line.through == ["new"]


@pytest.mark.parametrize("message_id", [None, "", "garbage", "~:", "node1"])
def test_a_message_without_a_readable_name_never_surprises(line: Line, message_id: str | None) -> None:
    """It may be poison: that is for the decoder to say."""
    line.delay({"node2": FOR_EVER_SECONDS})
    line.faults.delivered(Delivery(1, 1, b"x", message_id=message_id))
    assert line.through == ["x"]


def test_stop_ends_the_thread_with_messages_still_delayed() -> None:
    """They stay unacknowledged in the queue."""
    made = Line()
    made.delay({"node1": FOR_EVER_SECONDS})
    made.send("node1", "late")
    stopping = threading.Thread(target=made.faults.stop)
    stopping.start()
    stopping.join(TIMEOUT_SECONDS)
    assert not stopping.is_alive()
    assert made.through == []


def test_a_dropped_message_is_settled_and_never_comes(line: Line) -> None:
    """Else the queue would bring it again; others pass."""
    line.faults.change(Change(drop={"node1": 1.0}))
    line.send("node1", "lost")
    line.send("node2", "b")
    line.shows(drop={"node1": 1.0}, dropped=1, delayed=0)
    line.faults.change(Change(drop={"node1": 0.0}))
    line.send("node1", "c")
    assert (line.lost, line.through) == (["lost"], ["b", "c"])
    line.shows(drop={}, dropped=1)


def test_a_probability_is_drawn_for_each_message() -> None:
    """Below it the fault strikes."""
    line = Line(0.29, 0.3, 0.31, 0.0)
    line.faults.change(Change(drop={"node1": 0.3}))
    for text in ("a", "b", "c", "d"):
        line.send("node1", text)
    line.faults.stop()
    assert (line.lost, line.through) == (["a", "d"], ["b", "c"])


def test_a_duplicated_message_comes_at_once_and_again_a_little_later(line: Line) -> None:
    """Other messages come in between."""
    line.faults.change(Change(duplicate={"node1": 1.0}))
    line.send("node1", "a")
    line.send("node2", "b")
    assert line.through[:2] == ["a", "b"]
    line.wait_for("a", "b", "a")
    line.shows(duplicate={"node1": 1.0}, duplicated=1, delayed=0)


def test_a_message_may_be_both_delayed_and_duplicated(line: Line) -> None:
    """Then both copies are late, the second later."""
    line.faults.change(Change(delay={"node1": 0.5}, duplicate={"node1": 1.0}))
    line.send("node1", "a")
    assert line.through == []
    line.shows(delayed=2)
    line.wait_for("a", "a")


def test_second_copies_that_wait_are_limited(line: Line) -> None:
    """Beyond the limit messages come once."""
    line.faults.change(Change(delay={"node1": FOR_EVER_SECONDS}, duplicate={"node1": 1.0}))
    for _ in range(DUPLICATES_MAX + 5):
        line.send("node1", "a")
    line.shows(delayed=2 * DUPLICATES_MAX + 5, duplicated=DUPLICATES_MAX)
    line.faults.connection_lost()
    line.send("node1", "b")
    line.shows(delayed=2, duplicated=DUPLICATES_MAX + 1)


def test_a_cut_is_told_to_the_transport_once_and_lasts_until_it_is_ended(line: Line) -> None:
    """By false, or by clearing; other changes leave it."""
    line.faults.change(Change(cut=True))
    line.faults.change(Change(cut=True, delay={"node1": 1.0}))
    line.faults.change(Change(delay={"node1": 0.0}))
    line.shows(cut=True)
    assert line.wire.calls == ["cut"]
    line.faults.change(Change(cut=False))
    assert line.wire.calls == ["cut", "restore"]
    line.faults.change(Change(cut=True))
    line.clear()
    line.clear()
    assert line.wire.calls == ["cut", "restore", "cut", "restore"]
    line.shows(cut=False)


def test_clearing_ends_every_fault_before_new_ones_are_put_in_force(line: Line) -> None:
    """One change may do both."""
    line.faults.change(Change(drop={"node1": 1.0}, duplicate={"node2": 0.5}, cut=True, wall_offset_seconds=60))
    assert wall_offset_seconds() == 60
    line.faults.change(Change(clear=True, drop={"node3": 1.0}))
    line.shows(delay={}, drop={"node3": 1.0}, duplicate={}, cut=False, wall_offset=0.0)
    assert wall_offset_seconds() == 0


def test_faults_name_a_limited_number_of_nodes(line: Line) -> None:
    """Beyond it nothing of a change is done; clearing makes room in the same change."""
    many = {f"node{n}": 1.0 for n in range(NODES_MAX)}
    line.faults.change(Change(drop=many))
    with pytest.raises(InvalidRequestError):
        line.faults.change(Change(drop={"other": 1.0}, cut=True))
    line.shows(drop=many, cut=False)
    line.faults.change(Change(clear=True, drop={"other": 1.0}))
    line.shows(drop={"other": 1.0})


def test_a_change_that_names_nothing_is_empty() -> None:
    """Whatever ends something is not."""
    assert Change().is_empty
    assert not Change(cut=False).is_empty
    assert not Change(wall_offset_seconds=0).is_empty
    assert not Change(drop={"node1": 0.0}).is_empty
