"""The diagram alone in a real Chromium: a page with a feed that tests speak to."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

import pytest
from playwright.sync_api import TimeoutError as NotInTimeError

from tests.browser.chromium import OPENED_AGAIN_MAX, again_if_cut_off
from tests.support.static_files import StaticFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playwright.sync_api import Browser, Page

LOADED_MS = 10_000
IMPORT = """async () => {
  const { createTrace } = await import("./dashboard/trace.js");
  const { createLayout } = await import("./dashboard/layout.js");
  window.built = (events, mode = "causal", maxEvents = 10000) => {
    const trace = createTrace({ maxEvents });
    const layout = createLayout(trace, mode);
    window.taken = events.map((event) => trace.add(event));
    return { trace, layout };
  };
}"""
NODES = ("node1", "node2", "node3")


@pytest.fixture(scope="session")
def diagram_site() -> Iterator[StaticFiles]:
    """The dashboard's files on a server of their own."""
    with StaticFiles() as site:
        yield site


@pytest.fixture(scope="module")
def modules(browser: Browser, diagram_site: StaticFiles) -> Iterator[Page]:
    """A page with the pure modules at hand: ``built(events, mode, maxEvents)`` makes a trace and its layout."""
    page = browser.new_page()

    def load() -> None:
        page.goto(f"{diagram_site.url}/diagram.html")
        page.evaluate(IMPORT)

    again_if_cut_off(load)
    yield page
    page.close()


@pytest.fixture
def diagram(browser: Browser, diagram_site: StaticFiles) -> Iterator[DiagramPage]:
    """An empty diagram of three nodes; whatever the page says on its console fails the test."""
    page = browser.new_page(viewport={"width": 1360, "height": 1000}, reduced_motion="reduce")
    with DiagramPage(page, diagram_site.url) as opened:
        yield opened
    page.close()


class DiagramPage:
    """What a test does with the page, and sees on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self._url = f"{url}/diagram.html"
        self.canvas = page.locator(".cd-stage canvas")
        self.live = page.locator("p[aria-live]")
        self.details = page.locator(".cd-details")
        self.open()

    def open(self) -> None:
        """Load the page, with three nodes and no events."""
        for times in range(1, OPENED_AGAIN_MAX + 1):
            again_if_cut_off(lambda: self.page.goto(self._url))
            # Docker adds and removes network interfaces of this machine, and Chromium then gives up what it loads.
            # Each time it is given longer: a machine under load may be as slow the next time.
            with contextlib.suppress(NotInTimeError):
                self.canvas.wait_for(timeout=LOADED_MS * times)
                break
        else:
            pytest.fail(f"the diagram does not come up: {self.said}")
        self.said.clear()
        self.meet(*NODES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            assert not self.said, self.said

    def meet(self, *nodes: str, **states: str) -> None:
        """The feed knows these nodes; ``states`` of those that are not connected."""
        known = [{"id": node, "state": states.get(node, "connected"), "status": None} for node in nodes]
        self.page.evaluate("nodes => { feed.nodes = nodes; feed.say('nodes', nodes); }", known)

    def tell(self, events: Iterable[Any]) -> None:
        """The feed brings these events, in this order."""
        self.page.evaluate("events => { for (const event of events) feed.say('event', event); }", list(events))
        self.settle()

    def gap(self, node: str, dropped: int | None) -> None:
        """The feed tells of a gap."""
        self.page.evaluate("gap => feed.say('gap', gap)", {"node": node, "dropped": dropped})

    def settle(self) -> None:
        """Wait until everything stands in its exact place and the panels say so."""
        self.page.evaluate(
            """async () => {
              const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
              for (let turn = 0; turn < 200; turn += 1) {
                await frame();
                if (stats().isSettled) return;
              }
              throw new Error("the diagram did not come to rest");
            }"""
        )

    def click_mark(self, dot: str, node: str, **options: Any) -> None:
        """Click the mark of a write at a node."""
        place = self.place_of(dot, node)
        self.page.keyboard.down("Shift") if options.pop("shift", False) else None
        self.page.mouse.click(place["x"], place["y"], **options)
        self.page.keyboard.up("Shift")
        self.settle()

    def hover_mark(self, dot: str, node: str) -> None:
        """Point at the mark of a write at a node."""
        place = self.place_of(dot, node)
        self.page.mouse.move(place["x"], place["y"])
        self.settle()

    def place_of(self, dot: str, node: str) -> dict[str, float]:
        """Where that mark is on the page."""
        place: dict[str, float] | None = self.page.evaluate("([dot, node]) => placeOf(dot, node)", [dot, node])
        assert place is not None, f"{dot} has no mark at {node}"
        return place

    def press(self, *keys: str) -> None:
        """Press keys while the picture has the focus."""
        self.canvas.focus()
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def touch(self, start: list[tuple[float, float]], end: list[tuple[float, float]]) -> None:
        """Put fingers down at ``start``, move them to ``end`` in some steps, and lift them."""
        session = self.page.context.new_cdp_session(self.page)

        def send(kind: str, points: list[tuple[float, float]]) -> None:
            touches = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

        send("touchStart", start)
        for step in (0.25, 0.5, 0.75, 1.0):
            moved = [(x + (u - x) * step, y + (v - y) * step) for (x, y), (u, v) in zip(start, end, strict=True)]
            send("touchMove", moved)
        send("touchEnd", [])
        self.settle()

    def colour(self, name: str) -> list[int]:
        """A colour of the picture, by its name in diagram.css, as numbers for red, green and blue."""
        text = self.page.evaluate(
            "name => getComputedStyle(diagram.root).getPropertyValue(`--${name}`).trim()", name
        ).lstrip("#")
        return [int(text[place : place + 2], 16) for place in (0, 2, 4)]

    def has_colour(self, left: float, right: float, y: float, colour: list[int]) -> bool:
        """Whether the picture has this colour anywhere between two points, three px up and down included."""
        return bool(
            self.page.evaluate(
                """([left, right, y, colour]) => {
                  const box = diagram.canvas.getBoundingClientRect();
                  const copy = document.createElement("canvas");
                  [copy.width, copy.height] = [Math.max(1, Math.round((right - left) * devicePixelRatio)), 7];
                  const ctx = copy.getContext("2d", { willReadFrequently: true });
                  const [x, top] = [(box.left - left) * devicePixelRatio, (box.top - y) * devicePixelRatio + 3];
                  ctx.drawImage(diagram.canvas, x, top);
                  const { data } = ctx.getImageData(0, 0, copy.width, copy.height);
                  const isPart = (at) => (part, index) => Math.abs(part - data[at + index]) < 30;
                  const isIt = (at) => data[at + 3] > 100 && colour.every(isPart(at));
                  return [...Array(data.length / 4).keys()].some((px) => isIt(4 * px));
                }""",
                [left, right, y, colour],
            )
        )

    def drawn_texts(self) -> list[str]:
        """The texts of a frame of the picture."""
        texts: list[str] = self.page.evaluate(
            """async () => {
              const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
              const { fillText } = CanvasRenderingContext2D.prototype;
              const texts = [];
              diagram.ctx.fillText = (text, ...place) => {
                texts.push(text);
                fillText.call(diagram.ctx, text, ...place);
              };
              document.dispatchEvent(new Event("themechange"));
              await frame();
              await frame();
              delete diagram.ctx.fillText;
              return texts;
            }"""
        )
        return texts

    @property
    def stats(self) -> dict[str, Any]:
        """What the diagram says of its own work."""
        stats: dict[str, Any] = self.page.evaluate("stats()")
        return stats
