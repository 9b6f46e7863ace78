"""The lessons, played in the page at real nodes: the same moments as on the command line, and no fault left behind."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from playwright.sync_api import expect

from client import Client
from client.lessons.catalogue import LESSONS
from client.lessons.moments import Clocks, Held, Note, Shown, Step, Stored, Title, Versions, Why
from client.lessons.stage import Stage
from tests.browser.chromium import WatchedPage
from tests.integration.http.conftest import serving
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from client.lessons.moments import Moment
    from tests.support.cluster import ClusterUnderTest

OVER = re.compile(r"is over\. All faults that it put in force are over\.")
CLOSED_AGAIN_MAX = 3
GOODBYE_SECONDS = 10.0
NO_FAULTS = {"delay": {}, "drop": {}, "duplicate": {}, "cut": False, "wall_offset": 0.0}


@pytest.fixture
def lessons(page: WatchedPage, calm: ClusterUnderTest) -> WatchedPage:
    """The view, with all nodes reached."""
    begin(page, calm)
    return page


def begin(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """Open the view, and wait until all nodes are reached."""
    page.may_fail("/get", "404")  # a node that shows nothing for a key says so
    page.open(cluster["node1"].url, "lessons")
    page.reaches(cluster)


def play(page: WatchedPage, name: str, *, to_the_end: bool = True) -> None:
    """Press the button of a lesson."""
    page.press(f"Play the lesson {name}")
    if to_the_end:
        page.press("Play to the end")
        page.sees(page.page, OVER)


def in_force(cluster: ClusterUnderTest) -> dict[str, object]:
    """The faults at each node that has some."""
    shown = {node.name: node.http.get("/faults").json() for node in cluster}
    return {name: faults for name, faults in shown.items() if {key: faults[key] for key in NO_FAULTS} != NO_FAULTS}


def normal(text: str) -> str:
    """A sentence without what differs from run to run: keys, incarnations, counts."""
    text = re.sub(r"\b(question|answer|color|inside|outside|balance)-[0-9a-f]{6}\b", r"\1-RUN", text)
    text = re.sub(r"(node\d)~\w+", r"\1~ID", text)
    text = re.sub(r"(?<=[:=\[ ])\d+(?=[\],. ;]|$)", "N", text)
    return re.sub(r"\s+", " ", text).strip()


def told(moment: Moment) -> Iterator[str]:
    """What the page must show for a moment of the command line's lesson."""
    match moment:
        case Title(text=text) | Step(text=text) | Why(text=text):
            yield text
        case Clocks(clocks=clocks):
            yield "clocks of " + ", ".join(clocks)
        case _:
            yield from told_of_a_node(moment)


def told_of_a_node(moment: Moment) -> Iterator[str]:
    """The same for what happens at one node."""
    match moment:
        case Note(node=node, text=text):
            yield f"{node} {text}"
        case Stored(node=node, key=key, value=value, vc=vc):
            yield f"{node} stores {key} = {msgspec.json.encode(value).decode()} vc {vc}"
        case Shown(node=node, key=key, vc=None):
            yield f"{node} shows nothing for {key}"
        case Shown(node=node, key=key, value=value, vc=vc):
            yield f"{node} shows {key} = {msgspec.json.encode(value).decode()} vc {vc}"
        case Held(node=node, dot=dot, keys=keys, waits_for=waits_for):
            yield f"{node} holds {dot} (writes {', '.join(keys)}): waits for {waits_for}"
        case Versions(node=node, key=key, versions=versions):
            yield f"{node} has {len(versions)} version{'s'[: len(versions) != 1]} of {key}"
            for version in versions:
                value = msgspec.json.encode(version.value).decode()
                yield f"{value} vc {version.vc} written at {version.node}"


PAGE_MOMENTS = """transcript => {
  const flat = (element) => element.textContent.replaceAll("\\u200b", "");
  return [...transcript.children].flatMap((moment) => {
    const kind = moment.classList;
    if (kind.contains("title")) return [flat(moment.querySelector("h2"))];
    if (kind.contains("step")) return [flat(moment).replace(/^Step \\d+: /, "")];
    if (kind.contains("why")) return [flat(moment).replace(/^Why: /, "")];
    if (kind.contains("scroller")) {
      return ["clocks of " + [...moment.querySelectorAll("tbody th")].map(flat).join(", ")];
    }
    if (moment.querySelector("ol")) {
      const versions = [...moment.querySelectorAll("li")].map((each) => flat(each).replace(/shown$/, ""));
      return [flat(moment.querySelector("p")), ...versions];
    }
    return [flat(moment)];
  });
}"""


