"""The diagram as people use it: by mouse, keys and fingers, in a real browser."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import CHECK_CONTRAST, CHECK_NAMES
from tests.browser.diagram_page import DiagramPage
from tests.support.causal_history import History, busy_history

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.static_files import StaticFiles

HOLDS = (
    "node3 holds answer (node2~bbbb:1): it happened after question (node1~aaaa:1), which has not arrived there yet. "
    "Until then node3 shows it to nobody."
)
HELD = (
    "node3 held answer (node2~bbbb:1) for 730 ms: it happened after question (node1~aaaa:1), which had not been "
    "applied there yet. When node3 applied question, that let it through in the same moment."
)


class Story(NamedTuple):
    """A question, its answer, which node3 gets first, and something that node3 writes meanwhile."""

    history: History
    question: str
    answer: str
    aside: str


@pytest.fixture
def story() -> Story:
    """How far it has come: node3 holds the answer."""
    history = History(3)
    question = history.write(0, "question")
    history.pass_time(10)
    history.confirm(question)
    history.arrive(1, question)
    history.pass_time(200)
    answer = history.write(1, "answer")
    history.pass_time(5)
    history.arrive(0, answer)
    history.arrive(2, answer)
    history.pass_time(100)
    aside = history.write(2, "aside")
    return Story(history, question, answer, aside)


def release(story: Story) -> list[dict[str, Any]]:
    """The question reaches node3, 730 ms after the answer; returns what is told of it."""
    before = len(story.history.nodes[2].events)
    story.history.pass_time(630)
    story.history.arrive(2, story.question)
    return story.history.nodes[2].events[before:]


# ------------------------------------------------------------------------------------------------------ choosing


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


# ------------------------------------------------------------------------------------------------------ keyboard


def test_the_keyboard_alone_reads_and_chooses(diagram: DiagramPage, story: Story) -> None:
    """Arrows move along and between lanes and say what they find; Enter chooses, C compares, Escape lets go."""
    diagram.tell(story.history.in_time())
    diagram.press("Home")
    diagram.press("ArrowUp", "ArrowUp", "Home")
    expect(diagram.live).to_contain_text("node1 accepted question (node1~aaaa:1).")
    diagram.press("ArrowRight")
    expect(diagram.live).to_contain_text("answer (node2~bbbb:1) arrived at node1.")
    diagram.press("Enter")
    expect(diagram.details.locator("h2")).to_have_text("answer")
    diagram.press("ArrowDown", "ArrowDown", "End")
    expect(diagram.live).to_contain_text(
        "node3 accepted aside (node3~cccc:1). It is concurrent with the selected write."
    )
    diagram.press("ArrowLeft")
    expect(diagram.live).to_contain_text(
        "node3 began to hold answer (node2~bbbb:1), which waits for question (node1~aaaa:1). It is the selected write."
    )
    diagram.press("End", "c")
    expect(diagram.details.locator(".cd-relation")).to_contain_text("are concurrent")
    diagram.press("Escape")
    expect(diagram.live).to_have_text("The second write is let go.")
    diagram.press("Escape")
    expect(diagram.live).to_have_text("Nothing is selected.")
    expect(diagram.details).to_contain_text("Choose a write")


def test_keys_change_the_size_and_leave_those_of_the_browser_alone(diagram: DiagramPage, story: Story) -> None:
    """Plus, minus and 0; not with Ctrl."""
    diagram.tell(story.history.in_time())
    usual = diagram.stats["scale"]
    diagram.press("+")
    assert diagram.stats["scale"] > usual
    diagram.press("-", "-")
    assert diagram.stats["scale"] < usual
    diagram.press("0")
    assert diagram.stats["scale"] == pytest.approx(46)
    diagram.press("Control+-")
    assert diagram.stats["scale"] == pytest.approx(46)


# ------------------------------------------------------------------------------------------------ moving in time


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


# ------------------------------------------------------------------------------------------------------- layouts


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


# --------------------------------------------------------------------------------------------- filters and table


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


# ------------------------------------------------------------------------------------------- what is not as usual


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


# ------------------------------------------------------------------------------------------------- other devices


def test_fingers_choose_move_and_zoom(browser: Browser, diagram_site: StaticFiles) -> None:
    """A tap near a mark is enough; one finger moves, two zoom; and the picture is sharp on a fine screen."""
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, device_scale_factor=3)
    with DiagramPage(context.new_page(), diagram_site.url) as phone:
        phone.tell(busy_history(40, late_every=0).in_time())
        sizes = phone.page.evaluate("(({ width, clientWidth }) => [width, clientWidth])(diagram.canvas)")
        assert sizes[0] == 3 * sizes[1]
        place = phone.place_of("node1~aaaa:14", "node1")
        phone.page.touchscreen.tap(place["x"] + 15, place["y"] + 9)
        phone.settle()
        expect(phone.details).to_contain_text("Its name is node1~aaaa:14")
        before = phone.stats
        phone.touch([(150, place["y"])], [(250, place["y"])])
        moved = phone.stats
        assert moved["left"] == pytest.approx(before["left"] - 100 / before["scale"])
        assert not moved["follows"]
        phone.touch([(150, place["y"]), (200, place["y"])], [(120, place["y"]), (260, place["y"])])
        assert phone.stats["scale"] == pytest.approx(moved["scale"] * 140 / 50)
        widths = phone.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert widths[0] <= widths[1]
    context.close()


def test_a_change_of_theme_changes_the_picture(diagram: DiagramPage, story: Story) -> None:
    """The page says so by an event; the system may change its preference, too."""
    diagram.tell(story.history.in_time())
    place = diagram.place_of(story.answer, "node1")
    assert diagram.has_colour(place["x"] - 2, place["x"] + 2, place["y"], diagram.colour("ink"))
    diagram.page.evaluate(
        """() => {
          document.documentElement.style.setProperty("--ink", "#ff0000");
          document.dispatchEvent(new Event("themechange"));
        }"""
    )
    diagram.settle()
    assert diagram.has_colour(place["x"] - 2, place["x"] + 2, place["y"], [255, 0, 0])
    diagram.page.evaluate("document.documentElement.style.removeProperty('--ink')")
    diagram.page.emulate_media(color_scheme="dark")
    expect(diagram.page.locator("html")).to_have_attribute("data-theme", "dark")
    diagram.settle()
    assert diagram.colour("ink")[0] > 0xD0
    assert diagram.has_colour(place["x"] - 2, place["x"] + 2, place["y"], diagram.colour("ink"))


def test_without_motion_time_flows_once_a_second(browser: Browser, diagram_site: StaticFiles, story: Story) -> None:
    """Who prefers reduced motion sees a picture that stands still between; the others see it flow."""
    frames, seconds = {}, {}
    for motion in ("reduce", "no-preference"):
        page = browser.new_page(reduced_motion=motion)
        with DiagramPage(page, diagram_site.url) as opened:
            opened.tell(story.history.in_time())
            page.get_by_role("button", name="Wall time").click()
            opened.settle()
            before, began = opened.stats["frames"], time.monotonic()
            page.wait_for_timeout(1500)
            frames[motion] = opened.stats["frames"] - before
            seconds[motion] = time.monotonic() - began
        page.close()
    assert frames["reduce"] <= seconds["reduce"] + 2
    assert frames["no-preference"] > seconds["no-preference"] + 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_around_the_picture_has_names_and_contrast(
    diagram: DiagramPage, story: Story, scheme: Literal["light", "dark"]
) -> None:
    """With a held write, a second one, the table and filters: all that there is to be seen."""
    diagram.page.emulate_media(color_scheme=scheme)
    expect(diagram.page.locator("html")).to_have_attribute("data-theme", scheme)
    diagram.meet("node1", "node2", "node3", "node4", node4="unreachable")
    diagram.tell(story.history.in_time())
    diagram.click_mark(story.answer, "node2")
    diagram.click_mark(story.aside, "node3", shift=True)
    diagram.page.get_by_role("button", name="Table").click()
    diagram.settle()
    # What is around the diagram in the dashboard is not here.
    of_the_page = ("heading", "not one ")
    assert [wrong for wrong in diagram.page.evaluate(CHECK_NAMES) if not wrong.startswith(of_the_page)] == []
    assert diagram.page.evaluate(CHECK_CONTRAST) == []


def test_the_picture_says_what_it_is_to_those_who_do_not_see_it(diagram: DiagramPage) -> None:
    """A name, a role, how to use it, and a place where changes are spoken."""
    expect(diagram.canvas).to_have_attribute("role", "application")
    expect(diagram.canvas).to_have_attribute("aria-label", "What happened to each write at each node")
    described = diagram.page.locator(f"#{diagram.canvas.get_attribute('aria-describedby')}")
    expect(described).to_contain_text("Arrow keys move from event to event")
    expect(diagram.live).to_have_attribute("aria-live", "polite")
    expect(diagram.details).to_contain_text("Nothing has happened yet.")


# --------------------------------------------------------------------------------------------------- held writes


@pytest.fixture
def two_causes() -> tuple[History, str, str, str]:
    """node3 holds what happened after two writes; the first of them, which it named, has come."""
    history = History(4)
    first, second = history.write(0, "first"), history.write(1, "second")
    for dot in (first, second):
        history.arrive(3, dot)
    effect = history.write(3, "effect")
    history.pass_time(10)
    history.arrive(2, effect)
    history.pass_time(10)
    history.arrive(2, first)
    held = [event for event in history.nodes[2].events if event["kind"] == "held"]
    assert [event["waits_for"] for event in held] == [first]
    return history, first, second, effect


def test_a_bar_names_what_is_missing_now(diagram: DiagramPage, two_causes: tuple[History, str, str, str]) -> None:
    """A node says once what a write waits for: when that comes, the next that is missing counts."""
    history, first, second, effect = two_causes
    diagram.tell(history.in_time())
    waits = [text for text in diagram.drawn_texts() if text.startswith("waits for")]
    assert [text.split(" · ")[0] for text in waits] == ["waits for second"]
    diagram.page.evaluate("dot => diagram.select(dot)", effect)
    diagram.settle()
    assert "?" in diagram.drawn_texts()  # what is missing has not arrived
    expect(diagram.details.locator(".cd-fates li").nth(2)).to_contain_text("it happened after second (node2~bbbb:1)")
    # When what is missing is selected, the bar that waits for it is not faint.
    diagram.page.evaluate(
        "diagram.ctx.clip = () => { window.alpha = diagram.ctx.globalAlpha; }"  # bars alone are clipped
    )
    for dot, alpha in ((first, 0.45), (second, 1)):
        diagram.page.evaluate("dot => diagram.select(dot)", dot)
        diagram.settle()
        assert diagram.page.evaluate("window.alpha") == pytest.approx(alpha)


def test_a_cause_that_is_held_names_what_it_waits_for_now(
    diagram: DiagramPage, two_causes: tuple[History, str, str, str]
) -> None:
    """Also where one wait leads to another."""
    history, _first, _second, effect = two_causes
    last = history.write(3, "last")
    history.arrive(2, last)
    # Of all that is missing a node names one.
    named = {("held", last): effect}
    events = [
        {**event, "waits_for": named.get((event["kind"], event["dot"]), event.get("waits_for"))}
        for event in history.in_time()
    ]
    diagram.tell(events)
    diagram.page.evaluate("dot => diagram.select(dot)", last)
    fate = diagram.details.locator(".cd-fates li").nth(2)
    expect(fate).to_contain_text("has arrived there but is held, too: it waits for second (node2~bbbb:1)")


def test_a_bar_of_which_the_end_is_not_known_is_short_and_says_so(diagram: DiagramPage, story: Story) -> None:
    """Its clock counts the write; when it applied it, is not among the events. Nothing is drawn anew for that."""
    diagram.tell(story.history.in_time())
    place = diagram.place_of(story.answer, "node3")
    status = {"clock": {"node1~aaaa": 1, "node2~bbbb": 1, "node3~cccc": 1}}
    diagram.page.evaluate(
        "status => feed.say('nodes', feed.nodes = [{ id: 'node3', state: 'connected', status }])", status
    )
    diagram.settle()
    texts = diagram.drawn_texts()
    assert "held; its end is not among the events" in texts
    assert not [text for text in texts if text.startswith("waits for")]
    diagram.settle()
    frames = diagram.stats["frames"]
    diagram.page.wait_for_timeout(1500)
    assert diagram.stats["frames"] == frames
    diagram.page.mouse.click(place["x"] + 10, place["y"] - 20)
    diagram.settle()
    expect(diagram.live).to_contain_text("Selected: node3 held answer")
    diagram.press("Escape")
    diagram.page.mouse.click(place["x"] + 60, place["y"] - 20)
    diagram.settle()
    expect(diagram.live).to_have_text("Nothing is selected.")


def test_labels_of_short_bars_do_not_cover_each_other(diagram: DiagramPage) -> None:
    """A snapshot may end many waits at once."""
    history = History(2)
    first, *others = [history.write(0) for _ in range(12)]
    for dot in others:
        history.arrive(1, dot)
    diagram.tell(history.in_time())
    status = {"clock": {"node1~aaaa": 12}}
    diagram.page.evaluate(
        "status => feed.say('nodes', feed.nodes = [{ id: 'node2', state: 'connected', status }])", status
    )
    diagram.settle()
    labels = diagram.drawn_texts().count("held; its end is not among the events")
    assert 1 <= labels <= len(others) / 2
    assert first not in diagram.page.evaluate("trace.lane('node2').holds.map(({ start }) => start.write.dot)")


def test_a_picture_that_stands_still_learns_no_clock(diagram: DiagramPage, story: Story) -> None:
    """What a node has applied meanwhile waits, as its events do."""
    diagram.tell(story.history.in_time())
    diagram.press(" ")
    status = {"clock": {"node1~aaaa": 1, "node2~bbbb": 1, "node3~cccc": 1}}
    say = "status => feed.say('nodes', feed.nodes = [{ id: 'node3', state: 'connected', status }])"
    diagram.page.evaluate(say, status)
    assert [text for text in diagram.drawn_texts() if text.startswith("waits for question")]
    diagram.press(" ")
    diagram.page.evaluate(say, status)
    assert "held; its end is not among the events" in diagram.drawn_texts()


def test_a_wait_is_as_long_as_the_clock_of_its_node_says(diagram: DiagramPage) -> None:
    """node3's clock is a minute slow: what it began to hold two seconds ago it holds for two seconds."""
    history = History(3, (0.0, 0.0, -60_000.0))
    question = history.write(0, "question")
    history.arrive(1, question)
    answer = history.write(1, "answer")
    history.arrive(2, answer)
    history.pass_time(2000)
    for node in history.nodes:
        hello = {"node": node.name, "wall_ms": history.events[0]["at_ms"] + 2000 + node.clock_offset_ms}
        diagram.page.evaluate("hello => feed.say('hello', hello)", hello)
    diagram.tell(history.in_time())
    diagram.press(" ")
    [label] = [text for text in diagram.drawn_texts() if text.startswith("waits for question")]
    assert re.fullmatch(r"waits for question · \d{1,2}\.\d s", label), label


