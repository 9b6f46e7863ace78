"""The model behind the diagram, run in a real browser, against what is true of generated histories."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
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


def test_a_restarted_node_goes_on_in_its_lane(modules: Page) -> None:
    """A new run counts from 1 again: events name their run, or the feed tells of the restart."""
    history = History(2)
    first = [history.write(0, "a"), history.write(0, "b")]
    history.pass_time(1000)
    old = list(history.nodes[0].events)
    history.nodes[0].events.clear()
    second = history.write(0, "c")
    new = list(history.nodes[0].events)
    told = """async ([events, later, isTold]) => {
      const { missingBefore } = await import("./dashboard/lane.js");
      const { trace } = built(events);
      if (isTold) trace.gap({ node: "node1", dropped: null });
      later.forEach((event) => trace.add(event));
      const [lane] = trace.lanes;
      const dots = lane.entries.map((entry) => entry.write.dot);
      return { dots, doubled: trace.doubled, gap: missingBefore(lane.last) };
    }"""
    named = [{**event, "run": run} for events, run in ((old, "k3f9x2"), (new, "p01abc")) for event in events]
    for question, doubled in (([old, new, True], 0), ([named, named, False], 3)):
        found = modules.evaluate(told, question)
        assert found["dots"] == [*first, second]
        assert found["doubled"] == doubled
        assert found["gap"] == {"events": 0, "restart": True}


def test_missing_numbers_are_seen_and_filled_when_they_come(modules: Page) -> None:
    """A hole in the numbers is a gap of that size; late events close it."""
    history = History(2)
    for _ in range(5):
        history.write(0)
    events = history.nodes[0].events
    found = modules.evaluate(
        """async ([some, rest]) => {
          const { missingBefore } = await import("./dashboard/lane.js");
          const { trace } = built(some);
          const gaps = () => trace.lanes[0].entries.map((entry) => missingBefore(entry).events);
          const before = gaps();
          rest.forEach((event) => trace.add(event));
          return [before, gaps()];
        }""",
        [[events[1], events[4]], [events[3], events[0], events[2]]],
    )
    assert found == [[1, 2], [0, 0, 0, 0, 0]]


MALFORMED: list[Any] = [
    None,
    7,
    "event",
    [],
    {},
    {"kind": "exploded"},
    {"number": 0},
    {"number": "1"},
    {"number": 1.5},
    {"number": 1e300},
    {"at_ms": None},
    {"at_ms": "now"},
    {"at_ms": 1e20},  # no date
    {"at_ms": -8.7e15},
    {"node": ""},
    {"node": "<b>"},
    {"node": "a" * 65},
    {"node": None},
    {"node": "node2"},  # accepted by a node that is not the one of its name
    {"dot": "x"},
    {"dot": "node1~aaaa:0"},
    {"dot": "node1~aaaa:1e9"},
    {"dot": "node1~aaaa:99999999999999999999"},
    {"dot": {"replica": "node1~aaaa"}},
    {"clock": {"node1~aaaa": 0}},  # does not count the write itself
    {"clock": {"node1~aaaa": -1}},
    {"clock": {"node1~aaaa": "1"}},
    {"clock": {"<script>": 1, "node1~aaaa": 1}},
    {"clock": [1, 0, 0]},
    {"clock": {"__proto__": 3}},
    {"kind": "held", "waits_for": 7},
    {"kind": "held", "waits_for": "node1"},
]


def test_an_event_that_makes_no_sense_is_counted_and_left_out(modules: Page) -> None:
    """Nothing of it stays, and the next one is taken."""
    history = History(2)
    history.write(0)
    good = history.events[0]
    for wrong in MALFORMED:
        event = {**good, **wrong} if isinstance(wrong, dict) and wrong else wrong
        found = modules.evaluate(
            """([text, good]) => {
              const { trace } = built([JSON.parse(text)]);
              return [taken[0], trace.malformed, trace.size, trace.lanes.length, trace.add(good), trace.size];
            }""",
            [json.dumps(event), good],
        )
        assert found == [False, 1, 0, 0, True, 1], wrong


def test_events_that_contradict_each_other_end_in_some_picture(modules: Page) -> None:
    """Two nodes that each say to have written after the other cannot be drawn truly; they are drawn all the same."""
    a, b = "node1~aaaa", "node2~bbbb"
    one = {"dot": f"{a}:1", "clock": {a: 1, b: 1}, "keys": ["x"], "at_ms": 1.0}
    other = {"dot": f"{b}:1", "clock": {a: 1, b: 1}, "keys": ["y"], "at_ms": 1.0}
    events = [
        {**other, "node": "node1", "number": 1, "kind": "delivered"},
        {**other, "node": "node1", "number": 2, "kind": "applied"},
        {**one, "node": "node1", "number": 3, "kind": "accepted"},
        {**one, "node": "node2", "number": 1, "kind": "delivered"},
        {**one, "node": "node2", "number": 2, "kind": "applied"},
        {**other, "node": "node2", "number": 3, "kind": "accepted"},
    ]
    for mode in ("causal", "wall"):
        places = modules.evaluate(
            """([events, mode]) => {
              const { trace, layout } = built(events, mode);
              layout.settle();
              return trace.lanes.flatMap((lane) => lane.entries.map((entry) => entry.x));
            }""",
            [events, mode],
        )
        assert len(places) == 6
        assert all(isinstance(place, int | float) and abs(place) < 1e9 for place in places)


def test_a_node_of_which_only_others_speak_has_a_lane(modules: Page) -> None:
    """It wrote without being heard: its writes are there, by what its peers say."""
    history = History(3)
    dot = history.write(2, "from afar")
    history.arrive(0, dot)
    found = modules.evaluate(
        """(events) => {
          const { trace, layout } = built(events);
          layout.settle();
          return trace.lanes.map((lane) => [lane.node, lane.isHeard, lane.inferred.map(({ write }) => write.dot)]);
        }""",
        history.nodes[0].events,
    )
    assert found == [["node1", True, []], ["node3", False, [dot]]]


def test_incarnations_of_a_node_share_its_lane(modules: Page) -> None:
    """A node that lost its disk writes under another name; its lane is the same."""
    common = {"node": "node1", "number": 1, "kind": "accepted"}
    old, new = "node1~old1", "node1~new2"
    events = [
        {**common, "run": "k3f9x2", "at_ms": 1.0, "dot": f"{old}:1", "clock": {old: 1}},
        {**common, "run": "p01abc", "at_ms": 9.0, "dot": f"{new}:1", "clock": {new: 1}},
    ]
    found = modules.evaluate(
        """([events, one, other]) => {
          const { trace } = built(events);
          return [trace.lanes.map((lane) => [lane.node, lane.entries.length]), trace.relation(one, other)];
        }""",
        [events, f"{old}:1", f"{new}:1"],
    )
    assert found == [[["node1", 2]], "concurrent"]


def test_a_confirmation_whose_write_is_not_known_says_so(modules: Page) -> None:
    """It may come without clock and keys; then how it stands to others is not known, unless their clocks count it."""
    history = History(2)
    dot = history.write(0)
    other = history.write(1)
    history.arrive(1, dot)
    third = history.write(1)
    confirmed = {"node": "node1", "number": 9, "kind": "confirmed", "at_ms": 5.0, "dot": dot}
    events = [confirmed, *[event for event in history.nodes[1].events if event["dot"] != dot]]
    relations = modules.evaluate(
        "([events, pairs]) => { const { trace } = built(events); return pairs.map(([a, b]) => trace.relation(a, b)); }",
        [events, [[dot, other], [dot, third], [third, dot], [dot, dot]]],
    )
    assert relations == ["unknown", "before", "after", "same"]


def test_a_wait_of_which_the_end_is_not_known_counts_as_ended_where_it_began(modules: Page) -> None:
    """A snapshot brought the write, or its end was lost: the node's clock counts it, though no event says so."""
    history = History(2)
    for dot in [history.write(0) for _ in range(3)][1:]:
        history.arrive(1, dot)
        history.pass_time(10)
    found = modules.evaluate(
        """async (events) => {
          const { barEnd, isOpen } = await import("./dashboard/holds.js");
          const { trace, layout } = built(events);
          const lane = trace.lane("node2");
          const scene = { view: { px: (place) => 10 * place }, nowPlace: 1000 };
          const about = () => {
            layout.settle();
            const px = (hold) => barEnd(scene, lane, hold) - 10 * hold.start.x;
            return lane.holds.map((hold) => [isOpen(lane, hold), hold.level, px(hold) < 60]);
          };
          const before = about();
          trace.learnClock("node2", { "node1~aaaa": 2 });
          return [before, about()];
        }""",
        history.in_time(),
    )
    assert found == [[[True, 0, False], [True, 1, False]], [[False, 0, True], [True, 0, False]]]


