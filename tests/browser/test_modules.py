"""The parts of the page that know nothing of a screen: texts, clocks, answers; and how the screen is changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from node.core.shown_clock import natural_order
from tests.browser.chromium import WatchedPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.support.cluster import ClusterUnderTest

Call = "Callable[..., Any]"


@pytest.fixture(scope="module")
def page(browser: Browser, cluster: ClusterUnderTest) -> Iterator[WatchedPage]:
    """One open page for all of them, which leave it as it is; whatever goes wrong in it fails the last one."""
    with browser.new_context() as context:
        watched = WatchedPage(context.new_page(), [node.url for node in cluster])
        watched.open(cluster["node1"].url, "cluster")
        yield watched
        assert watched.wrong == []


@pytest.fixture
def call(page: WatchedPage) -> Callable[..., Any]:
    """Call a function of a module of the page."""

    def called(module: str, function: str, *arguments: Any) -> Any:
        return page.evaluate(
            f"async (given) => (await import('/dashboard/{module}.js')).{function}(...given)", list(arguments)
        )

    return called


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcödé 日本 عربى", "plain text, ünïcödé 日本 عربى"),
        ("a\nb\tc\x00\x1b\x7f\x9f", r"a\u000ab\u0009c\u0000\u001b\u007f\u009f"),
        ("\u202eabc\u2066\u200f", r"\u202eabc\u2066\u200f"),
        ("a\u200bb\ufeffc\u00ad\u2028", r"a\u200bb\ufeffc\u00ad\u2028"),
        ("\U000e0041\ue000", r"\udb40\udc41\ue000"),
        ("a\u00a0b\u3000c\u3164", r"a\u00a0b\u3000c\u3164"),
        ("👩‍👧 ❤️ 👍🏽", "👩‍👧 ❤️ 👍🏽"),
        ("a\ufe0f\u200d", r"a\ufe0f\u200d"),
        ("e\u0301 z" + "\u0301" * 50, "e\u0301 z" + "\u0301" * 4 + "…"),
    ],
)
def test_everything_in_a_text_can_be_seen(call: Callable[..., Any], text: str, shown: str) -> None:
    """What is not seen by itself is written out; emojis stay what they are."""
    assert call("text", "visible", text) == shown


def test_long_texts_are_cut_between_characters(call: Callable[..., Any]) -> None:
    """And it is known how much is left out."""
    assert call("text", "shortened", "abc", 3) == {"text": "abc", "leftOut": 0}
    assert call("text", "shortened", "abcd", 3) == {"text": "abc…", "leftOut": 1}
    assert call("text", "shortened", "ab😀d", 3) == {"text": "ab…", "leftOut": 3}
    assert call("text", "shortenedLines", "a\nb\u202e\nc", 4) == "a\nb\\u202e… 2 more characters"


@pytest.mark.parametrize(
    "text",
    [
        "1.0",
        "12345678901234567890",
        "1e400",
        "-0",
        "0.1",
        '{"a": [1.50, {"b": null}], "": ""}',
        '"\\u0000"',
        "[]",
        "{}",
    ],
)
def test_values_are_shown_word_for_word(page: WatchedPage, text: str) -> None:
    """JavaScript's numbers would change some."""
    shown = page.evaluate(
        "async (text) => { const m = await import('/dashboard/text.js'); return m.jsonText(m.parseExactly(text)); }",
        text,
    )
    assert shown == text


@pytest.mark.parametrize(
    ("function", "argument", "text"),
    [
        ("duration", 0.25, "0.3 s"),
        ("duration", 59, "59 s"),
        ("duration", 600, "10 min"),
        ("duration", 7200, "2 h"),
        ("duration", 864000, "10 days"),
        ("bytes", 512, "512 bytes"),
        ("bytes", 40960, "40.0 KiB"),
        ("bytes", 64 * 1024**3, "64.0 GiB"),
        ("number", 9999, "9999"),
        ("number", 1234567, "1\u202f234\u202f567"),
        ("listed", ["a", "b", "c"], "a, b and c"),
    ],
)
def test_quantities_read_well(call: Callable[..., Any], function: str, argument: Any, text: str) -> None:
    """In units that suit them."""
    assert call("text", function, argument) == text


def test_nodes_are_ordered_as_the_nodes_themselves_do_it(call: Callable[..., Any], page: WatchedPage) -> None:
    """The numbers of a shown clock stand in that order."""
    names = ["node10", "node2", "node1", "Node3", "a", "a1b", "a01b", "1", "_x", "n-1", "node", "2a", "10a"]
    shown = page.evaluate(
        "async (names) => names.sort((await import('/dashboard/clock.js')).naturalOrder)", list(reversed(names))
    )
    assert sorted(shown, key=natural_order) == shown
    assert call("clock", "naturalOrder", "node2", "node2") == 0


