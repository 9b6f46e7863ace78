"""The diagram moves: in time, in size, between its layouts, and stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.held_story import Story, release
from tests.support.causal_history import History, busy_history

if TYPE_CHECKING:
    from tests.browser.diagram_page import DiagramPage

# --------------------------------------------------------------------------------------------------- moving in time


def test_dragging_scrolls_back_and_end_returns_to_the_newest(diagram: DiagramPage) -> None:
    """Who looks at something old is not carried away by what is new."""
    history = busy_history(60)
    events = history.in_time()
    diagram.tell(events[:-20])
    assert diagram.stats["follows"]
    box = diagram.canvas.bounding_box()
    assert box is not None
    diagram.page.mouse.move(box["x"] + 200, box["y"] + 40)
    diagram.page.mouse.down()
    diagram.page.mouse.move(box["x"] + 500, box["y"] + 40, steps=5)
    diagram.page.mouse.up()
    diagram.settle()
    left = diagram.stats["left"]
    assert not diagram.stats["follows"]
    diagram.tell(events[-20:])
    assert diagram.stats["left"] == left
    diagram.page.get_by_role("button", name="To the newest").click()
    diagram.settle()
    assert diagram.stats["follows"]
    assert diagram.stats["left"] > left


def test_the_wheel_zooms_around_the_pointer(diagram: DiagramPage) -> None:
    """What is under the pointer stays there; with shift it scrolls."""
    diagram.tell(busy_history(60).in_time())
    diagram.press("PageUp")
    box = diagram.canvas.bounding_box()
    assert box is not None
    diagram.page.mouse.move(box["x"] + 300, box["y"] + 40)
    before = diagram.stats
    diagram.page.mouse.wheel(0, -200)
    diagram.page.wait_for_timeout(50)
    after = diagram.stats
    assert after["scale"] > before["scale"]
    assert before["left"] + 300 / before["scale"] == pytest.approx(after["left"] + 300 / after["scale"])
    diagram.page.keyboard.down("Shift")
    diagram.page.mouse.wheel(0, -100)
    diagram.page.keyboard.up("Shift")
    diagram.page.wait_for_timeout(50)
    assert diagram.stats["left"] < after["left"]
    assert diagram.stats["scale"] == after["scale"]


def test_while_paused_the_picture_stands_still_and_says_how_much_waits(diagram: DiagramPage, story: Story) -> None:
    """Nothing is lost: it comes when the picture goes on."""
    diagram.tell(story.history.in_time())
    diagram.press(" ")
    diagram.tell(release(story))
    going_on = diagram.page.get_by_role("button", name="Go on (4 new)")
    expect(going_on).to_have_attribute("aria-pressed", "true")
    assert diagram.page.evaluate("trace.size") == len(story.history.in_time()) - 4
    going_on.click()
    diagram.settle()
    assert diagram.page.evaluate("trace.size") == len(story.history.in_time())
    expect(diagram.page.get_by_role("button", name="Pause")).to_be_visible()


def test_what_waits_while_paused_has_a_limit(diagram: DiagramPage) -> None:
    """Beyond as many events as are kept, the oldest of those that wait are let in."""
    diagram.page.evaluate("trace.maxEvents = 30")
    diagram.press(" ")
    diagram.tell(busy_history(20).in_time())
    assert diagram.stats["waiting"] == 30
    assert diagram.page.evaluate("trace.size") == 30


# ---------------------------------------------------------------------------------------------------------- layouts


def test_wall_time_says_when_clocks_disagree_and_draws_no_arrival_before_its_sending(diagram: DiagramPage) -> None:
    """node2's clock is two seconds slow."""
    history = History(3, (0.0, -2000.0, 0.0))
    dot = history.write(0)
    history.pass_time(10)
    history.arrive(1, dot)
    history.pass_time(10)
    history.arrive(2, dot)
    diagram.tell(history.in_time())
    diagram.page.get_by_role("button", name="Wall time").click()
    diagram.settle()
    words = diagram.page.locator(".cd-plot + .cd-soft")
    expect(words).to_contain_text("Placed by the wall clocks of the nodes, which differ")
    expect(words).to_contain_text("The clock of node2 is at least 1.9 s behind that of node1.")
    expect(words).to_contain_text("what happened at node2 is drawn that much later")
    places = [diagram.place_of(dot, node)["x"] for node in ("node1", "node2", "node3")]
    assert places[0] <= places[1]
    assert places[0] < places[2]


def test_in_causal_order_clocks_do_not_count(diagram: DiagramPage, story: Story) -> None:
    """The same history by clocks that are hours apart gives the same picture."""
    diagram.tell(story.history.in_time())
    there = {node: diagram.place_of(story.answer, node) for node in ("node1", "node2", "node3")}
    skewed = [
        {**event, "at_ms": event["at_ms"] + 3_600_000 * int(event["node"][-1])} for event in story.history.in_time()
    ]
    diagram.open()
    diagram.tell(skewed)
    assert {node: diagram.place_of(story.answer, node) for node in there} == there


def test_a_selected_write_stays_in_sight_when_the_layout_changes(diagram: DiagramPage) -> None:
    """Whoever compares the two layouts need not search for it."""
    diagram.tell(busy_history(300).in_time())
    diagram.page.evaluate("diagram.select('node1~aaaa:20')")
    box = diagram.canvas.bounding_box()
    assert box is not None
    for name in ("Wall time", "Causal order"):
        diagram.page.get_by_role("button", name=name).click()
        diagram.settle()
        assert box["x"] < diagram.place_of("node1~aaaa:20", "node1")["x"] < box["x"] + box["width"]