@pytest.mark.parametrize(("base_ms", "scale"), [(8.64e15, 50), (8.64e15, 2000), (1e20, 50), (1.7e12, 0.1), (0, 1e9)])
def test_the_axis_ends_whatever_time_it_is(modules: Page, base_ms: float, scale: float) -> None:
    """A step is nothing beside a very large number."""
    labels = modules.evaluate(
        """async ([baseMs, scale]) => {
          const { paintAxis } = await import("./dashboard/axis.js");
          const { View } = await import("./dashboard/view.js");
          const view = Object.assign(new View("wall"), { width: 1000, scale });
          let lines = 0;
          const fillRect = () => {
            lines += 1;
            if (lines > 1000) throw new Error("the axis does not end");
          };
          const palette = { font: "serif" };
          paintAxis({ fillRect, fillText() {} }, { palette, view, layout: { mode: "wall", baseMs }, height: 100 });
          return lines;
        }""",
        [base_ms, scale],
    )
    assert labels <= 11


TIME = """async ([steps, asked]) => {
  const { NodeTime } = await import("./dashboard/node_time.js");
  const time = new NodeTime();
  for (const [what, ...given] of steps) time[what](...given);
  return asked.map((each) => time.at(...each));
}"""


def test_each_node_has_a_time_of_its_own(modules: Page) -> None:
    """Now is the latest of all; who was not heard of has that, too."""
    steps = [["greet", "node1", 5000, 0], ["hear", "node2", 1000, 10], ["hear", "node2", 900, 20]]
    asked = [[100], [100, "node1"], [100, "node2"], [100, "node3"]]
    assert modules.evaluate(TIME, [steps, asked]) == [5100, 5100, 1090, 5100]