# ------------------------------------------------------------------------------------------ focus and live regions


def test_a_write_that_is_chosen_in_the_panel_is_said_and_takes_the_focus_along(
    diagram: DiagramPage, story: Story
) -> None:
    """The button that was pressed is gone with the panel that it stood in."""
    diagram.tell(story.history.in_time())
    diagram.click_mark(story.answer, "node2")
    chip = diagram.details.get_by_role("button", name="question")
    chip.focus()
    diagram.page.keyboard.press("Enter")
    diagram.settle()
    expect(diagram.live).to_contain_text("Selected: node1 accepted question (node1~aaaa:1)")
    heading = diagram.details.get_by_role("heading", name="question")
    expect(heading).to_be_focused()
    # It stays where it is when the panel changes by itself.
    diagram.canvas.focus()
    diagram.tell(release(story))
    expect(diagram.canvas).to_be_focused()


def test_a_write_that_is_chosen_in_the_table_is_said_and_the_focus_stays(diagram: DiagramPage, story: Story) -> None:
    """Of the node of the event that was chosen."""
    diagram.tell(story.history.in_time())
    diagram.page.get_by_role("button", name="Table").click()
    row = diagram.page.locator(".cd-table tbody tr").filter(has_text="held, waits for")
    button = row.get_by_role("button")
    button.focus()
    diagram.page.keyboard.press("Enter")
    diagram.settle()
    expect(diagram.live).to_have_text(f"Selected: {HOLDS}")
    expect(button).to_be_focused()
    diagram.tell(release(story))
    expect(button).to_be_focused()


