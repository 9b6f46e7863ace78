"""A page whose files do not all come, as while a node restarts: it says so, and is loaded again until they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from tests.browser.chromium import WatchedPage
    from tests.support.cluster import ClusterUnderTest

TIMES_MAX = 5
NOTICE = "Not all files of this page came"
# The script of the page, one that it imports, a classic one, and the looks.
NEEDED = ["app.js", "trace.js", "theme.js", "style.css"]


def lose(page: WatchedPage, name: str, times: int) -> list[str]:
    """Let a file of the page not come so many times; how often it was asked for."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) <= times:
            route.abort()
        else:
            route.continue_()

    page.page.route(f"**/dashboard/{name}", answer)
    page.may_fail(f"/dashboard/{name}")
    return asked


@pytest.mark.parametrize("name", NEEDED)
def test_a_page_of_which_a_file_does_not_come_is_loaded_again(
    page: WatchedPage, cluster: ClusterUnderTest, name: str
) -> None:
    """By itself, until all of them are there; the view stays."""
    asked = lose(page, name, times=2)
    page.begin(cluster["node1"].url, "cluster")
    while len(asked) < 3:  # twice in vain; without its looks, say, it works meanwhile
        page.page.wait_for_event("load")
    page.reaches(cluster)
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Cluster")
    expect(page.page.get_by_text(NOTICE)).to_be_hidden()
    assert page.evaluate("() => getComputedStyle(document.body).margin") == "0px"


def test_a_page_that_never_comes_whole_says_so_and_is_loaded_again_when_asked(
    page: WatchedPage, cluster: ClusterUnderTest
) -> None:
    """It is not loaded for ever by itself; when all is well again, it begins to count anew."""
    # Time stands still: what is said for half a second would be over before a busy machine looks.
    page.page.clock.install(time="2026-01-01T00:00:00")
    page.page.clock.pause_at("2026-01-01T01:00:00")
    asked = lose(page, "app.js", times=TIMES_MAX + 2)
    page.begin(cluster["node1"].url)
    for number in range(1, TIMES_MAX + 1):
        page.sees(page.page, f"({number} of {TIMES_MAX})")
        page.page.clock.fast_forward(10_000)
    again = page.page.get_by_role("button", name="Load the page again")
    expect(again).to_be_visible()
    assert len(asked) == TIMES_MAX + 1
    again.click()
    page.sees(page.page, f"(1 of {TIMES_MAX})")
    page.page.clock.fast_forward(10_000)
    page.page.clock.resume()
    page.reaches(cluster)
    assert page.evaluate("() => sessionStorage.getItem('causalkv-loads')") == "0"


def test_a_page_that_cannot_count_is_loaded_again_only_when_asked(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """A browser may keep nothing for a page; one that never comes whole is then not loaded for ever."""
    page.page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    asked = lose(page, "trace.js", times=1)
    page.begin(cluster["node1"].url)
    again = page.page.get_by_role("button", name="Load the page again")
    expect(again).to_be_visible()
    assert len(asked) == 1
    again.click()
    page.reaches(cluster)


def test_a_page_whose_node_is_away_meanwhile_waits_for_it(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """Loaded again at once, it would be replaced by the browser's own page about an address without an answer."""
    looked = 0

    def answer(route: Route) -> None:
        nonlocal looked
        looked += route.request.resource_type == "fetch"
        if looked in (1, 2):
            route.abort()
        else:
            route.continue_()

    lose(page, "trace.js", times=1)
    page.page.route(f"{cluster['node1'].url}/", answer)
    page.may_fail("/ ", "ERR_FAILED")
    page.begin(cluster["node1"].url)
    page.reaches(cluster)
    assert looked >= 3


def test_a_page_of_which_nothing_comes_says_what_to_do(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """Not even the script that would load it again."""
    lose(page, "*", times=1000)
    page.begin(cluster["node1"].url)
    page.sees(page.page, "If nothing more comes, load the page again")