def test_clocks_and_tokens_are_read_merged_and_compared(call: Callable[..., Any]) -> None:
    """A token that cannot be read counts for nothing; a node may have any name."""
    text = "node1~abc=3,node2~d=1"
    clock = {"node1~abc": 3, "node2~d": 1}
    assert call("clock", "clockOf", text) == clock
    assert call("clock", "tokenOf", clock) == text
    for wrong in (None, "", "?", "node1=3", "node1~a=0", "node1~a=-1", "node1~a=1=2", "a" * 100_000, "node1~a=1e5"):
        assert call("clock", "clockOf", wrong) == {}
    assert call("clock", "merged", clock, {"node1~abc": 5, "node3~x": 2}) == {
        "node1~abc": 5,
        "node2~d": 1,
        "node3~x": 2,
    }
    assert call("clock", "covers", clock, {"node1~abc": 3}) is True
    assert call("clock", "covers", {"node1~abc": 3}, clock) is False
    ranges = call("clock", "missing", {"node1~abc": 1}, clock)
    assert ranges == [{"replica": "node1~abc", "first": 2, "last": 3}, {"replica": "node2~d", "first": 1, "last": 1}]
    assert call("clock", "total", ranges) == 3
    assert call("clock", "dots", ranges[0]) == "node1~abc:2\N{EN DASH}3"
    assert call("clock", "byNode", {"a~1": 2, "a~2": 3, "b~x": 4}) == {"a": 5, "b": 4}
    assert call("clock", "parsedDot", "node1~abc:7") == {"replica": "node1~abc", "seq": 7}
    for wrong in ("", "x", ":1", "a:0", "a:x", "a:1.5"):
        assert call("clock", "parsedDot", wrong) is None


EVENT = {
    "number": 118,
    "kind": "held",
    "at_ms": 1764412345678.25,
    "node": "node3",
    "dot": "node1~a:7",
    "replica": "node1~a",
    "origin": "node1",
    "seq": 7,
    "clock": {"node1~a": 7},
    "vc": [7],
    "keys": ["x"],
    "keys_left_out": 0,
    "operations": ["put"],
    "waits_for": "node2~b:4",
}


def test_an_event_is_taken_whole_or_not_at_all(call: Callable[..., Any]) -> None:
    """What a confirmation may leave out is empty."""
    assert call("answers", "readEvent", EVENT) == EVENT
    confirmed = {name: EVENT[name] for name in ("number", "at_ms", "node", "dot", "replica", "origin", "seq")}
    read = call("answers", "readEvent", {**confirmed, "kind": "confirmed"})
    assert read == {
        **confirmed,
        "kind": "confirmed",
        "clock": {},
        "vc": [],
        "keys": [],
        "keys_left_out": 0,
        "operations": [],
    }
    wrong: dict[str, list[Any]] = {
        **{name: [None, -1, 1.5, "7", []] for name in ("number", "seq")},
        "at_ms": [None, "now", [], 1e20, -8.7e15],
        **{name: [None, 7, [], {}] for name in ("node", "dot", "replica", "origin", "waits_for")},
        "kind": [None, "", "HELD", 7, []],
        "clock": [None, [], "x", {"a": -1}, {"a": "1"}],
        "keys": [None, {}, "x", [7]],
    }
    for name, values in wrong.items():
        for value in values:
            assert call("answers", "readEvent", {**EVENT, name: value}) is None, (name, value)
    nothing: list[Any] = [None, [], 7, "x", {}]
    assert [call("answers", "readEvent", each) for each in nothing] == [None] * len(nothing)


def test_what_is_wrong_in_an_answer_is_named(call: Callable[..., Any]) -> None:
    """And replaced by what says nothing."""
    status = call("answers", "readStatus", json.loads('{"node": "node1", "held": -1, "clock": {"a": 1, "b": "x"}}'))
    assert status["held"] == 0
    assert status["clock"] == {"a": 1}
    assert {"held", "clock", "broker", "members", "healing"} <= set(status["wrong"])
    assert "node" not in status["wrong"]
    assert call("answers", "readStatus", None)["wrong"]


def test_what_changes_on_the_screen_leaves_the_rest_alone(page: WatchedPage) -> None:
    """Focus, opened details and the elements of things that only moved stay."""
    same = page.evaluate(
        """async () => {
          const { el, show } = await import("/dashboard/dom.js");
          const box = document.body.appendChild(el("div"));
          const item = (name, text) => el("li", { "data-key": name }, el("button", {}, name),
            el("details", {}, el("summary", {}, "more"), text));
          show(box, el("ul", {}, item("a", "1"), item("b", "2"), item("c", "3")), el("p", {}, "one"));
          const [a, b, c] = box.querySelectorAll("li");
          b.querySelector("button").focus();
          b.querySelector("details").open = true;
          show(box, el("ul", {}, item("c", "3"), item("new", "4"), item("b", "changed")), el("p", {}, "two"), null);
          const after = [...box.querySelectorAll("li")];
          const result = {
            text: box.textContent,
            moved: after[0] === c && after[2] === b,
            gone: !a.isConnected,
            isOpen: b.querySelector("details").open,
            focus: document.activeElement === b.querySelector("button"),
          };
          show(box);
          const left = box.childNodes.length;
          box.remove();
          return { ...result, left };
        }"""
    )
    assert same == {
        "text": "cmore3newmore4bmorechangedtwo",
        "moved": True,
        "gone": True,
        "isOpen": True,
        "focus": True,
        "left": 0,
    }
