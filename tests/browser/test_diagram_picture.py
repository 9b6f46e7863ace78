"""What the diagram shows: filters, its table, hostile keys, and events that are not as usual."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.held_story import HOLDS, Story, release
from tests.support.causal_history import History, busy_history

if TYPE_CHECKING:
    from tests.browser.diagram_page import DiagramPage

# ------------------------------------------------------------------------------------------------ filters and table


def test_filters_leave_out_keys_and_lanes_and_say_so(diagram: DiagramPage, story: Story) -> None:
    """The columns close up; what is before and after stays what it is."""
    diagram.tell([*story.history.in_time(), *release(story)])
    diagram.page.get_by_label("Only writes with a key that contains").fill("answer")
    diagram.page.get_by_label("node1", exact=True).uncheck()
    diagram.settle()
    words = diagram.page.locator(".cd-plot + .cd-soft")
    expect(words).to_contain_text("1 of 3 writes: those with a key that contains “answer”.")
    expect(words).to_contain_text("Left out: the lane of node1; before and after are told from all.")
    expect(diagram.page.locator(".cd-label")).to_have_count(2)
    diagram.click_mark(story.answer, "node2")
    expect(diagram.details.locator(".cd-related").nth(0)).to_contain_text("1 write happened before it")
    diagram.page.get_by_label("Only writes with a key that contains").fill("no such key")
    diagram.press("Escape")
    expect(words).to_contain_text("0 of 3 writes")
    diagram.page.get_by_role("button", name="Table").click()
    expect(diagram.page.locator(".cd-table")).to_contain_text("No events.")


def test_the_table_shows_the_same_events_page_by_page_and_chooses_too(diagram: DiagramPage) -> None:
    """For those who do not see the picture."""
    history = busy_history(30)
    diagram.tell(history.in_time())
    diagram.page.get_by_role("button", name="Table").click()
    table = diagram.page.locator(".cd-table")
    expect(table.locator(".cd-pages")).to_contain_text(f"Events 1 to 50 of {len(history.events)}.")
    expect(table.locator("tbody tr")).to_have_count(50)
    table.get_by_role("button", name="Older").click()
    expect(table.get_by_role("status")).to_have_text(f"Events 51 to 100 of {len(history.events)}.")
    first = table.locator("tbody tr").nth(0).get_by_role("button")
    dot = first.text_content()
    first.focus()
    diagram.page.keyboard.press("Enter")
    expect(diagram.details).to_contain_text(f"Its name is {dot}")
    expect(table.locator("tr.cd-chosen").first).to_contain_text("It is the selected write.")


# --------------------------------------------------------------------------------------------- what is not as usual


HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "k" * 1024,
    "\U0001f980" * 256,
    "a\u0000b\u0007c\nd\u2028e",
    "invoice\u202egpj.exe",
    "zero\u200bwidth",
    "__proto__",
    "$& $1 \\1 %s {0}",
]


def test_hostile_keys_are_shown_as_text_and_cannot_break_the_picture(diagram: DiagramPage) -> None:
    """Keys may be anything: markup, a KiB, controls, marks that turn the text around."""
    history = History(3)
    dots = [history.write(0, key) for key in HOSTILE]
    for dot in dots:
        history.arrive(1, dot)
    history.arrive(2, dots[1])
    diagram.tell(history.in_time())
    diagram.page.get_by_role("button", name="Table").click()
    for dot in dots:
        diagram.page.evaluate("dot => diagram.select(dot)", dot)
        diagram.settle()
        shown = diagram.page.locator(".causal-diagram").inner_text()
        assert not re.search("[\u0000-\u0008\u000e-\u001f\u200b\u2028\u202e]", shown)
    diagram.hover_mark(dots[2], "node1")
    assert diagram.page.evaluate("window.hacked") is None
    assert diagram.page.locator(".causal-diagram script, .causal-diagram img").count() == 0
    widths = diagram.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1]
    diagram.page.evaluate("dot => diagram.select(dot)", dots[1])
    expect(diagram.details).to_contain_text("node3 holds <img src=x onerror='window.hacked = 1'>")


def test_malformed_events_are_left_out_and_said(diagram: DiagramPage, story: Story) -> None:
    """The rest goes on."""
    good = story.history.in_time()
    diagram.tell([{"kind": "accepted"}, {**good[0], "clock": {"x": 1}}, *good, {**good[1], "number": -1}])
    expect(diagram.page.locator(".cd-plot + .cd-soft")).to_contain_text("3 events made no sense and are left out.")
    diagram.click_mark(story.answer, "node2")
    expect(diagram.details).to_contain_text(HOLDS)


def test_gaps_and_restarts_are_said(diagram: DiagramPage) -> None:
    """Numbers that are left out are events that are missing; a feed that tells of a restart is believed."""
    history = History(2)
    for _ in range(6):
        history.write(0)
    events = history.nodes[0].events
    diagram.tell([events[0], events[1], events[4]])
    words = diagram.page.locator(".cd-plot + .cd-soft")
    expect(words).to_contain_text("2 events of node1 are missing.")
    diagram.gap("node1", None)
    diagram.tell([{**events[5], "number": 1}])
    expect(words).to_contain_text("node1 was started anew.")


def test_an_unreachable_node_keeps_its_lane_with_what_others_say(diagram: DiagramPage, story: Story) -> None:
    """Its writes are inferred, its arrivals are not known, and the page says that it is not reached."""
    diagram.meet("node1", "node2", "node3", "embedded", node2="unreachable", embedded="unknown")
    diagram.tell([event for event in story.history.in_time() if event["node"] != "node2"])
    labels = diagram.page.locator(".cd-label")
    expect(labels).to_have_count(4)
    expect(labels.nth(0)).to_contain_text("embedded")
    expect(labels.nth(0)).to_contain_text("unknown")
    expect(labels.nth(2)).to_contain_text("unreachable")
    diagram.click_mark(story.answer, "node2")
    fates = diagram.details.locator(".cd-fates li")
    expect(fates.nth(0)).to_contain_text("No events come from embedded, so it is not known here whether")
    expect(fates.nth(2)).to_contain_text("node2 accepted answer (node2~bbbb:1): its name says so.")
    expect(fates.nth(3)).to_contain_text(HOLDS)


def test_confirmations_without_clock_and_keys_do_no_harm(diagram: DiagramPage) -> None:
    """A node may know no more than the name of what was confirmed."""
    diagram.tell([{"node": "node1", "number": 5, "kind": "confirmed", "at_ms": 1.0, "dot": "node1~aaaa:9"}])
    diagram.press("Home", "Enter")
    expect(diagram.details.locator("h2")).to_have_text("keys not known")
    expect(diagram.details).to_contain_text("Its clock is not known")


def test_a_selected_write_that_is_forgotten_is_let_go(diagram: DiagramPage) -> None:
    """Only so many events are kept; nothing is told of a write of which none is left."""
    diagram.page.evaluate("trace.maxEvents = 40")
    events = busy_history(60).in_time()
    diagram.tell(events[:40])
    diagram.page.evaluate("dot => diagram.select(dot)", events[0]["dot"])
    expect(diagram.details.locator("h2")).to_be_visible()
    diagram.tell(events[40:])
    expect(diagram.details).to_contain_text("Choose a write")
    expect(diagram.page.locator(".cd-plot + .cd-soft")).to_contain_text("events are not kept")


def test_a_wait_is_as_long_as_the_nodes_say_that_it_is_late(diagram: DiagramPage, story: Story) -> None:
    """A page that is opened an hour after the last event learns the nodes' time from the beginning of a stream."""
    events = story.history.in_time()
    diagram.tell(events)
    hello = {"node": "node1", "wall_ms": events[-1]["at_ms"] + 3_600_000}
    diagram.page.evaluate("hello => { for (const wrong of [null, {}, hello]) feed.say('hello', wrong); }", hello)
    diagram.page.get_by_role("button", name="Wall time").click()
    diagram.page.get_by_role("button", name="Pause").click()
    assert diagram.page.evaluate("diagram.nowMs") >= hello["wall_ms"]
    assert diagram.page.evaluate("diagram.nowMs") == diagram.page.evaluate("diagram.nowMs")
