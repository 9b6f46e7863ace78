"""The model behind the diagram, run in a real browser: restarts, gaps, and events that make no sense."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.causal_history import History

if TYPE_CHECKING:
    from playwright.sync_api import Page


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
