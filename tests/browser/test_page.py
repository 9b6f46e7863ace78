"""The page itself: it comes up, is found by keyboard, fits any width, and keeps to its own hosts and size."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from node.http.dashboard import DIRECTORY
from tests.browser.accessibility import CHECK_CONTRAST, CHECK_NAMES
from tests.browser.chromium import NARROW, TIMEOUT_SECONDS, WIDE, WatchedPage
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

    from tests.support.cluster import ClusterUnderTest

TOTAL_MAX_BYTES = 200 * 1024
VIEWS = ("Diagram", "Cluster", "Try it", "Lessons")
HASHES = ("diagram", "cluster", "try", "lessons")


def test_all_nodes_are_reached_from_any_of_them(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """The browser asks each node directly, at its advertised address, the node of the page first."""
    for node in cluster:
        page.open(node.url)
        page.reaches(cluster)
        names = page.page.get_by_role("list", name="Nodes").get_by_role("link").all_inner_texts()
        assert names[0].startswith(node.name)
        assert names[1:] == sorted(names[1:])


def test_the_page_works_by_another_name_of_this_machine(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """The host localhost is 127.0.0.1."""
    url = cluster["node1"].url.replace("127.0.0.1", "localhost")
    page.allow_host(url)
    page.open(url)
    page.reaches(cluster)


def test_everything_comes_from_the_node_and_is_small(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """Files are counted as they come over the wire; other hosts are seen by the page fixture."""
    own = cluster["node1"].url
    loaded: list[Request] = []
    page.page.on("requestfinished", lambda request: loaded.append(request))  # noqa: PLW0108  # no builtin is taken
    page.open(own)
    page.reaches(cluster)
    # A page that was cut off and opened again asks for its files again: the last answer counts.
    last = {request.url: request for request in loaded}
    files = [request for request in last.values() if request.url == f"{own}/" or "/dashboard/" in request.url]
    sizes = {request.url: request.sizes()["responseBodySize"] for request in files}
    assert {url.removeprefix(f"{own}/dashboard/") for url in sizes} >= {file.name for file in DIRECTORY.glob("*.js")}
    assert sum(sizes.values()) < TOTAL_MAX_BYTES / 2
    answers = [answer for request in files if (answer := request.response()) is not None]
    assert sum(len(answer.body()) for answer in answers) < TOTAL_MAX_BYTES


def test_views_are_links_that_can_be_kept(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """The address names the view; the title and the focus follow; reloading and going back stay with it."""
    page.open(cluster["node1"].url)
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Space-time diagram")
    for view, name in zip(VIEWS, HASHES, strict=True):
        page.go(view)
        assert page.page.url.endswith(f"#{name}")
        expect(page.page).to_have_title(re.compile(r"\bnode1$"))
        expect(page.page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.page.get_by_role("link", name=view, exact=True)).to_have_attribute("aria-current", "page")
    page.reload()
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Lessons")
    page.page.go_back()
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Try it")
    page.open(cluster["node1"].url, "nonsense")
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Space-time diagram")


def test_the_keyboard_leads_everywhere(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """A link to the content comes first; focus is seen; following a link moves on to the view's heading."""
    page.open(cluster["node1"].url, "cluster")
    page.reaches(cluster)
    page.page.keyboard.press("Tab")
    skip = page.page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.page.keyboard.press("Enter")
    expect(page.page.get_by_role("main")).to_be_focused()
    assert page.page.url.endswith("#cluster")
    page.page.get_by_role("link", name="Try it").focus()
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.page.keyboard.press("Enter")
    expect(page.page.get_by_role("heading", level=1, name="Try it")).to_be_focused()
    seen = set()
    for _ in range(30):
        page.page.keyboard.press("Tab")
        seen.add(page.evaluate("() => document.activeElement.innerText || document.activeElement.id"))
    assert {"Put", "Get", "Delete", "try-key", "try-value", "Reset the token"} <= seen


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("width", [NARROW, WIDE], ids=["narrow", "wide"])
def test_every_view_fits_the_window(
    page: WatchedPage, cluster: ClusterUnderTest, name: str, width: dict[str, int]
) -> None:
    """Nothing runs off to the right, from the width of a phone on."""
    page.page.set_viewport_size(width)  # type: ignore[arg-type]  # a dict of int
    page.open(cluster["node1"].url, name)
    page.reaches(cluster)
    overflow = page.evaluate(
        """() => {
          const wide = document.documentElement.clientWidth;
          const scrolls = (element) => element.closest(".scroller, pre, nav, .visually-hidden") !== null;
          return [document.scrollingElement.scrollWidth - wide,
            [...document.querySelectorAll("main *, header *")].filter((element) => !scrolls(element)
              && element.getClientRects().length > 0 && element.getBoundingClientRect().right > wide + 1)
              .map((element) => element.outerHTML.slice(0, 120))];
        }"""
    )
    assert overflow == [0, []]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", HASHES)