@pytest.mark.parametrize("name", list(LESSONS))
def test_a_lesson_shows_and_says_what_the_command_line_does(
    lessons: WatchedPage, calm: ClusterUnderTest, name: str
) -> None:
    """Moment by moment, sentence by sentence, *why* included; afterwards no fault is in force."""
    with (
        Client([node.url for node in calm]) as client,
        Stage(client, least_nodes=3, warn=lambda _text: None) as stage,
        contextlib.closing(LESSONS[name].moments(stage)) as moments,
    ):
        expected = [normal(text) for moment in moments for text in told(moment)]
    play(lessons, name)
    transcript = lessons.page.get_by_role("log", name="What happens in the lesson")
    shown = [normal(text) for text in transcript.evaluate(PAGE_MOMENTS)]
    assert shown == expected
    assert in_force(calm) == {}


def test_the_founding_lesson_is_the_demo(lessons: WatchedPage, calm: ClusterUnderTest) -> None:
    """Three writes, each with the token of the one before, and the same reads on all nodes."""
    before = calm["node1"].status()["vc"]
    play(lessons, "founding")
    after = [count + 1 for count in before]
    for node in calm:
        x, y = node.get("x").json(), node.get("y").json()
        assert (x["value"], x["vc"]) == ("10", [after[0], after[1], before[2]])
        assert (y["value"], y["vc"]) == ("15", after)
        lessons.sees(lessons.page, f'{node.name} shows x = "10" vc {x["vc"]}')
        lessons.sees(lessons.page, f'{node.name} shows y = "15" vc {y["vc"]}')


def test_a_lesson_goes_on_step_by_step(lessons: WatchedPage, calm: ClusterUnderTest) -> None:
    """Each step waits for the reader; the button stays in reach, and only one lesson plays."""
    play(lessons, "held", to_the_end=False)
    transcript = lessons.page.get_by_role("log", name="What happens in the lesson")
    for number in range(1, 5):
        lessons.sees(transcript, re.compile(f"^Step {number}: "))
        assert transcript.get_by_text(f"Step {number + 1}: ").count() == 0
        if number < 4:  # after the last step the lesson ends by itself, at once perhaps
            expect(lessons.page.get_by_role("button", name="Play the lesson conflict")).to_be_disabled()
            lessons.sees(lessons.page, f"Step {number} of held is done.")
            expect(lessons.page.get_by_role("button", name="Next step")).to_be_in_viewport()
            lessons.press("Next step")
    lessons.sees(lessons.page, OVER)
    expect(lessons.page.get_by_role("button", name="Play the lesson conflict")).to_be_enabled()
    expect(lessons.page.get_by_role("button", name="Next step")).to_be_disabled()
    assert in_force(calm) == {}


def test_the_focus_stays_on_the_buttons_of_a_lesson(lessons: WatchedPage, calm: ClusterUnderTest) -> None:
    """They go out of use while they have it; pressed again meanwhile, they do nothing."""
    start = lessons.page.get_by_role("button", name="Play the lesson founding")
    start.focus()
    lessons.page.keyboard.press("Enter")
    expect(start).to_be_disabled()
    expect(start).to_be_focused()
    lessons.sees(lessons.page, "Step 1 of founding is done.")
    next_step = lessons.page.get_by_role("button", name="Next step")
    next_step.focus()
    lessons.page.keyboard.press("Enter")
    lessons.page.keyboard.press("Enter")
    lessons.sees(lessons.page, re.compile("^Step [23] of founding is done"))
    expect(next_step).to_be_focused()
    end = lessons.page.get_by_role("button", name="Play to the end")
    end.focus()
    lessons.page.keyboard.press("Enter")
    lessons.sees(lessons.page, OVER)
    for button in (next_step, end, lessons.page.get_by_role("button", name="Stop")):
        expect(button).to_be_disabled()
    expect(end).to_be_focused()
    expect(start).to_be_enabled()
    assert in_force(calm) == {}


def test_a_lesson_that_is_stopped_ends_its_faults(lessons: WatchedPage, calm: ClusterUnderTest) -> None:
    """In the middle, also while a read waits."""
    play(lessons, "session", to_the_end=False)
    for number in range(1, 4):
        lessons.sees(lessons.page, f"Step {number} of session is done.")
        lessons.press("Next step")
    lessons.sees(lessons.page, re.compile("lets the read wait"))
    assert set(in_force(calm)) == {"node3"}
    lessons.may_fail("/get", "net::ERR_")
    lessons.press("Stop")
    lessons.sees(lessons.page, "The lesson session was stopped. All faults that it put in force are over.")
    assert in_force(calm) == {}