def test_a_clock_that_is_set_back_is_believed(modules: Page) -> None:
    """At the next greeting, or by an event that is no part of what a stream begins with."""
    ahead = [["greet", "node1", 3_600_000, 0], ["hear", "node1", 3_601_000, 1000]]
    assert modules.evaluate(TIME, [[*ahead, ["greet", "node1", 2000, 2000]], [[3000], [3000, "node1"]]]) == [3000, 3000]
    assert modules.evaluate(TIME, [[*ahead, ["hear", "node1", 2000, 9000]], [[9000]]]) == [3_609_000]
    assert modules.evaluate(TIME, [[*ahead, ["hear", "node1", 12_000, 12_000]], [[13_000]]]) == [13_000]


def test_while_time_stands_still_nothing_that_is_heard_counts(modules: Page) -> None:
    """Afterwards it goes on as if it had not stood."""
    stopped = [["greet", "node1", 1000, 0], ["stop", True, 500]]
    heard = [["hear", "node1", 9000, 600], ["greet", "node1", 8000, 700], ["hear", "node2", 7000, 800]]
    asked = [[900], [900, "node1"], [900, "node2"]]
    assert modules.evaluate(TIME, [[*stopped, *heard], asked]) == [1500, 1500, 1500]
    assert modules.evaluate(TIME, [[*stopped, *heard, ["stop", False, 900]], [[1000]]]) == [2000]


def test_what_is_no_time_is_not_heard(modules: Page) -> None:
    """Whoever says it."""
    no_times: list[Any] = [None, "9000", "now", 1e300, 8.7e15, {}, [9000]]
    for wrong in no_times:
        steps = [["greet", "node1", 1000, 0], ["greet", "node1", wrong, 0], ["hear", "node1", wrong, 50_000]]
        assert modules.evaluate(TIME, [steps, [[500]]]) == [1500], wrong
    assert modules.evaluate(TIME, [[["greet", "node1", 1000, 0], ["greet", None, 9000, 0]], [[500]]]) == [1500]


def test_a_filter_by_key_says_that_large_batches_are_looked_at_in_part(modules: Page) -> None:
    """Events carry the first keys of a batch only: one that is left out may hold the key after all."""
    history = History(1)
    history.write(0, "x")
    history.write(0, "y")
    events = history.in_time()
    partly = "Of writes with many keys only the first are looked at."
    words = """async ([events, key]) => {
      const { Filters } = await import("./dashboard/filters.js");
      return Object.assign(new Filters(), { key }).words(built(events).trace).join(" ");
    }"""
    large = [events[0], {**events[1], "keys_left_out": 900}]
    assert partly not in modules.evaluate(words, [events, "x"])
    assert modules.evaluate(words, [large, "x"]).endswith(partly)
    assert modules.evaluate(words, [large, ""]) == ""
