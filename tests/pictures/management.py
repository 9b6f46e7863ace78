"""Pictures of RabbitMQ's management UI: ``python -m tests.pictures.management``.

Taken from a cluster of the project's own docker-compose.yml, under another name and on free ports, in the order in
which docs/inspect-rabbitmq.md tells it; removed at the end with all its data. Needs Docker and Chromium.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from tests.e2e.compose_cluster import ComposeCluster, eventually
from tests.pictures.screenshots import PICTURES, WINDOW, chromium, frame, highlight, shoot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page

EXCHANGE = "management-exchange.png"
QUEUES = "management-queues.png"
FILLING = "management-queue-filling.png"
MESSAGE = "management-message.png"
REJECTED = "management-rejected.png"
NAMES = (EXCHANGE, QUEUES, FILLING, MESSAGE, REJECTED)

# By the defaults of docker-compose.yml a user's password is its name.
LOOK, ADMINISTRATOR = "look", "guest"
SHOWN_SECONDS = 20.0
# The UI draws a minute; a node that is down for half of it makes a line that rises.
RISING_SECONDS = 35.0
WRITE_EVERY_SECONDS = 0.7
POISON = '{"event": "order placed", "id": 7}'


def main() -> int:
    """Make them all anew."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        cluster = ComposeCluster(Path(directory))
        try:
            cluster.up()
            make(PICTURES, cluster, browser)
        finally:
            cluster.remove()
    return 0


def make(pictures: Path, cluster: ComposeCluster, browser: Browser) -> None:
    """Put all pictures into this folder; the cluster, with node3 stopped in between, is whole again at the end."""
    draw = partial(_draw, pictures, cluster, browser)
    with _api(cluster) as api:
        _put_under_observation(cluster, api)
        draw(MESSAGE, _message)
        with _writing(cluster):
            draw(EXCHANGE, _exchange)
            cluster.run("stop", "node3")
            try:
                threading.Event().wait(RISING_SECONDS)
                draw(FILLING, _filling)
                draw(QUEUES, _queues)
            finally:
                cluster.run("start", "node3")
        poison = {"properties": {}, "routing_key": "", "payload": POISON, "payload_encoding": "string"}
        api.post("/exchanges/%2F/causalkv.writes/publish", json=poison).raise_for_status()
        draw(REJECTED, _rejected)


# Containers that come and go change the networks of this machine, and Chromium then gives up what it was loading.
@retry(stop=stop_after_attempt(3), retry=retry_if_exception_type((PlaywrightError, AssertionError)), reraise=True)
def _draw(
    pictures: Path,
    cluster: ComposeCluster,
    browser: Browser,
    name: str,
    draw: Callable[[ManagementPage, Path], None],
) -> None:
    # Each in a fresh profile: the UI remembers what was folded, and draws charts anew only where they are seen.
    with browser.new_context(viewport=WINDOW) as context:  # type: ignore[arg-type]  # a dict of int
        page = context.new_page()
        page.set_default_timeout(SHOWN_SECONDS * 1000)
        ui = ManagementPage(page, cluster.url("management"))
        ui.log_in(LOOK)
        draw(ui, pictures / name)


# -------------------------------------------------------------------------------- the single ones


def _exchange(ui: ManagementPage, file: Path) -> None:
    """The fanout, and a binding for each node."""
    ui.open("/exchanges/%2F/causalkv.writes")
    section = ui.turn("Bindings")
    expect(section.get_by_role("link", name=re.compile(r"^causalkv\.node\d$"))).to_have_count(3)
    expect(ui.page.locator("tr", has_text="Publish (In)").last).to_contain_text(re.compile(r"[1-9]\.\d/s"))
    bindings = section.locator(".bindings-wrapper table.list")
    frame(bindings)
    ui.shoot(file, bottom=bindings)


def _queues(ui: ManagementPage, file: Path) -> None:
    """The queue of the node that is down, beside those of the others."""
    ui.open("/queues")
    name = ui.page.locator("#queues-name")
    ui.page.locator("#queues-filter-regex-mode").check()
    name.fill("^causalkv")
    name.press("Enter")
    rows = ui.page.locator("table.list tbody tr")
    expect(rows).to_have_count(4)
    waiting = rows.filter(has_text="causalkv.node3").locator("td.r").first
    expect(waiting).to_have_text(re.compile(r"^\d\d+$"))
    frame(waiting)
    ui.shoot(file, bottom=ui.page.locator("table.list"))


def _filling(ui: ManagementPage, file: Path) -> None:
    """How it grows."""
    ui.open("/queues/%2F/causalkv.node3")
    chart = ui.page.locator("[id^=chart-lengths]")
    expect(chart.locator("canvas").first).to_be_visible()
    ui.shoot(file, bottom=chart)


