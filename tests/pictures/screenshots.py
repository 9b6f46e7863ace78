"""What all makers of screenshots share: where pictures go, a browser, and cutting out what matters."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.chromium import launched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, FloatRect, Locator, Page

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
# What a page of docs may load for one picture.
PICTURE_MAX_BYTES = 150_000
# So high that nothing has to be scrolled.
WINDOW = {"width": 1100, "height": 2000}
MARGIN = 12
FRAME = "3px solid #d0342c"
MARKER = "#ffe08a"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, for the time of the context; AssertionError or a skip where there is none, see ``launched``."""
    yield from launched()


def frame(element: Locator) -> None:
    """Draw a red frame around what the text beside the picture speaks of."""
    element.evaluate("(element, line) => { element.style.outline = line; element.style.outlineOffset = '2px'; }", FRAME)


def highlight(element: Locator) -> None:
    """The same for words among others, as with a felt-tip marker."""
    element.evaluate("(element, colour) => { element.style.background = colour; }", MARKER)


def shoot(page: Page, file: Path, *, top: Locator, bottom: Locator) -> None:
    """Save what stands from one element to another, over the whole width. AssertionError when it is too large."""
    image = page.screenshot(path=file, clip=_between(top, bottom), animations="disabled", caret="hide")
    assert len(image) <= PICTURE_MAX_BYTES, f"{file.name}: {len(image)} bytes, at most {PICTURE_MAX_BYTES}"


def _between(top: Locator, bottom: Locator) -> FloatRect:
    first, last = top.bounding_box(), bottom.bounding_box()
    assert first is not None, f"{top} is not to be seen"
    assert last is not None, f"{bottom} is not to be seen"
    begin, end = max(0.0, first["y"] - MARGIN), last["y"] + last["height"] + MARGIN
    assert begin < end <= WINDOW["height"], f"{bottom} is not below {top}, or does not fit into the window"
    return {"x": 0.0, "y": begin, "width": float(WINDOW["width"]), "height": end - begin}
