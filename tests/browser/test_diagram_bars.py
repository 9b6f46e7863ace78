"""Bars of held writes: what they name, how long they are, and where they end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.causal_history import History

if TYPE_CHECKING:
    from tests.browser.diagram_page import DiagramPage
    from tests.browser.held_story import Story


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
