"""The diagram by keys and fingers, and for those who do not see it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import CHECK_CONTRAST, CHECK_NAMES
from tests.browser.diagram_page import DiagramPage
from tests.browser.held_story import HOLDS, Story, release
from tests.support.causal_history import busy_history

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.static_files import StaticFiles


# --------------------------------------------------------------------------------------------------------- keyboard


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


# ---------------------------------------------------------------------------------------------------- other devices


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


# ------------------------------------------------------------------------------------------- focus and live regions


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