def test_every_view_has_names_and_contrast(browser: Browser, cluster: ClusterUnderTest, name: str, scheme: str) -> None:
    """Controls have names, tables have heads, headings have an order; text stands out in both themes."""
    with browser.new_context(viewport=WIDE, color_scheme=scheme, reduced_motion="reduce") as context:  # type: ignore[arg-type]
        page = WatchedPage(context.new_page(), [node.url for node in cluster])
        page.open(cluster["node1"].url, name)
        page.reaches(cluster)
        assert page.evaluate("() => document.documentElement.dataset.theme") == scheme
        assert page.evaluate(CHECK_NAMES) == []
        assert page.evaluate(CHECK_CONTRAST) == []
        assert page.wrong == []


def test_the_theme_follows_the_system_until_one_is_chosen(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """The choice is kept, and told to whoever draws."""
    light, dark = "rgb(246, 247, 249)", "rgb(16, 19, 23)"
    body = page.page.locator("body")
    page.page.emulate_media(color_scheme="light")
    page.open(cluster["node1"].url)
    expect(body).to_have_css("background-color", light)
    page.evaluate(
        "() => { window.changes = 0; document.addEventListener('themechange', () => { window.changes += 1; }); }"
    )
    page.page.emulate_media(color_scheme="dark")
    expect(body).to_have_css("background-color", dark)
    page.page.get_by_label("Theme").select_option("light")
    expect(body).to_have_css("background-color", light)
    assert page.evaluate("() => window.changes") == 2
    page.reload()
    expect(body).to_have_css("background-color", light)
    expect(page.page.get_by_label("Theme")).to_have_value("light")
    page.page.get_by_label("Theme").select_option("auto")
    expect(body).to_have_css("background-color", dark)


def test_who_wants_no_motion_gets_none(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """prefers-reduced-motion, which the fixture sets, ends transitions and animations."""
    page.open(cluster["node1"].url, "cluster")
    page.reaches(cluster)
    moving = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((element) => {
          const { transitionDuration, animationName } = getComputedStyle(element);
          return transitionDuration.split(", ").some((each) => parseFloat(each) > 0) || animationName !== "none";
        }).length"""
    )
    assert moving == 0


def test_a_page_that_is_not_looked_at_leaves_its_connections_to_others(
    page: WatchedPage, cluster: ClusterUnderTest
) -> None:
    """A browser has six to a host, for all its pages: streams end while a page is hidden, and then go on behind."""
    key = f"hidden-{secrets.token_hex(3)}"
    asked: list[str] = []
    page.page.on("request", lambda request: asked.append(request.url) if "/events" in request.url else None)
    page.open(cluster["node1"].url)
    page.reaches(cluster)
    streams = re.compile(r"^causalkv_event_streams (\S+)$", re.MULTILINE)

    def streamed() -> float:
        found = [streams.search(node.http.get("/metrics").text) for node in cluster]
        return sum(float(match[1]) for match in found if match)

    def hide(*, is_hidden: bool) -> None:
        page.evaluate(
            """isHidden => {
              Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            is_hidden,
        )

    cluster["node1"].put(f"{key}-before", 1).raise_for_status()
    page.page.get_by_role("button", name="Table").click()
    table = page.page.get_by_role("region", name="Events as a table")
    expect(table.get_by_text(f"{key}-before").first).to_be_visible()
    wait_until(lambda: streamed() == 3, "all nodes are heard", TIMEOUT_SECONDS, lambda: str(streamed()))
    before = len(asked)
    hide(is_hidden=True)
    wait_until(lambda: streamed() == 0, "no stream is left", TIMEOUT_SECONDS, lambda: str(streamed()))
    cluster["node1"].put(f"{key}-meanwhile", 1).raise_for_status()
    page.page.wait_for_timeout(2500)
    assert len(asked) == before
    expect(table.get_by_text(f"{key}-meanwhile")).to_have_count(0)
    hide(is_hidden=False)
    expect(table.get_by_text(f"{key}-meanwhile").first).to_be_visible()
    assert asked[before:]
    assert all("since=" in url for url in asked[before:])
