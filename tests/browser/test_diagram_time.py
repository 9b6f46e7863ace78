"""The axis of the diagram, and the time that each node has of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page


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
