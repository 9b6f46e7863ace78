"""The delay line: chosen nodes' messages late, everything else at once, nothing lost."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from node.faults import DelayLine
from node.transport.port import Delivery
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 10.0
# Long enough never to pass within a test.
FOR_EVER_SECONDS = 3600.0


class Line:
    """A delay line, and what came through it."""

    def __init__(self) -> None:
        self.through: list[str] = []
        self.times: dict[str, float] = {}
        self.line = DelayLine(self._forward)

    def _forward(self, delivery: Delivery) -> None:
        self.times[delivery.body.decode()] = time.monotonic()
        self.through.append(delivery.body.decode())

    def send(self, node: str, text: str, tag: int = 1) -> None:
        """A message of this node."""
        self.line.delivered(Delivery(1, tag, text.encode(), message_id=f"{node}~aaaa:1"))

    def wait_for(self, *texts: str) -> None:
        """Wait until exactly these came through, in this order."""
        wait_until(lambda: len(self.through) >= len(texts), f"{texts}", TIMEOUT_SECONDS, lambda: str(self.through))
        assert self.through == list(texts)


@pytest.fixture
def line() -> Iterator[Line]:
    """A running delay line."""
    made = Line()
    yield made
    made.line.stop()


def test_without_delays_everything_passes_at_once(line: Line) -> None:
    """On the caller's own thread."""
    line.send("node1", "a")
    assert line.through == ["a"]


def test_a_delayed_node_is_passed_by_the_others(line: Line) -> None:
    """Messages of others do not wait behind it."""
    line.line.set_delays({"node1": FOR_EVER_SECONDS})
    line.send("node1", "late")
    line.send("node2", "b")
    line.send("node11", "c")
    assert line.through == ["b", "c"]
    assert line.line.describe() == {"delay": {"node1": FOR_EVER_SECONDS}, "delayed": 1}


def test_a_delayed_message_comes_after_its_delay_and_not_before(line: Line) -> None:
    """Delays run side by side, each from its own arrival."""
    line.line.set_delays({"node1": 0.3, "node2": 0.1})
    started = time.monotonic()
    line.send("node1", "slow")
    line.send("node2", "fast")
    line.wait_for("fast", "slow")
    assert line.times["fast"] - started >= 0.1
    assert line.times["slow"] - started >= 0.3


def test_messages_of_one_node_keep_their_order(line: Line) -> None:
    """Also those that are due at the same moment."""
    line.line.set_delays({"node1": 0.05})
    texts = [str(n) for n in range(50)]
    for text in texts:
        line.send("node1", text)
    line.wait_for(*texts)


def test_a_shorter_delay_begun_later_wakes_the_line_in_time(line: Line) -> None:
    """The line must not sleep on for the one it waited for first."""
    line.line.set_delays({"node1": FOR_EVER_SECONDS, "node2": 0.05})
    line.send("node1", "late")
    line.send("node2", "soon")
    line.wait_for("soon")


def test_clearing_lets_all_through_in_the_order_of_arrival(line: Line) -> None:
    """Whatever their delays were."""
    line.line.set_delays({"node1": FOR_EVER_SECONDS, "node2": FOR_EVER_SECONDS / 2})
    for number, node in enumerate(["node1", "node2", "node1", "node2"]):
        line.send(node, str(number))
    line.line.clear()
    line.wait_for("0", "1", "2", "3")
    line.send("node1", "4")
    line.wait_for("0", "1", "2", "3", "4")
    assert line.line.describe() == {"delay": {}, "delayed": 0}


def test_a_delay_of_zero_ends_a_nodes_delay(line: Line) -> None:
    """For what comes from now on; other nodes keep theirs."""
    line.line.set_delays({"node1": FOR_EVER_SECONDS, "node2": FOR_EVER_SECONDS})
    line.line.set_delays({"node1": 0})
    line.send("node1", "a")
    line.send("node2", "b")
    assert line.through == ["a"]
    assert line.line.describe() == {"delay": {"node2": FOR_EVER_SECONDS}, "delayed": 1}


def test_what_is_delayed_is_forgotten_with_its_connection(line: Line) -> None:
    """The queue delivers it again: keeping it would grow with every outage."""
    line.line.set_delays({"node1": FOR_EVER_SECONDS})
    line.send("node1", "old")
    line.line.connection_lost()
    assert line.line.describe() == {"delay": {"node1": FOR_EVER_SECONDS}, "delayed": 0}
    line.line.clear()
    line.send("node1", "new")
    assert line.through == ["new"]


@pytest.mark.parametrize("message_id", [None, "", "garbage", "~:", "node1"])
def test_a_message_without_a_readable_name_never_surprises(line: Line, message_id: str | None) -> None:
    """It may be poison: that is for the decoder to say."""
    line.line.set_delays({"node2": FOR_EVER_SECONDS})
    line.line.delivered(Delivery(1, 1, b"x", message_id=message_id))
    assert line.through == ["x"]


def test_stop_ends_the_thread_with_messages_still_delayed() -> None:
    """They stay unacknowledged in the queue."""
    made = Line()
    made.line.set_delays({"node1": FOR_EVER_SECONDS})
    made.send("node1", "late")
    stopping = threading.Thread(target=made.line.stop)
    stopping.start()
    stopping.join(TIMEOUT_SECONDS)
    assert not stopping.is_alive()
    assert made.through == []
