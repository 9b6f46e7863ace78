"""Which deliveries are acknowledged together: never one that is not settled, and never one by one for no reason."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from node.acknowledgements import Acknowledgement, AcknowledgementTracker
from tests.unit.shell.messages import SENDER, body_of, valid_message, valid_write
from tests.unit.shell.running import RunningReplica

if TYPE_CHECKING:
    from pathlib import Path


def together(epoch: int, tag: int) -> Acknowledgement:
    """All up to this one."""
    return Acknowledgement(epoch, tag, multiple=True)


def alone(epoch: int, tag: int) -> Acknowledgement:
    """This one."""
    return Acknowledgement(epoch, tag, multiple=False)


def test_what_follows_each_other_is_acknowledged_in_one_word() -> None:
    """In whatever order the tags are given."""
    tracker = AcknowledgementTracker()
    assert tracker.settle(1, [1, 2, 3]) == [together(1, 3)]
    assert tracker.settle(1, [5, 4]) == [together(1, 5)]


def test_a_delivery_that_is_not_settled_is_not_swept_along() -> None:
    """Those behind it are acknowledged one by one until it is settled too."""
    tracker = AcknowledgementTracker()
    assert tracker.settle(1, [1, 3, 4]) == [together(1, 1), alone(1, 3), alone(1, 4)]
    assert tracker.settle(1, [6]) == [alone(1, 6)]
    assert tracker.settle(1, [2]) == [together(1, 4)]
    assert tracker.settle(1, [5]) == [together(1, 6)]


def test_a_rejected_delivery_is_no_hole() -> None:
    """The transport acknowledges it; what follows goes on in one word, and nothing is remembered."""
    tracker = AcknowledgementTracker()
    tracker.leave_to_transport(1, 2)
    assert tracker.settle(1, [1]) == [together(1, 2)]
    tracker.leave_to_transport(1, 3)
    assert tracker.settle(1, list(range(4, 1000))) == [together(1, 999)]
    assert tracker._above == set()


def test_a_new_connection_begins_anew() -> None:
    """Tags start at 1 again, and the former ones mean nothing any more."""
    tracker = AcknowledgementTracker()
    tracker.settle(1, [1, 2, 9])
    assert tracker.settle(2, [1]) == [together(2, 1)]
    assert tracker.settle(1, [3]) == []
    assert tracker.settle(2, [2]) == [together(2, 2)]


@given(st.permutations(list(range(1, 21))), st.lists(st.integers(1, 20), max_size=5))
def test_every_delivery_is_acknowledged_once_it_is_settled_and_not_before(order: list[int], cuts: list[int]) -> None:
    """Whatever the order, and however it falls into transactions."""
    tracker = AcknowledgementTracker()
    settled: set[int] = set()
    acknowledged: set[int] = set()
    bounds = sorted({0, *cuts, len(order)})
    for start, end in itertools.pairwise(bounds):
        settled.update(order[start:end])
        for word in tracker.settle(1, order[start:end]):
            named = set(range(1, word.tag + 1)) if word.multiple else {word.tag}
            assert named <= settled
            acknowledged |= named
        assert acknowledged == settled


def test_one_poisonous_message_does_not_change_how_the_rest_is_acknowledged(tmp_path: Path) -> None:
    """Not for the node's whole life: it would remember each later delivery, and look through all of them."""
    with RunningReplica(tmp_path) as running:
        running.start()
        running.receive_body(b"garbage")
        for seq in range(1, 201):
            running.receive_body(body_of(valid_message(valid_write(seq) | {"vector_clock": {SENDER: seq}})))
        running.wait(lambda: running.service.clock[SENDER] == 200, "all applied")
        running.wait(lambda: running.unacknowledged == 0, "all acknowledged")
        assert len(running.fanout.rejected) == 1
        assert running.thread._effects._acknowledgements._above == set()


def test_a_delivery_that_is_settled_twice_is_remembered_and_acknowledged_once() -> None:
    """Else each message that a fault brings twice would stay in memory for ever."""
    tracker = AcknowledgementTracker()
    tracker.settle(1, [1, 2, 3])
    assert tracker.settle(1, [2]) == []
    assert tracker.settle(1, [3, 4]) == [Acknowledgement(1, 4, multiple=True)]
