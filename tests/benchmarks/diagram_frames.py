"""How smooth the diagram stays with 10 000 events: ``python -m tests.benchmarks.diagram_frames`` prints frame times.

In headless Chromium without a graphics card, so all painting is done by the processor: a worst case. What the page
needs for a frame is its own time (``frameMs``: placing, painting, panels); the interval between frames is the
browser's, too. While events stream in the picture follows the newest; then everything is in sight at once.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from infra.chromium import find_chromium
from tests.browser.chromium import ARGUMENTS
from tests.browser.diagram_page import DiagramPage
from tests.support.causal_history import busy_history
from tests.support.static_files import StaticFiles

if TYPE_CHECKING:
    from playwright.sync_api import Page

EVENTS_MAX = 10_000
RATE_PER_SECOND = 200
SECONDS = 5
WRITES = 1_900
VIEWPORT = {"width": 1400, "height": 900}

MEASURE = """async ([seconds, rate, pan, events]) => {
  const [intervals, own] = [[], []];
  let told = 0;
  let { frames } = diagram;
  const began = performance.now();
  let before = began;
  for (;;) {
    const now = await new Promise((resolve) => requestAnimationFrame(resolve));
    intervals.push(now - before);
    before = now;
    if (performance.now() - began > seconds * 1000) break;
    if (pan !== 0) {
      const init = { deltaX: Math.sin(intervals.length / 40) * pan, bubbles: true, cancelable: true };
      diagram.canvas.dispatchEvent(new WheelEvent("wheel", init));
    }
    const due = Math.min(events.length, Math.floor(((performance.now() - began) / 1000) * rate));
    for (; told < due; told += 1) feed.say("event", events[told]);
    await new Promise((resolve) => setTimeout(resolve));
    if (diagram.frames > frames) own.push(diagram.frameMs);
    frames = diagram.frames;
  }
  return { intervals: intervals.slice(2), own, told };
}"""


def main() -> None:
    """Measure, and print a line for each case."""
    events = busy_history(WRITES).in_time()
    stream = events[EVENTS_MAX : EVENTS_MAX + RATE_PER_SECOND * SECONDS]
    with StaticFiles() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        print(f"{EVENTS_MAX} events, {VIEWPORT['width']} px wide; times in ms: median, 95 %, greatest")  # noqa: T201
        for mode in ("causal", "wall"):
            for sight in ("usual", "all"):
                for selected in (None, "node2~bbbb:300"):
                    for what, pan, coming in (("pan", 60, []), ("stream", 0, stream), ("pan+stream", 60, stream)):
                        page = browser.new_page(viewport=VIEWPORT)  # type: ignore[arg-type]  # a dict of int
                        found = case(page, site.url, events[:EVENTS_MAX], coming, mode, sight, selected, pan)
                        name = f"{mode:6} {sight:5} {'selected' if selected else '-':8} {what:10}"
                        own, between = spread(found["own"]), spread(found["intervals"])
                        print(f"{name}  own {own}   between frames {between}", flush=True)  # noqa: T201
                        page.close()
        browser.close()


def case(  # noqa: PLR0917  # one line of the table each
    page: Page, url: str, events: list[Any], coming: list[Any], mode: str, sight: str, selected: str | None, pan: int
) -> dict[str, Any]:
    """One measurement in a fresh page."""
    diagram = DiagramPage(page, url)
    diagram.tell(events)
    press = """act => diagram.toolbar.element.querySelector(`[data-act="${act}"]`).click()"""
    page.evaluate(press, f"layout {mode}")
    if selected is not None:
        page.evaluate("dot => diagram.select(dot)", selected)
    page.evaluate(press, "fit" if sight == "all" else "follow")
    diagram.settle()
    found: dict[str, Any] = page.evaluate(MEASURE, [SECONDS, RATE_PER_SECOND, pan, coming])
    return found


def spread(times: list[float]) -> str:
    """Median, 95th percentile, and the greatest."""
    if len(times) < 2:
        return "-"
    return f"{statistics.median(times):6.1f} {statistics.quantiles(times, n=20)[-1]:6.1f} {max(times):6.1f}"


if __name__ == "__main__":
    main()