def test_a_lesson_that_cannot_go_on_ends_its_faults(lessons: WatchedPage, calm: ClusterUnderTest) -> None:
    """A node dies in the middle: the page says why, and what it could not end."""
    lessons.may_fail("/", "net::ERR_")
    play(lessons, "conflict", to_the_end=False)
    lessons.sees(lessons.page, "Step 1 of conflict is done.")
    calm["node2"].kill()
    lessons.press("Play to the end")
    lessons.sees(lessons.page, re.compile("The lesson conflict cannot go on: node2: no connection"))
    lessons.sees(lessons.page, re.compile("Faults may still be in force at node2: release them below"))
    assert lessons.page.get_by_text(OVER).count() == 0
    assert calm["node1"].http.get("/faults").json()["delay"] == {}


def test_a_lesson_goes_on_when_the_connection_of_a_read_breaks(lessons: WatchedPage, calm: ClusterUnderTest) -> None:
    """It is asked again; a write, which may have taken effect, is not."""
    reads = lessons.break_the_first("/get")
    play(lessons, "held")
    assert max(reads.count(url) for url in reads) > 1
    writes = lessons.break_the_first("/put")
    play(lessons, "held", to_the_end=False)
    lessons.sees(lessons.page, re.compile("The lesson held cannot go on: node1: no connection"))
    assert writes == [f"{calm['node1'].url}/put"]
    assert in_force(calm) == {}


def test_a_page_that_is_closed_in_a_lesson_ends_its_faults(lessons: WatchedPage, calm: ClusterUnderTest) -> None:
    """Nobody is there any more to press a button."""
    window = lessons.page.context
    for closed_before in range(CLOSED_AGAIN_MAX):
        if closed_before:
            # Chromium ends a page that has not said goodbye in about half a second: little on a machine under load.
            lessons = WatchedPage(window.new_page(), [node.url for node in calm])
            begin(lessons, calm)
        play(lessons, "conflict", to_the_end=False)
        lessons.sees(lessons.page, "Step 1 of conflict is done.")
        assert set(in_force(calm)) == {"node1", "node2"}
        lessons.page.close(run_before_unload=True)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: in_force(calm) == {}, "the faults are over", GOODBYE_SECONDS)
            return
    pytest.fail(f"a page was closed {CLOSED_AGAIN_MAX} times, and its faults stayed")


def test_faults_of_before_are_ended_when_a_lesson_begins(lessons: WatchedPage, calm: ClusterUnderTest) -> None:
    """With a word about it."""
    calm["node2"].http.post("/faults", json={"drop": ["node3"]}).raise_for_status()
    play(lessons, "conflict")
    lessons.sees(lessons.page, re.compile("node2 still had faults in force"))
    assert in_force(calm) == {}


def test_faults_are_put_in_force_and_released_by_hand(lessons: WatchedPage, calm: ClusterUnderTest) -> None:
    """Each at the chosen node, for messages of the chosen one; the list says what is in force everywhere."""
    panel = lessons.panel("Faults by hand")
    lessons.page.get_by_label("At node").select_option("node2")
    lessons.page.get_by_label("messages of").select_option("node3")
    lessons.page.get_by_label("late by, in seconds").fill("12.5")
    lessons.press("Delay")
    lessons.sees(panel, "Messages of node3 come late to node2 from now on.")
    lessons.press("Drop")
    lessons.sees(panel, "node2 loses the messages of node3 from now on.")
    lessons.press("Duplicate")
    lessons.sees(panel, "Messages of node3 come twice to node2 from now on.")
    lessons.press("Cut off from the broker")
    lessons.sees(panel, "node2 is cut off from the broker.")
    faults = calm["node2"].http.get("/faults").json()
    assert (faults["delay"], faults["drop"], faults["duplicate"]) == ({"node3": 12.5}, {"node3": 1}, {"node3": 1})
    assert faults["cut"] is True
    item = panel.get_by_role("listitem").filter(has_text="node2")
    expect(item).to_contain_text("messages of node3 come 13 s late")
    expect(item).to_contain_text("all messages of node3 are dropped")
    expect(item).to_contain_text("it is cut off from the broker")
    lessons.press("Release node2")
    lessons.sees(panel, "No fault is in force.")
    assert in_force(calm) == {}
    # A node does not get its own messages.
    expect(lessons.page.get_by_label("messages of").get_by_role("option")).to_have_text(["node1", "node3"])


def test_without_faults_the_page_says_how_to_turn_them_on(page: WatchedPage, tmp_path: Path) -> None:
    """And plays what needs none; no request that must fail is made to find out."""
    with serving(tmp_path) as node:
        page.allow_host(node.url)
        page.open(node.url, "lessons")
        page.sees(page.page, re.compile("^These nodes allow no faults on purpose"))
        page.sees(page.page, re.compile("CAUSALKV_FAULTS=1"))
        expect(page.page.get_by_role("button", name="Play the lesson held")).to_be_disabled()
        expect(page.page.get_by_role("region", name="Faults by hand")).to_have_count(0)
        page.press("Play the lesson founding")
        page.sees(page.page, re.compile("The lesson founding cannot go on: this lesson needs 3 nodes, and finds node1"))
