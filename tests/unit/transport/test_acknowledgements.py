"""Acknowledgements towards a broker that closes the channel at the first wrong word."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from node.transport.acknowledgements import Acknowledgement, DeliveryTracker


def tracker_with(deliveries: int) -> DeliveryTracker:
    """A tracker of a channel on which this many messages were delivered."""
    tracker = DeliveryTracker()
    for tag in range(1, deliveries + 1):
        tracker.delivered(tag)
    return tracker


def test_several_multiple_acknowledgements_become_one_word() -> None:
    """Only the furthest one is told."""
    tracker = tracker_with(10)
    for tag in (3, 7, 5):
        tracker.acknowledge(tag, multiple=True)
    assert tracker.take() == [Acknowledgement(7, multiple=True)]
    assert tracker.take() == []


def test_a_multiple_acknowledgement_stops_short_of_a_held_delivery() -> None:
    """The rejected delivery 4 is not acknowledged before its copy is safe; then all that waited for it is."""
    tracker = tracker_with(10)
    assert tracker.hold(4)
    tracker.acknowledge(8, multiple=True)
    assert tracker.take() == [Acknowledgement(3, multiple=True)]
    tracker.release(4)
    assert tracker.take() == [Acknowledgement(8, multiple=True)]


def test_a_delivery_is_held_once() -> None:
    """Rejecting it again must not make another copy."""
    tracker = tracker_with(2)
    assert tracker.hold(1)
    assert not tracker.hold(1)


def test_a_released_delivery_is_acknowledged_by_itself() -> None:
    """What is held before it may stay unacknowledged."""
    tracker = tracker_with(10)
    assert tracker.hold(6)
    tracker.release(6)
    assert tracker.take() == [Acknowledgement(6, multiple=False)]


def test_repeated_and_unknown_numbers_are_ignored() -> None:
    """An acknowledgement that the broker does not expect would cost the channel."""
    tracker = tracker_with(3)
    tracker.acknowledge(2, multiple=False)
    assert tracker.take() == [Acknowledgement(2, multiple=False)]
    tracker.acknowledge(2, multiple=False)
    tracker.acknowledge(9, multiple=True)
    tracker.release(1)
    assert tracker.take() == []
    assert not tracker.hold(2)
    tracker.acknowledge(2, multiple=True)
    assert tracker.take() == [Acknowledgement(1, multiple=True)]


class StrictBroker:
    """What RabbitMQ does with acknowledgements."""

    def __init__(self, deliveries: int) -> None:
        self.outstanding = deque(range(1, deliveries + 1))

    def hear(self, word: Acknowledgement) -> set[int]:
        """The deliveries that this word settles; an unexpected number is an error."""
        assert word.tag in self.outstanding, f"unknown delivery tag {word.tag}"
        settled = {tag for tag in self.outstanding if tag == word.tag or (word.multiple and tag < word.tag)}
        self.outstanding = deque(tag for tag in self.outstanding if tag not in settled)
        return settled


STEPS = st.lists(st.tuples(st.sampled_from(["one", "multiple", "hold", "release", "take"]), st.integers(1, 12)))


@given(STEPS)
def test_whatever_the_node_says_the_broker_hears_what_is_allowed_and_all_of_it(steps: list[tuple[str, int]]) -> None:
    """No unknown number, no held delivery, nothing that the node is not done with; and in the end nothing missing."""
    tracker, broker = tracker_with(10), StrictBroker(10)
    done: set[int] = set()
    held: set[int] = set()
    for step, tag in [*steps, ("take", 0)]:
        if step == "one" and tag not in held:
            tracker.acknowledge(tag, multiple=False)
            done |= {tag} if tag <= 10 else set()
        elif step == "multiple":
            tracker.acknowledge(tag, multiple=True)
            done |= set(range(1, tag + 1)) if tag <= 10 else set()
        elif step == "hold" and tag not in done and tracker.hold(tag):
            held.add(tag)
        elif step == "release" and tag in held:
            tracker.release(tag)
            held.discard(tag)
            done.add(tag)
        elif step == "take":
            for word in tracker.take():
                settled = broker.hear(word)
                assert not settled & held
                assert settled <= done
    if not held:
        assert set(broker.outstanding) == set(range(1, 11)) - done
