from __future__ import annotations

from node.core.hybrid_clock import COUNTER_MAX, PHYSICAL_MS_MAX, ZERO, HybridTimestamp, next_local, observed, skew_ms


def test_a_local_write_takes_the_wall_clock_when_that_is_later() -> None:
    """Timestamps stay near the wall clock."""
    assert next_local(HybridTimestamp(100, 7), now_ms=101) == HybridTimestamp(101, 0)


def test_the_counter_goes_on_when_the_wall_clock_stands_still() -> None:
    """Two writes of one millisecond differ."""
    assert next_local(HybridTimestamp(100, 7), now_ms=100) == HybridTimestamp(100, 8)


def test_the_timestamp_does_not_follow_a_wall_clock_that_jumps_back() -> None:
    """Physical time is kept, the counter goes on."""
    assert next_local(HybridTimestamp(100, 0), now_ms=3) == HybridTimestamp(100, 1)


def test_what_was_seen_from_a_clock_ahead_is_kept() -> None:
    """The next local write comes after it, whatever the local wall clock says."""
    seen = observed(HybridTimestamp(100, 0), HybridTimestamp(5_000, 2))
    assert next_local(seen, now_ms=101) == HybridTimestamp(5_000, 3)


def test_an_older_remote_timestamp_changes_nothing() -> None:
    """The clock does not go back."""
    assert observed(HybridTimestamp(100, 1), HybridTimestamp(100, 0)) == HybridTimestamp(100, 1)


def test_the_first_timestamp_is_after_zero() -> None:
    """Even with a wall clock at the epoch."""
    assert next_local(ZERO, now_ms=0) > ZERO


def test_skew_says_how_far_a_timestamp_is_ahead() -> None:
    """Positive ahead, negative behind."""
    assert skew_ms(HybridTimestamp(1_500, 0), now_ms=1_000) == 500
    assert skew_ms(HybridTimestamp(400, 9), now_ms=1_000) == -600


def test_a_forged_timestamp_at_the_end_of_the_numbers_leads_no_further() -> None:
    """What lies beyond would be refused by every peer, and the node could replicate nothing any more."""
    end = HybridTimestamp(PHYSICAL_MS_MAX, COUNTER_MAX)
    assert next_local(end, 1_700_000_000_000) == end