def _message(ui: ManagementPage, file: Path) -> None:
    """A write that happened after another one, as its vector clock says."""
    ui.open("/queues/%2F/look.causalkv.writes")
    ui.get_messages(2)
    payload = ui.page.locator("pre.msg-payload").last
    expect(payload).to_contain_text('"node2~')
    _let_break(payload)
    highlight(payload.locator("b"))
    ui.shoot(file, top=ui.page.locator("h3", has_text="Message 2"), bottom=payload)


def _rejected(ui: ManagementPage, file: Path) -> None:
    """Poison, and why it is that."""
    ui.open("/queues/%2F/look.causalkv.rejected")
    ui.get_messages(1)
    highlight(ui.page.locator("tr", has_text="x-causalkv-reason").last.locator("td"))
    ui.shoot(file, bottom=ui.page.locator("pre.msg-payload"))


# ------------------------------------------------------------------------------------------ the UI


class ManagementPage:
    """The management UI, as a user sees it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    def log_in(self, user: str) -> None:
        """As a user whose password is its name."""
        self.page.goto(self._url)
        self.page.locator("input[name=username]").fill(user)
        self.page.locator("input[name=password]").fill(user)
        self.page.locator("input[type=submit]").click()
        expect(self.page.get_by_role("link", name="Overview", exact=True)).to_be_visible()

    def open(self, path: str) -> None:
        """Go to a page, and wait until it is drawn."""
        self.page.goto(f"{self._url}/#{path}")
        self.page.reload()
        # What slides into its place is somewhere else for a while.
        self.page.evaluate("jQuery.fx.off = true")
        expect(self.page.locator("#main h1")).to_be_visible()

    def turn(self, title: str) -> Locator:
        """Unfold a part of the page that is folded, or the other way round."""
        section = self.page.locator("div[class^=section]").filter(has=self.page.locator(f"h2:text-matches('^{title}')"))
        section.locator("h2").click()
        return section

    def get_messages(self, count: int) -> None:
        """Read messages, which stay where they are."""
        self.turn("Overview")
        section = self.turn("Get messages")
        section.locator("input[name=count]").fill(str(count))
        section.locator("input[type=submit]").click()
        expect(section.locator("pre.msg-payload")).to_have_count(count)

    def shoot(self, file: Path, *, bottom: Locator, top: Locator | None = None) -> None:
        """Save the page from its top, or from an element, to another one."""
        shoot(self.page, file, top=top or self.page.locator("#outer"), bottom=bottom)


def _let_break(payload: Locator) -> None:
    """Make the vector clock an element of its own, and let the line break behind commas.

    In the UI a long line is scrolled; a picture cannot be.
    """
    payload.evaluate(
        """pre => {
          const breaking = text => text.split(/(?<=,)/).flatMap(part => [part, document.createElement("wbr")]);
          pre.style.whiteSpace = "pre-wrap";
          const [before, clock, after] = pre.textContent.split(/("vector_clock":\\{.*?\\})/);
          const marked = document.createElement("b");
          marked.style.display = "inline-block";
          marked.append(clock);
          pre.replaceChildren(...breaking(before), marked, ...breaking(after));
        }"""
    )


# ------------------------------------------------------------------------------------- the cluster


def _api(cluster: ComposeCluster) -> httpx.Client:
    return httpx.Client(
        base_url=f"{cluster.url('management')}/api", auth=(ADMINISTRATOR, ADMINISTRATOR), trust_env=False
    )


def _put(cluster: ComposeCluster, node: str, key: str, value: object) -> None:
    cluster.http.post(f"{cluster.url(node)}/put", json={"key": key, "value": value}).raise_for_status()


def _put_under_observation(cluster: ComposeCluster, api: httpx.Client) -> None:
    """A write, and one at another node that happened after it, copied to the queue that is there to be looked at."""
    binding = "/bindings/%2F/e/causalkv.writes/q/look.causalkv.writes"
    api.post(binding, json={}).raise_for_status()
    try:
        _put(cluster, "node1", "tea", {"price": 5})
        eventually(lambda: cluster.status("node2")["vc"] == cluster.status("node1")["vc"], "node2 has it")
        _put(cluster, "node2", "tea", {"price": 6})
        eventually(lambda: cluster.status("node2")["outbox"] == 0, "it is published")
    finally:
        api.delete(f"{binding}/~").raise_for_status()


@contextmanager
def _writing(cluster: ComposeCluster) -> Iterator[None]:
    """Some writes all the while, at two nodes in turn."""
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.wait(WRITE_EVERY_SECONDS):
            number += 1
            _put(cluster, f"node{number % 2 + 1}", f"order/{number}", {"total": number})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
