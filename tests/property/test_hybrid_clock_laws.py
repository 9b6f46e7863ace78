from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.core.hybrid_clock import ZERO, HybridTimestamp, next_local, observed
from tests.support.strategies import REPLICAS, timestamps, wall_clocks_ms


@given(timestamps(), wall_clocks_ms())
def test_a_local_timestamp_is_greater_than_all_that_was_seen(last: HybridTimestamp, now_ms: int) -> None:
    """Whatever the wall clock says."""
    assert next_local(last, now_ms) > last


@given(timestamps(), wall_clocks_ms())
def test_a_local_timestamp_is_never_behind_the_wall_clock(last: HybridTimestamp, now_ms: int) -> None:
    """And ahead of it only by what was seen before."""
    assert next_local(last, now_ms).physical_ms == max(last.physical_ms, now_ms)


@given(timestamps(), timestamps())
def test_observing_keeps_the_later_of_the_two(last: HybridTimestamp, remote: HybridTimestamp) -> None:
    """It forgets neither, and invents nothing."""
    seen = observed(last, remote)
    assert seen >= last
    assert seen >= remote
    assert seen in (last, remote)


@given(
    st.lists(st.tuples(st.sampled_from(REPLICAS), st.sampled_from(REPLICAS), wall_clocks_ms()), max_size=30),
)
def test_timestamps_grow_along_happened_before(steps: list[tuple[str, str, int]]) -> None:
    """Replicas write, and hear of each other's latest write, with wall clocks that say anything."""
    seen = dict.fromkeys(REPLICAS, ZERO)
    known: dict[str, frozenset[int]] = dict.fromkeys(REPLICAS, frozenset())
    made: list[HybridTimestamp] = []
    for author, teacher, now_ms in steps:
        seen[author] = observed(seen[author], seen[teacher])
        causes = known[author] | known[teacher]
        timestamp = next_local(seen[author], now_ms)
        assert all(made[cause] < timestamp for cause in causes)
        seen[author] = observed(seen[author], timestamp)
        known[author] = causes | {len(made)}
        made.append(timestamp)
