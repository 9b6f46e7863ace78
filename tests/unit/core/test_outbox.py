from __future__ import annotations

import itertools

from node.core.outbox import Outbox, Pack


def _opened(confirmed_seq: int = 0, window_messages: int = 10) -> Outbox:
    outbox = Outbox("a", confirmed_seq, window_messages, itertools.count(1))
    outbox.open()
    return outbox


def test_nothing_goes_out_before_the_transport_is_up() -> None:
    """A new outbox is closed."""
    assert Outbox("a", 0, 10, itertools.count(1)).next_seq(last_own_seq=5) is None


def test_sending_begins_after_what_is_confirmed() -> None:
    """Also after a restart, when the confirmed prefix comes from the disk."""
    assert _opened(confirmed_seq=3).next_seq(last_own_seq=5) == 4


def test_nothing_goes_out_when_all_is_sent() -> None:
    """Until there is a new write."""
    outbox = _opened()
    outbox.sent(1, 5)
    assert outbox.next_seq(last_own_seq=5) is None
    assert outbox.next_seq(last_own_seq=6) == 6


def test_the_window_bounds_what_is_on_the_wire() -> None:
    """A confirmation makes room."""
    outbox = _opened(window_messages=2)
    first = outbox.sent(1, 1)
    outbox.sent(2, 2)
    assert outbox.next_seq(last_own_seq=9) is None
    outbox.confirm(first.publish_id)
    assert outbox.next_seq(last_own_seq=9) == 3


def test_publish_ids_rise_and_never_repeat() -> None:
    """Also over a lost connection: a late confirmation must not fit a new message."""
    outbox = _opened()
    before = [outbox.sent(1, 1).publish_id, outbox.sent(2, 2).publish_id]
    outbox.close()
    outbox.open()
    after = [outbox.sent(1, 1).publish_id, outbox.sent(2, 2).publish_id]
    assert before + after == sorted({*before, *after})


def test_confirmations_in_order_advance_the_prefix() -> None:
    """Each gives back the pack that it was for."""
    outbox = _opened()
    first, second = outbox.sent(1, 3), outbox.sent(4, 4)
    assert outbox.confirm(first.publish_id) == [Pack(first.publish_id, "a", 1, 3)]
    assert outbox.confirmed_seq == 3
    outbox.confirm(second.publish_id)
    assert outbox.confirmed_seq == 4


def test_a_confirmation_ahead_of_a_gap_does_not_advance_the_prefix() -> None:
    """Only when the gap is confirmed too, and then over both."""
    outbox = _opened()
    first, second, third = outbox.sent(1, 1), outbox.sent(2, 3), outbox.sent(4, 4)
    outbox.confirm(third.publish_id)
    outbox.confirm(second.publish_id)
    assert outbox.confirmed_seq == 0
    outbox.confirm(first.publish_id)
    assert outbox.confirmed_seq == 4
    assert outbox.in_flight_messages == 0


def test_a_confirmation_of_something_unknown_changes_nothing() -> None:
    """Neither one never sent nor one that came twice."""
    outbox = _opened()
    pack = outbox.sent(1, 1)
    outbox.sent(2, 2)
    assert outbox.confirm(99) == []
    outbox.confirm(pack.publish_id)
    assert outbox.confirm(pack.publish_id) == []
    assert outbox.confirmed_seq == 1


def test_everything_unconfirmed_goes_out_again_after_a_lost_connection() -> None:
    """What was confirmed ahead of a gap is sent again as well: the prefix is all that is kept."""
    outbox = _opened()
    outbox.sent(1, 1)
    ahead = outbox.sent(2, 2)
    outbox.confirm(ahead.publish_id)
    outbox.close()
    assert outbox.next_seq(last_own_seq=2) is None
    outbox.open()
    assert outbox.next_seq(last_own_seq=2) == 1


def test_a_late_confirmation_of_a_former_connection_changes_nothing() -> None:
    """Its message may have reached some queues only."""
    outbox = _opened()
    former = outbox.sent(1, 1)
    outbox.close()
    outbox.open()
    outbox.sent(1, 1)
    assert outbox.confirm(former.publish_id) == []
    assert outbox.confirmed_seq == 0


def test_two_outboxes_of_a_process_never_give_one_number_twice() -> None:
    """A confirmation must fit one message of one of them."""
    ids = itertools.count(1)
    former, own = Outbox("a~1", 0, 10, ids, ends_at=2), Outbox("a~2", 0, 10, ids)
    sent = [former.sent(1, 1), own.sent(1, 1), former.sent(2, 2), own.sent(2, 2)]
    assert [(pack.publish_id, pack.replica) for pack in sent] == [(1, "a~1"), (2, "a~2"), (3, "a~1"), (4, "a~2")]
