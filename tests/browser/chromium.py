"""A real Chromium for tests, and a page that is watched: whatever goes wrong in it fails the test that looks at it."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect, sync_playwright

from infra.chromium import find_chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Locator, Request, Route

    from tests.support.cluster import ClusterUnderTest

# In a container there is no sandbox to be had; and nothing may leave this machine.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_SECONDS = 30.0
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 360, "height": 740}
FAILED_REQUEST = "Failed to load resource"
# What a node of another address answers that does not know (yet) from where the page comes.
NOT_ALLOWED = re.compile(r"Access to (?:fetch|resource) at '(\S+)' .* blocked by CORS policy", re.DOTALL)
# Docker adds and removes network interfaces of this machine, and Chromium then gives up what it was loading.
NOT_OF_THE_PAGE = "net::ERR_NETWORK_CHANGED"
# Its names where a page is loaded: also when the page about the failure comes late, and what an import says of it.
CUT_OFF = (
    NOT_OF_THE_PAGE,
    'interrupted by another navigation to "chrome-error:',
    "Failed to fetch dynamically imported module",
)
OPENED_AGAIN_MAX = 5
LOADED_SECONDS = 10.0

expect.set_options(timeout=TIMEOUT_SECONDS * 1000)


def launched() -> Iterator[Browser]:
    """Chromium, until the end; without it a test fails in CI and is skipped, loudly, elsewhere."""
    found = find_chromium()
    if found is None:
        message = "no Chromium here: install it (on Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(f"NOT TESTED: {message}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


def again_if_cut_off(load: Callable[[], object]) -> None:
    """Load a page, again when this machine, and not who serves it, kept it from coming."""
    for _ in range(OPENED_AGAIN_MAX):
        try:
            load()
        except PlaywrightError as error:
            if not any(words in str(error) for words in CUT_OFF):
                raise
        else:
            return
    raise AssertionError(f"this machine cut the page off {OPENED_AGAIN_MAX} times")


class WatchedPage:
    """A page of the dashboard, and what a user does with it.

    Errors on the console, uncaught ones, violations of the page's policy and requests to other hosts end up in
    ``wrong``. A request that a node refuses is an error on Chromium's console, too: ``may_fail`` names those that a
    test provokes.
    """

    def __init__(self, page: Page, hosts: Iterable[str]) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.failed: list[str] = []
        """Requests that got no answer, each with the reason."""
        self._pressed, self._failed_before = "", 0
        self._hosts = {urlsplit(host).netloc for host in hosts}
        self._may_fail: list[re.Pattern[str]] = []
        page.set_default_timeout(TIMEOUT_SECONDS * 1000)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        page.on("request", self._request)
        page.on(
            "requestfailed", lambda request: self.failed.append(f"{request.method} {request.url} {request.failure}")
        )

    def may_fail(self, path: str, reason: str = "") -> None:
        """Requests to this path (a regular expression) may be refused, with a reason that contains this."""
        self._may_fail.append(re.compile(rf"{path}.*{re.escape(reason)}"))

    def break_the_first(self, path: str) -> list[str]:
        """Each address with this path is cut off when it is asked first; returns what is asked, as it comes."""
        asked: list[str] = []

        def answer(route: Route) -> None:
            asked.append(route.request.url)
            if asked.count(route.request.url) == 1:
                route.abort("connectionreset")
            else:
                route.continue_()

        self.page.route(re.compile(rf"{path}\b"), answer)
        self.may_fail(path, "ERR_CONNECTION_RESET")
        return asked

    def allow_host(self, url: str) -> None:
        """One more node that the page may ask."""
        self._hosts.add(urlsplit(url).netloc)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if NOT_OF_THE_PAGE in message.text:
            return
        blocked = NOT_ALLOWED.match(message.text)
        if blocked or message.text.startswith(FAILED_REQUEST):
            url = blocked[1] if blocked else message.location["url"]
            described = f"{urlsplit(url).path} {message.text}"
            if any(pattern.match(described) for pattern in self._may_fail):
                return
            self.wrong.append(described)
        else:
            self.wrong.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc not in self._hosts:
            self.wrong.append(f"a request to another host: {request.url}")

    # --------------------------------------------------------------------------- what a user does

    def open(self, url: str, view: str = "") -> None:
        """Open the page of a node, and wait until it is there."""
        self.begin(url, view)
        self._is_there()

    def begin(self, url: str, view: str = "") -> None:
        """Open the page of a node, which perhaps does not come whole."""
        self._goto("about:blank")  # else a page that differs in its view only is not loaded again
        self._goto(f"{url}/{f'#{view}' if view else ''}")

    def reload(self) -> None:
        """Load the page again."""
        again_if_cut_off(self.page.reload)
        self._is_there()

    def _goto(self, address: str) -> None:
        again_if_cut_off(lambda: self.page.goto(address))

    def _is_there(self) -> None:
        shown = self.page.locator("#nodes li").first
        for _ in range(OPENED_AGAIN_MAX):
            with contextlib.suppress(PlaywrightError):
                shown.wait_for(timeout=LOADED_SECONDS * 1000)
                return
            # Not even the script came that would load the page again: it says that this is now up to who looks at it.
            if self.page.get_by_text("If nothing more comes, load the page again").is_visible():
                again_if_cut_off(self.page.reload)
        raise AssertionError(f"the page does not come up; what failed: {self.failed}")

    def go(self, view: str) -> None:
        """Follow the link to a view."""
        self.page.get_by_role("navigation", name="Views").get_by_role("link", name=view).click()
        expect(
            self.page.get_by_role("heading", level=1, name=view if view != "Diagram" else "Space-time")
        ).to_be_visible()

    def press(self, name: str) -> None:
        """Press a button."""
        self._pressed, self._failed_before = name, len(self.failed)
        self.page.get_by_role("button", name=name, exact=True).click()

    def press_again_if_cut_off(self) -> bool:
        """Press the last button once more if this machine, and not a node, ended what it asked for; whether it did."""
        is_cut_off = any(NOT_OF_THE_PAGE in failure for failure in self.failed[self._failed_before :])
        if is_cut_off:
            self.press(self._pressed)
        return is_cut_off

    def panel(self, name: str) -> Locator:
        """A part of the page, by its name."""
        return self.page.get_by_role("region", name=name, exact=True).first

    @property
    def key(self) -> Locator:
        """Where a key is typed, to try it out."""
        return self.page.get_by_role("form", name="Request").get_by_label("Key")

    def chip(self, node: str) -> Locator:
        """A node at the top of the page."""
        return self.page.get_by_role("list", name="Nodes").get_by_role("listitem").filter(has_text=node)

    def sees(self, where: Locator | Page, text: str | re.Pattern[str]) -> None:
        """Wait until a text is there."""
        expect(where.get_by_text(text).first).to_be_visible()

    def reaches(self, cluster: ClusterUnderTest) -> None:
        """Wait until all nodes are reached."""
        for node in cluster:
            expect(self.chip(node.name)).to_contain_text(f"{node.name} ● reached")

    def clocks(self) -> dict[str, dict[str, str]]:
        """The table of clocks: by node, what it shows of each other one."""
        table = self.page.get_by_role("region", name="Vector clocks").get_by_role("table")
        rows: list[list[str]] = table.evaluate(
            """table => [...table.rows].map(row =>
              [...row.cells].map(cell => cell.innerText.replace(/\\s+/g, " ").trim()))"""
        )
        origins = [head.removeprefix("writes of ") for head in rows[0][1:]]
        return {row[0].split(" ")[0]: dict(zip(origins, row[1:], strict=True)) for row in rows[1:]}

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """What a function in the page returns."""
        return self.page.evaluate(script, argument)
