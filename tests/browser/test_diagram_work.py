"""How much work the diagram does with as many events as it keeps; counted, because time depends on the machine.

``python -m tests.benchmarks.diagram_frames`` measures time.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import pytest

from tests.support.causal_history import History, busy_history

if TYPE_CHECKING:
    from tests.browser.diagram_page import DiagramPage

EVENTS_MAX = 10_000
STREAMED = 600
# A tick for each px and relation at most, and marks need some px each.
MARKS_PER_PX_MAX = 4
# Of different nodes, events come in an order of their own: each may let those of the last moment be placed again.
PLACED_PER_EVENT_MAX = 60
# Frames take a few ms; a machine under load may need many times that.
MEDIAN_FRAME_MS_MAX = 100


@pytest.fixture(scope="module")
def history() -> History:
    """A run of three nodes: some writes come late, and others are held for them."""
    return busy_history(1_800)


@pytest.fixture
def full(diagram: DiagramPage, history: History) -> DiagramPage:
    """The diagram with all the events that it keeps."""
    diagram.tell(history.in_time()[:EVENTS_MAX])
    return diagram


@pytest.mark.parametrize("mode", ["Causal order", "Wall time"])
@pytest.mark.parametrize("sight", ["To the newest", "All"])
def test_moving_the_picture_places_nothing_anew_and_draws_no_more_than_is_seen(
    full: DiagramPage, mode: str, sight: str
) -> None:
    """What a frame costs depends on how wide the picture is, not on how much there is."""
    full.page.get_by_role("button", name=mode).click()
    full.press("PageUp")
    full.page.get_by_role("button", name=sight, exact=True).click()
    full.settle()
    placed = full.stats["placed"]
    box = full.canvas.bounding_box()
    assert box is not None
    times = []
    for step in range(30):
        full.page.evaluate(
            "px => diagram.canvas.dispatchEvent(new WheelEvent('wheel', { deltaX: px }))", -60 + 4 * step
        )
        stats = full.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(stats()))))"
        )
        assert stats["drawn"] <= 3 * box["width"] * MARKS_PER_PX_MAX
        times.append(stats["frameMs"])
    assert full.stats["placed"] == placed
    assert statistics.median(times) < MEDIAN_FRAME_MS_MAX


def test_events_that_stream_in_cost_little_each(full: DiagramPage, history: History) -> None:
    """They come as from three streams, each a little late in its own way; the oldest go meanwhile."""
    coming = history.in_time()[EVENTS_MAX : EVENTS_MAX + STREAMED]
    late_ms = {"node1": 30, "node2": 0, "node3": 90}
    coming = sorted(coming, key=lambda event: event["at_ms"] + late_ms[event["node"]])
    before = full.stats
    full.page.evaluate(
        """async (events) => {
          for (let from = 0; from < events.length; from += 4) {
            for (const event of events.slice(from, from + 4)) feed.say("event", event);
            await new Promise((done) => requestAnimationFrame(done));
          }
        }""",
        coming,
    )
    full.settle()
    after = full.stats
    assert full.page.evaluate("trace.size") == EVENTS_MAX
    assert (after["placed"] - before["placed"]) / STREAMED < PLACED_PER_EVENT_MAX
    # What was settled bit by bit, while old events went, stands where it belongs in the whole run.
    columns = full.page.evaluate(
        """() => {
          const column = (entry) => [`${entry.node} ${entry.number}`, entry.column];
          return trace.lanes.flatMap((lane) => lane.entries.map(column));
        }"""
    )
    assert dict(columns).items() <= history.true_columns().items()
