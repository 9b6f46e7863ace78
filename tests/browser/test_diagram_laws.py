"""Laws of the diagram over random histories, put to the modules of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.causal_history import History, histories

if TYPE_CHECKING:
    from playwright.sync_api import Page

# One page serves all examples of a test: each makes a trace of its own.
IN_ONE_PAGE = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@IN_ONE_PAGE
@given(history=histories(), data=st.data())
def test_past_future_and_concurrent_are_what_walking_through_the_events_gives(
    modules: Page, history: History, data: st.DataObject
) -> None:
    """The events come in any order; how two writes stand to each other does not depend on it."""
    events = data.draw(st.permutations(history.in_time()))
    found = modules.evaluate(
        """(events) => {
          const { trace } = built(events);
          const related = (dot) => [dot, trace.past(dot), trace.future(dot), trace.concurrent(dot)];
          return [...trace.writes.keys()].map(related);
        }""",
        events,
    )
    assert {dot for dot, *_ in found} == set(history.writes)
    for dot, past, future, concurrent in found:
        relations = {other: history.true_relation(other, dot) for other in history.writes}
        assert set(past) == {other for other, relation in relations.items() if relation == "before"}
        assert set(future) == {other for other, relation in relations.items() if relation == "after"}
        assert set(concurrent) == {other for other, relation in relations.items() if relation == "concurrent"}


@IN_ONE_PAGE
@given(history=histories(), data=st.data())
def test_a_column_is_the_longest_chain_whatever_order_events_come_in(
    modules: Page, history: History, data: st.DataObject
) -> None:
    """Between nodes in any order, at once or settled in between; some come twice."""
    lanes = [list(node.events) for node in history.nodes]
    events: list[Any] = []
    while any(lanes):
        lane = data.draw(st.sampled_from([each for each in lanes if each]))
        events.append(lane.pop(0))
        if data.draw(st.integers(0, 9)) == 0:
            events.append(data.draw(st.sampled_from(events)))
    settle_at = data.draw(st.sets(st.integers(0, len(events)), max_size=4))
    columns = modules.evaluate(
        """([events, settleAt]) => {
          const { trace, layout } = built([]);
          events.forEach((event, index) => {
            if (settleAt.includes(index)) layout.update(1e9 * (index + 1));
            trace.add(event);
          });
          layout.update(1e15);
          const column = (entry) => [`${entry.node} ${entry.number}`, entry.column];
          return trace.lanes.flatMap((lane) => lane.entries.map(column));
        }""",
        [events, sorted(settle_at)],
    )
    assert dict(columns) == history.true_columns()


@IN_ONE_PAGE
@given(history=histories(), data=st.data())
def test_with_events_missing_happened_before_still_points_to_the_right(
    modules: Page, history: History, data: st.DataObject
) -> None:
    """Any events may be lost, and whole lanes with them; what is inferred stands between what it must stand between."""
    kept = [event for event in history.in_time() if data.draw(st.integers(0, 3)) > 0]
    silent = data.draw(st.sampled_from([None, *[node.name for node in history.nodes]]))
    events = data.draw(st.permutations([event for event in kept if event["node"] != silent]))
    found = modules.evaluate(
        """(events) => {
          const { trace, layout } = built(events);
          layout.settle();
          const places = [...trace.writes.values()].map((write) => [write.dot, layout.source(write).x]);
          const arrivals = trace.lanes.flatMap((lane) => lane.entries
            .filter((entry) => entry.kind === "delivered")
            .map((entry) => [layout.source(entry.write).x, entry.x]));
          const lanes = trace.lanes.map((lane) => lane.entries.map((entry) => entry.x));
          return { places, arrivals, lanes };
        }""",
        events,
    )
    places = dict(found["places"])
    for one, place in places.items():
        for other in history.true_past(one) & set(places):
            assert places[other] < place, (other, one)
    assert all(sent < arrived for sent, arrived in found["arrivals"])
    assert all(lane == sorted(lane) for lane in found["lanes"])


@IN_ONE_PAGE
@given(history=histories(with_offsets=True), data=st.data())
def test_in_wall_time_no_arrival_stands_before_its_sending(
    modules: Page, history: History, data: st.DataObject
) -> None:
    """However wrong the clocks of nodes are; and lanes keep their order, and lengths of time when they are moved."""
    lanes = [list(node.events) for node in history.nodes]
    events = []
    while any(lanes):
        events.append(data.draw(st.sampled_from([each for each in lanes if each])).pop(0))
    found = modules.evaluate(
        """(events) => {
          const { trace, layout } = built(events, "wall");
          layout.settle();
          const source = (entry) => layout.source(entry.write).x;
          return {
            arrivals: trace.lanes.flatMap((lane) => lane.entries.filter(({ kind }) => kind === "delivered")
              .map((entry) => [source(entry), entry.x])),
            lanes: trace.lanes.map((lane) => lane.entries.map((entry) => [entry.x, entry.atMs])),
            behind: layout.clocks.behind,
          };
        }""",
        events,
    )
    assert all(sent <= arrived + 1e-3 for sent, arrived in found["arrivals"])
    for lane in found["lanes"]:
        assert [x for x, _ in lane] == sorted(x for x, _ in lane)
        # Offsets are constant here, so moving lanes mends all: lengths of time stay what they are.
        shifts = [x - at_ms for x, at_ms in lane]
        assert max(shifts, default=0) - min(shifts, default=0) < 0.01
    seems_early = any(
        event["at_ms"] < accepted["at_ms"]
        for event in history.events
        if event["kind"] == "delivered"
        for accepted in history.events
        if accepted["kind"] == "accepted" and accepted["dot"] == event["dot"]
    )
    assert bool(found["behind"]) == seems_early


@IN_ONE_PAGE
@given(history=histories(steps_max=40), limit=st.integers(1, 25))
def test_what_is_forgotten_does_not_move_the_rest(modules: Page, history: History, limit: int) -> None:
    """The oldest events go when there are too many; the others keep their columns, and nothing names what is gone."""
    found = modules.evaluate(
        """([events, limit]) => {
          const { trace, layout } = built(events.slice(0, -1));
          layout.settle();
          trace.maxEvents = limit;
          trace.add(events.at(-1));
          layout.settle();
          const kept = trace.lanes.flatMap((lane) => lane.entries);
          return {
            columns: kept.map((entry) => [`${entry.node} ${entry.number}`, entry.column]),
            size: trace.size,
            forgotten: trace.forgotten,
            writes: trace.writes.size,
            named: new Set(kept.map((entry) => entry.write.dot)).size,
            lanes: trace.lanes.map((lane) => [lane.node, lane.entries.map((entry) => entry.number)]),
          };
        }""",
        [history.in_time(), limit],
    )
    columns = history.true_columns()
    assert found["size"] == len(found["columns"]) == min(limit, len(columns))
    assert found["forgotten"] == len(columns) - found["size"]
    assert dict(found["columns"]).items() <= columns.items()
    assert found["writes"] == found["named"]
    told = {node.name: len(node.events) for node in history.nodes}
    for node, numbers in found["lanes"]:
        assert numbers == list(range(told[node] - len(numbers) + 1, told[node] + 1))
