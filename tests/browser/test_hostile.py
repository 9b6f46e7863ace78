"""Hostile data and malformed answers: everything is shown as text, shortened, and nothing ends the page."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import NARROW, WatchedPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Route

    from tests.support.cluster import ClusterUnderTest

LATE = 600
MARKUP = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><b>bold</b>\"'`${window.hacked = 1}"
TURNED = "abc\u202egnp.exe\u2066\u2069\u200f\u061c\u0000\u0007\u001b[31m\u2028\u200b\ufeff\U000e0041"
MARKS = "z" + "\u0301" * 500
LONG = "x" * (1024 * 1024 - 2)
# On a narrow screen all that is shown takes up to 6 100; one value shown whole would take more than 100 000.
HEIGHT_MAX_PIXELS = 8_000

HEADS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "X-Causal-Context"}
NO_JSON = ["", "{", "<html><script>window.hacked = 1</script>", "\x00\x01\x02", '{"a": 1} trailing', "NaN"]
WRONG_JSON: list[Any] = [
    None,
    True,
    7,
    "text",
    [],
    {},
    [[[]]],
    {"node": 7},
    {"node": MARKUP, "members": MARKUP},
    {"node": "node2", "members": [None, 7, {"node": 7}, {"node": MARKUP, "url": "javascript:alert(1)"}]},
    {"node": "node2", "members": {}, "clock": [], "vc": {}, "held": -1, "healing": 5, "limits": "x"},
    {"node": "node2", "clock": {"node1~a": "9", "__proto__": 3, "constructor": {}}, "healing": {"repairs": [1]}},
    {"held": [None, {"dot": 5}, {"dot": MARKUP, "keys": [MARKUP, 5], "waits_for": [], "missing": 7}], "count": "x"},
    {"conflicts": [{}, {"key": 5, "siblings": "x"}, {"key": MARKUP, "siblings": [1, {"value": MARKUP}]}], "next": 5},
    {"delay": [], "drop": {"node1": "x"}, "cut": "yes"},
    {"node": "node2", "members": [{"node": f"node{n}", "url": "http://127.0.0.1:1"} for n in range(5000)]},
]
PATHS = ["status", "buffer", "conflicts", "faults"]


def is_untouched(page: WatchedPage) -> None:
    """Nothing that was shown was read as HTML, and the page is no taller than it should be."""
    assert page.evaluate("() => window.hacked") is None
    views = ":is(#view-cluster, #view-try, #view-lessons)"
    assert page.page.locator(f"{views} :is(script, img, b, iframe, object)").count() == 0
    assert page.evaluate("() => document.scrollingElement.scrollHeight") < HEIGHT_MAX_PIXELS
    assert page.evaluate("() => document.scrollingElement.scrollWidth - innerWidth") <= 0
    unseen = page.evaluate(
        "() => document.body.innerText.match(/[\\u0000-\\u0008\\u061c\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069]/)"
    )
    assert unseen is None


def delay(cluster: ClusterUnderTest, at: str, *origins: str) -> None:
    """Let messages come late."""
    cluster[at].http.post("/faults", json={"delay": dict.fromkeys(origins, LATE)}).raise_for_status()


@pytest.mark.parametrize("width", [None, NARROW], ids=["wide", "narrow"])
def test_hostile_keys_and_values_are_shown_as_text(
    page: WatchedPage, calm: ClusterUnderTest, width: dict[str, int] | None
) -> None:
    """As conflicts and as held writes: what is not seen is written out, what is long is shortened."""
    if width is not None:
        page.page.set_viewport_size(width)  # type: ignore[arg-type]  # a dict of int
    run = secrets.token_hex(3)
    values: dict[str, Any] = {
        f"{run}1 {MARKUP}": {MARKUP: [MARKUP]},
        f"{run}2 {TURNED}": TURNED,
        f"{run}3 {MARKS}": MARKS,
        f"{run}4 " + "k" * 1000: LONG,
        f"{run}5": json.loads("[" * 100 + "]" * 100),
    }
    page.open(calm["node1"].url, "cluster")
    page.reaches(calm)
    delay(calm, "node1", "node2")
    delay(calm, "node2", "node1")
    for key, value in values.items():
        token = calm["node1"].put(key, value).raise_for_status().headers["X-Causal-Context"]
        calm["node2"].put(key, "other").raise_for_status()
        delay(calm, "node2", "node1")
    for node in ("node1", "node2"):
        calm[node].http.post("/faults", json={"clear": True}).raise_for_status()
    calm.quiesce()
    conflicts = page.panel("Conflicts")
    for number in range(1, 6):
        expect(conflicts.get_by_role("listitem").filter(has_text=f"{run}{number}").first).to_be_visible()
    page.sees(conflicts, re.compile(re.escape(MARKUP[:60])))
    page.sees(conflicts, re.compile(r"abc\\u202egnp\.exe\\u2066\\u2069\\u200f\\u061c\\u0000\\u0007\\u001b\[31m\\u2028"))
    page.sees(conflicts, re.compile(r"^1\D?048\D?576 characters$"))
    is_untouched(page)
    conflicts.get_by_text(re.compile("048.?576 characters$")).click()
    page.sees(conflicts, re.compile(r"1\D028\D576 more characters are not shown"))
    is_untouched(page)
    # The same as keys of held writes.
    delay(calm, "node3", "node1")
    token = calm["node1"].put(f"{run} cause", 1).raise_for_status().headers["X-Causal-Context"]
    for key in values:
        calm["node2"].put(key, "settled", token).raise_for_status()
    page.sees(page.panel("Held writes"), re.compile(re.escape(f"of {run}1 {MARKUP[:40]}")))
    page.sees(page.panel("Held writes"), re.compile(rf"of {run}2 abc\\u202egnp"))
    is_untouched(page)
    for key in values:
        seen = calm["node2"].get(key, siblings="true").headers["X-Causal-Context"]
        calm["node2"].put(key, "settled", seen).raise_for_status()


@pytest.mark.parametrize("value", [MARKUP, TURNED, MARKS, LONG], ids=["markup", "turned", "marks", "long"])
def test_hostile_values_can_be_put_and_got(page: WatchedPage, cluster: ClusterUnderTest, value: str) -> None:
    """The key is as hostile; what is stored is exactly what was typed."""
    key = f"{secrets.token_hex(3)} {value[:300]}".replace("\u2028", "").replace("\x00", "")
    page.open(cluster["node1"].url, "try")
    page.reaches(cluster)
    page.key.fill(key)
    typed = page.key.input_value()
    page.page.get_by_label("Value, for a put").fill(value)
    answers = page.page.get_by_role("list", name="Answers, the newest first")
    page.press("Put")
    page.sees(answers, re.compile("node1 stored "))
    page.press("Get")
    page.sees(answers, re.compile("node1 shows "))
    is_untouched(page)
    assert cluster["node1"].get(typed).json()["value"] == value


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_that_is_no_json_is_survived(page: WatchedPage, calm: ClusterUnderTest, path: str) -> None:
    """Of one node, on each path that the page asks; when it answers as it should again, all is well."""
    survives(page, calm, path, [(200, body) for body in NO_JSON] + [(500, "<h1>oops</h1>"), (204, ""), (301, "")])


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_of_wrong_types_is_survived(page: WatchedPage, calm: ClusterUnderTest, path: str) -> None:
    """Missing, wrong and hostile members, on each path that the page asks."""
    survives(page, calm, path, [(200, json.dumps(body)) for body in WRONG_JSON] + [(404, "{}"), (503, '{"error": []}')])


def survives(page: WatchedPage, cluster: ClusterUnderTest, path: str, answers: list[tuple[int, str]]) -> None:
    """Let node1 and node2 answer each of these on a path, while every view is looked at."""
    page.may_fail(f"/({path}|healthz|status|events)", "")
    page.page.clock.install()
    page.open(cluster["node1"].url, "cluster")
    page.reaches(cluster)
    # So that there is something to ask for.
    delay(cluster, "node2", "node1")
    token = cluster["node1"].put(secrets.token_hex(3), 1).raise_for_status().headers["X-Causal-Context"]
    cluster["node3"].put(secrets.token_hex(3), 1, token).raise_for_status()
    page.sees(page.panel("Held writes"), re.compile("^node2 holds "))
    given = 0

    def answer(route: Route) -> None:
        nonlocal given
        status, body = answers[given % len(answers)]
        given += 1
        route.fulfill(status=status, body=body, headers={"Content-Type": "application/json", **HEADS})

    page.page.route(re.compile(rf"(:{cluster['node1'].port}|:{cluster['node2'].port})/{path}\b"), answer)
    views = ["Cluster", "Try it", "Lessons", "Diagram"]
    while given < 2 * len(answers):
        page.go("Cluster")
        page.page.clock.run_for(1000)  # the next look at the nodes is due
        page.go(views[given % len(views)])
        assert page.evaluate("() => window.hacked") is None
    page.page.unroute_all(behavior="wait")
    page.go("Cluster")
    page.reaches(cluster)
    page.sees(page.panel("Held writes"), re.compile("^node2 holds "))
    is_untouched(page)


def test_what_is_tried_out_survives_any_answer(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """It says that the answer cannot be read, or shows of it what can be."""
    page.may_fail("/get", "")
    bodies = [*NO_JSON, *(json.dumps(body) for body in WRONG_JSON)]
    bodies += [
        json.dumps({"key": 7, "value": MARKUP, "vc": "x", "siblings": [{"vc": [MARKUP]}, None]}),
        '{"missing": {"a": []}}',
    ]
    page.open(cluster["node1"].url, "try")
    page.reaches(cluster)
    page.key.fill("any")
    answers = page.page.get_by_role("list", name="Answers, the newest first").locator("> li")
    for number, body in enumerate(bodies):
        status = (200, 404, 503, 500)[number % 4]
        page.page.route("**/get?*", answering(status, body))
        page.press("Get")
        expect(answers).to_have_count(min(number + 1, 12))
        expect(page.page.get_by_text("Asking node1")).to_have_count(0)
        page.page.unroute("**/get?*")
    is_untouched(page)


def answering(status: int, body: str) -> Callable[[Route], None]:
    """Whoever answers a request with this."""
    return lambda route: route.fulfill(status=status, body=body, headers=HEADS)


def test_events_that_are_none_are_left_out_and_counted(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """A stream may bring anything."""
    page.may_fail("/events", "")
    wrong = ["no json", "null", "{}", "[]", '{"kind": "held"}', json.dumps({"kind": MARKUP})]
    body = "event: hello\ndata: nonsense\n\nevent: gap\ndata: nonsense\n\n" + "".join(
        f"data: {text}\n\n" for text in wrong
    )
    is_given = False

    def answer(route: Route) -> None:
        nonlocal is_given
        if is_given:
            route.continue_()
            return
        is_given = True
        route.fulfill(status=200, body=body, headers={"Content-Type": "text/event-stream", **HEADS})

    page.page.route(re.compile(rf":{cluster['node2'].port}/events"), answer)
    page.open(cluster["node1"].url, "cluster")
    page.reaches(cluster)
    page.sees(page.page, f"{len(wrong)} events could not be read and are left out.")
    page.go("Diagram")
