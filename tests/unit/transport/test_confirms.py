"""Publisher confirms in every order in which a broker sends them."""

from __future__ import annotations

from node.transport.confirms import ConfirmTracker


def tracker_with(messages: str) -> ConfirmTracker[str]:
    """A tracker of a channel over which these messages, one letter each, were sent."""
    tracker: ConfirmTracker[str] = ConfirmTracker()
    for one in messages:
        tracker.sent(one)
    return tracker


def test_confirms_may_come_out_of_order() -> None:
    """Each confirm settles the message with its number."""
    tracker = tracker_with("abc")
    assert tracker.settle(3, multiple=False, acked=True).confirmed == ["c"]
    assert tracker.settle(1, multiple=False, acked=True).confirmed == ["a"]
    assert tracker.unsettled() == ["b"]


def test_a_multiple_confirm_settles_what_is_left_up_to_its_number() -> None:
    """What was settled before is not told again."""
    tracker = tracker_with("abcd")
    tracker.settle(2, multiple=False, acked=True)
    assert tracker.settle(3, multiple=True, acked=True).confirmed == ["a", "c"]
    assert tracker.unsettled() == ["d"]


def test_a_nack_refuses() -> None:
    """A nack may be multiple too."""
    settled = tracker_with("abc").settle(2, multiple=True, acked=False)
    assert settled.refused == ["a", "b"]
    assert settled.confirmed == []


def test_a_returned_message_is_refused_though_the_broker_confirms_it() -> None:
    """The broker returns an unroutable message and then acknowledges it: no queue has it."""
    tracker = tracker_with("abc")
    tracker.returned(2)
    settled = tracker.settle(3, multiple=True, acked=True)
    assert settled.confirmed == ["a", "c"]
    assert settled.refused == ["b"]


def test_an_unknown_number_settles_nothing() -> None:
    """A confirm that comes twice, or for nothing, changes nothing."""
    tracker = tracker_with("a")
    tracker.settle(1, multiple=False, acked=True)
    tracker.returned(1)
    assert tracker.settle(1, multiple=False, acked=True) == ([], [])
    assert tracker.settle(7, multiple=True, acked=True) == ([], [])
    assert len(tracker) == 0


def test_numbers_are_given_in_the_order_of_sending() -> None:
    """``next_tag`` is the number that the broker will give to the next message."""
    tracker = tracker_with("ab")
    assert tracker.next_tag == 3
    tracker.sent("c")
    assert tracker.settle(3, multiple=False, acked=True).confirmed == ["c"]