def test_the_table_speaks_when_a_page_was_turned_and_not_by_itself(diagram: DiagramPage) -> None:
    """Events come many times a second. The button that leads no further keeps the focus."""
    history = busy_history(13, late_every=0)
    events = history.in_time()
    diagram.tell(events[:60])
    diagram.page.get_by_role("button", name="Table").click()
    pages = diagram.page.locator(".cd-pages")
    expect(pages).to_contain_text("Events 1 to 50 of 60.")
    diagram.tell(events[60:70])
    expect(pages).to_contain_text("Events 1 to 50 of 70.")
    spoken = pages.get_by_role("status")
    expect(spoken).to_have_count(1)
    expect(spoken).to_have_text("")
    older = pages.get_by_role("button", name="Older")
    older.focus()
    diagram.page.keyboard.press("Enter")
    expect(spoken).to_have_text("Events 51 to 70 of 70.")
    expect(older).to_be_disabled()
    expect(older).to_be_focused()
    diagram.page.keyboard.press("Enter")
    diagram.tell(events[70:75])
    expect(pages).to_contain_text("Events 51 to 75 of 75.")
    expect(spoken).to_have_text("Events 51 to 70 of 70.")


def test_the_way_to_the_newest_keeps_the_focus(diagram: DiagramPage) -> None:
    """It is out of use when it is pressed; the focus must not fall out of the page."""
    diagram.tell(busy_history(60).in_time())
    diagram.press("PageUp")
    newest = diagram.page.get_by_role("button", name="To the newest")
    expect(newest).to_be_enabled()
    newest.focus()
    diagram.page.keyboard.press("Enter")
    diagram.settle()
    expect(newest).to_be_disabled()
    expect(newest).to_be_focused()
