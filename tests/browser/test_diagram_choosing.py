"""A write is chosen: why it is held, its past and future, and clocks side by side."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.held_story import HOLDS, Story, release

if TYPE_CHECKING:
    from tests.browser.diagram_page import DiagramPage

HELD = (
    "node3 held answer (node2~bbbb:1) for 730 ms: it happened after question (node1~aaaa:1), which had not been "
    "applied there yet. When node3 applied question, that let it through in the same moment."
)


def test_a_click_on_a_held_write_says_why_it_is_held_and_afterwards_why_it_was(
    diagram: DiagramPage, story: Story
) -> None:
    """The sentence names who, what and why; it changes by itself when the cause comes."""
    diagram.tell(story.history.in_time())
    diagram.click_mark(story.answer, "node2")
    fates = diagram.details.locator(".cd-fates li")
    expect(fates.nth(2)).to_contain_text(HOLDS)
    diagram.tell(release(story))
    expect(fates.nth(2)).to_contain_text(HELD)


def test_the_bar_of_a_held_write_can_be_clicked(diagram: DiagramPage, story: Story) -> None:
    """It is the largest thing on the lane, so that is where people click."""
    diagram.tell(story.history.in_time())
    place = diagram.place_of(story.answer, "node3")
    diagram.page.mouse.click(place["x"] + 20, place["y"] - 20)
    diagram.settle()
    expect(diagram.live).to_have_text(f"Selected: {HOLDS}")


def test_past_future_and_concurrent_writes_are_listed_and_can_be_chosen(diagram: DiagramPage, story: Story) -> None:
    """What led to the selected write, what followed, and what neither did."""
    diagram.tell(story.history.in_time())
    diagram.click_mark(story.answer, "node2")
    related = diagram.details.locator(".cd-related")
    expect(related.nth(0)).to_contain_text("1 write happened before it")
    expect(related.nth(1)).to_contain_text("0 writes happened after it")
    expect(related.nth(2)).to_contain_text("1 write concurrent with it")
    related.nth(0).get_by_role("button", name="question").click()
    expect(diagram.details.locator("h2")).to_have_text("question")
    expect(related.nth(1)).to_contain_text("1 write happened after it")


def test_lanes_show_what_was_seen_what_knows_and_what_is_neither(diagram: DiagramPage, story: Story) -> None:
    """The colours of past, future and concurrent run along each lane, as the page defines them."""
    diagram.tell([*story.history.in_time(), *release(story)])
    diagram.click_mark(story.answer, "node2")
    question, applied = diagram.place_of(story.question, "node1"), diagram.place_of(story.answer, "node1")
    colours = {name: diagram.colour(name) for name in ("past", "future", "concurrent")}
    assert diagram.has_colour(question["x"] - 22, question["x"] - 14, question["y"], colours["past"])
    middle = (question["x"] + applied["x"]) / 2
    assert diagram.has_colour(middle - 10, middle + 10, question["y"], colours["concurrent"])
    assert diagram.has_colour(applied["x"] + 18, applied["x"] + 30, question["y"], colours["future"])
    assert not diagram.has_colour(applied["x"] + 18, applied["x"] + 30, question["y"], colours["past"])


def test_clocks_stand_side_by_side_with_what_differs_marked(diagram: DiagramPage, story: Story) -> None:
    """The selected write against each node, and against a second write that is pointed at, or chosen to stay."""
    diagram.tell(story.history.in_time())
    diagram.click_mark(story.answer, "node2")
    row = diagram.details.locator(".cd-clocks tbody tr").nth(0)
    expect(row.locator("th")).to_have_text("node1~aaaa")
    expect(row.locator("td")).to_have_text(["1", "·", "1", "1", re.compile("^0.*fewer$")])
    diagram.hover_mark(story.aside, "node3")
    expect(row.locator("td")).to_have_text(["1", re.compile("^0.*fewer$"), "1", "1", re.compile("^0.*fewer$")])
    relation = diagram.details.locator(".cd-relation")
    expect(relation).to_contain_text("are concurrent: neither clock counts the other write")
    diagram.page.mouse.move(5, 5)
    expect(relation).to_contain_text("Point at a second write")
    diagram.click_mark(story.question, "node1", shift=True)
    diagram.page.mouse.move(5, 5)
    expect(relation).to_have_text(
        "answer (node2~bbbb:1) happened after question (node1~aaaa:1): "
        "the clock of answer counts 1 of the writes of node1~aaaa, and question is its number 1."
    )


def test_a_second_write_can_be_chosen_without_a_second_key(diagram: DiagramPage, story: Story) -> None:
    """For fingers: the button, then the one write, then the other."""
    diagram.tell(story.history.in_time())
    diagram.page.get_by_role("button", name="Compare").click()
    expect(diagram.live).to_have_text("Choose a write first; then the second one.")
    diagram.click_mark(story.answer, "node2")
    diagram.click_mark(story.aside, "node3")
    expect(diagram.live).to_contain_text("It is concurrent with the selected write.")
    expect(diagram.page.get_by_role("button", name="Compare")).to_have_attribute("aria-pressed", "false")
    expect(diagram.details.locator("h2")).to_have_text("answer")
    expect(diagram.details.locator(".cd-relation")).to_contain_text("are concurrent")
