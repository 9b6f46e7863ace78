"""The order in which watchers see writes, over random causal histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.hybrid_clock import ZERO
from node.core.vector_clock import VectorClock
from node.errors import StoreCorruptedError
from node.watch.merging import merged
from tests.support.strategies import History, closed_parts, histories
from tests.support.writes import NODE1, NODE2, put_write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.core.write import Write


def lines_of(writes: Iterable[Write]) -> dict[str, list[Write]]:
    """The writes by replica, each in sequence."""
    lines: dict[str, list[Write]] = {}
    for write in sorted(writes, key=lambda each: each.dot.seq):
        lines.setdefault(write.dot.replica, []).append(write)
    return lines


def clock_of(history: History, indexes: Iterable[int]) -> VectorClock:
    """The clock that covers exactly these writes and what happened before them."""
    clock = VectorClock()
    for index in indexes:
        clock = clock.merge(history.writes[index].clock)
    return clock


def order_of(history: History, indexes: Iterable[int], position: VectorClock) -> list[int]:
    """The indexes of these writes in the merged order; checks the positions on the way."""
    lines = {replica: iter(line) for replica, line in lines_of(history.writes[index] for index in indexes).items()}
    order = []
    for step in merged(lines, position):
        position = position.merge(step.write.clock)
        assert step.position == position
        order.append(history.writes.index(step.write))
    return order


@given(st.data())
def test_merging_lines_contradicts_no_happened_before(data: st.DataObject) -> None:
    """All writes come, once each, none before one that happened before it."""
    history = data.draw(histories())
    everything = range(len(history.writes))
    order = order_of(history, everything, VectorClock())
    assert sorted(order) == list(everything)
    for place, index in enumerate(order):
        assert history.past[index] <= set(order[:place])


@given(st.data())
def test_resuming_from_any_position_gives_exactly_the_rest(data: st.DataObject) -> None:
    """What a client has and what it is sent make up everything, whoever it had the first part from."""
    history = data.draw(histories())
    had = set(data.draw(closed_parts(history)))
    rest = set(range(len(history.writes))) - had
    order = order_of(history, rest, clock_of(history, had))
    assert set(order) == rest
    for place, index in enumerate(order):
        assert history.past[index] <= had | set(order[:place])


@given(st.data())
def test_going_on_part_by_part_contradicts_nothing_either(data: st.DataObject) -> None:
    """What becomes known later may be dated earlier; it comes later, and nothing before its cause."""
    history = data.draw(histories(min_writes=2))
    everything = set(range(len(history.writes)))
    first = set(data.draw(closed_parts(history)))
    order = order_of(history, first, VectorClock())
    order += order_of(history, everything - first, clock_of(history, first))
    assert set(order) == everything
    for place, index in enumerate(order):
        assert history.past[index] <= set(order[:place])


@given(st.data())
def test_timestamps_that_lie_show_no_effect_before_its_cause(data: st.DataObject) -> None:
    """A peer may date its writes as it likes: the vector clocks decide."""
    honest = data.draw(histories())
    writes = tuple(
        write._replace(timestamp=data.draw(st.sampled_from([ZERO, write.timestamp]))) for write in honest.writes
    )
    history = History(writes, honest.past)
    order = order_of(history, range(len(writes)), VectorClock())
    assert sorted(order) == list(range(len(writes)))
    for place, index in enumerate(order):
        assert history.past[index] <= set(order[:place])


def test_a_write_whose_cause_is_nowhere_is_damage_and_not_an_endless_loop() -> None:
    """A line that lacks its beginning cannot be told."""
    lines = {NODE1: iter([put_write(NODE1, 1)]), NODE2: iter([put_write(NODE2, 1, node3=1)])}
    steps = merged(lines, VectorClock())
    assert next(steps).write.dot.replica == NODE1
    with pytest.raises(StoreCorruptedError, match=f"happened before {NODE2}:1"):
        next(steps)
