"""Traces of any run, complete or not: one causal order, and clocks that ShiViz takes and that say what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from client.node_events import ACCEPTED, DELIVERED
from client.trace import shiviz
from client.trace.ordering import CausalOrder
from client.trace.trace_clocks import TraceClocks
from tests.support.runs import KEYS, NODES, Run, anything, looks_at, pieces_of, runs
from tests.support.shiviz import check, happened_before, is_at_most, read_file, read_pasted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from client.node_events import NodeEvent
    from client.trace.collecting import Found
    from client.trace.trace_clocks import TraceClock


def told(looks: Iterable[Mapping[str, Sequence[Found]]]) -> list[NodeEvent]:
    """All that is told of these looks, the last of which nothing followed."""
    order = CausalOrder()
    events: list[NodeEvent] = []
    for look in [*looks, {}]:
        order.add(look)
        events += [found.event for found in order.take()]
    return events


def traced(
    events: Iterable[NodeEvent], wanted: Callable[[NodeEvent], bool] = lambda _: True
) -> list[tuple[NodeEvent, TraceClock]]:
    """The exported events with their clocks."""
    clocks = TraceClocks()
    exported = []
    for event in events:
        if wanted(event):
            exported.append((event, clocks.clock(event)))
        else:
            clocks.pass_by(event)
    return exported


def log_of(exported: Iterable[tuple[NodeEvent, TraceClock]]) -> str:
    """What ShiViz is given."""
    return "\n".join([shiviz.HEADER, *(shiviz.entry(event, clock) for event, clock in exported)]) + "\n"


def takes(exported: list[tuple[NodeEvent, TraceClock]]) -> None:
    """Fail unless ShiViz takes the log, from a file and pasted, and sees the same events with the same clocks."""
    for read in (read_file, read_pasted):
        entries = read(log_of(exported))
        assert [(entry.host, entry.clock) for entry in entries] == [(event.node, clock) for event, clock in exported]
        check(entries)


@given(st.data())
def test_a_whole_run_is_told_in_causal_order_and_its_clocks_say_exactly_what_happened_before(
    data: st.DataObject,
) -> None:
    """However the looks cut it, and whatever the wall clocks say."""
    run = data.draw(runs())
    events = told(data.draw(looks_at(run)))
    indexes = run.indexes(events)
    assert sorted(indexes) == list(range(len(run.events)))
    for place, index in enumerate(indexes):
        assert run.past[index] <= set(indexes[:place])
    exported = traced(events)
    takes(exported)
    for one, (_, first) in zip(indexes, exported, strict=True):
        for other, (_, second) in zip(indexes, exported, strict=True):
            assert happened_before(first, second) == (one in run.past[other])


@given(st.data())
def test_a_filtered_run_keeps_the_order_of_what_is_left(data: st.DataObject) -> None:
    """What lies between two exported events orders them, though it is not shown itself."""
    run = data.draw(runs())
    key = data.draw(st.sampled_from(KEYS))
    events = told([{node: run.of(node) for node in NODES}])
    exported = traced(events, lambda event: key in event.keys)
    takes(exported)
    indexes = run.indexes(event for event, _ in exported)
    for one, (_, first) in zip(indexes, exported, strict=True):
        for other, (_, second) in zip(indexes, exported, strict=True):
            assert happened_before(first, second) == (one in run.past[other])


def parts_of(run: Run, data: st.DataObject) -> dict[str, list[Found]]:
    """What is left when nodes do not answer, or have forgotten their first events; their last are not read yet."""
    answering = data.draw(st.sets(st.sampled_from(NODES), min_size=1))
    parts = {}
    for node in sorted(answering):
        line = run.of(node)
        first, last = sorted((data.draw(st.integers(0, len(line))), data.draw(st.integers(0, len(line)))))
        parts[node] = line[first:last]
    return parts


def claims_nothing_untrue(run: Run, exported: list[tuple[NodeEvent, TraceClock]]) -> None:
    """Fail when the clocks say of an event that it happened before another one, and it did not."""
    indexes = run.indexes(event for event, _ in exported)
    for one, (_, first) in zip(indexes, exported, strict=True):
        for other, (_, second) in zip(indexes, exported, strict=True):
            assert not happened_before(first, second) or one in run.past[other]


@given(st.data())
def test_of_an_incomplete_run_nothing_is_made_up(data: st.DataObject) -> None:
    """Every event that is there is told, once; clocks claim no order that was not, and show what the events say."""
    run = data.draw(runs())
    parts = parts_of(run, data)
    events = told(data.draw(pieces_of(parts)))
    for node, line in parts.items():
        assert [event for event in events if event.node == node] == [found.event for found in line]
    exported = traced(events)
    takes(exported)
    claims_nothing_untrue(run, exported)
    for event, clock in exported:
        for other, later in exported:
            if event.node == other.node and event.number < other.number:
                assert happened_before(clock, later)


@given(st.data())
def test_whatever_nodes_say_all_of_it_is_told_and_makes_a_log(data: st.DataObject) -> None:
    """Also effects before their causes, and circles: no node can make an export fail or hang."""
    lines = data.draw(anything())
    events = told(data.draw(pieces_of(lines)))
    assert sorted((event.node, event.number) for event in events) == sorted(
        (found.event.node, found.event.number) for line in lines.values() for found in line
    )
    for node, line in lines.items():
        assert [event.number for event in events if event.node == node] == [found.event.number for found in line]
    exported = traced(events)
    if exported:
        takes(exported)


@given(st.data(), st.integers(1, 4))
def test_with_a_short_memory_arrows_are_left_out_and_nothing_else(data: st.DataObject, remembered: int) -> None:
    """In an export without end the oldest writes are forgotten."""
    run = data.draw(runs())
    order, clocks = CausalOrder(remembered), TraceClocks(remembered)
    exported = []
    for look in [*data.draw(looks_at(run)), {}]:
        order.add(look)
        exported += [(found.event, clocks.clock(found.event)) for found in order.take()]
    assert len(exported) == len(run.events)
    takes(exported)
    claims_nothing_untrue(run, exported)


@given(st.data())
def test_an_arrow_is_shown_where_both_of_its_ends_are_there(data: st.DataObject) -> None:
    """Whatever else is missing: a write that is accepted in the export and delivered in it is delivered after that."""
    run = data.draw(runs())
    exported = traced(told([parts_of(run, data)]))
    accepted = {event.dot: clock for event, clock in exported if event.kind == ACCEPTED}
    for event, clock in exported:
        if event.kind == DELIVERED and event.dot in accepted:
            assert is_at_most(accepted[event.dot], clock)
