"""Pictures of the dashboard: ``python -m tests.pictures.dashboard``.

Three real nodes over a real broker, one fresh cluster for each picture, in a real Chromium. Its messages are late on
purpose, so that there is something to see.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from client import Client
from tests.browser.chromium import WatchedPage
from tests.pictures.screenshots import PICTURE_MAX_BYTES, PICTURES, chromium
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, FloatRect

WIDTH = 1200
DIAGRAM_HEIGHT, CLUSTER_HEIGHT = 618, 1240
# The bar at the top of the page says nothing that the pictures are about.
BAR_HEIGHT = 66
LATE_SECONDS = 600.0
SECONDS = 30.0


def main() -> int:
    """Make them all anew."""
    with PrivateBroker() as broker, chromium() as browser:
        _held(browser, broker)
        _concurrent(browser, broker)
    return 0


@contextmanager
def _shown(browser: Browser, broker: PrivateBroker, name: str) -> Iterator[tuple[ClusterUnderTest, WatchedPage]]:
    """A cluster that has played the founding scenario, and its page."""
    with (
        tempfile.TemporaryDirectory() as directory,
        ClusterUnderTest(Path(directory), broker.url, cluster=name, CAUSALKV_FAULTS="1") as cluster,
        browser.new_context(viewport={"width": WIDTH, "height": DIAGRAM_HEIGHT}, reduced_motion="reduce") as context,
    ):
        page = WatchedPage(context.new_page(), [node.url for node in cluster])
        page.open(cluster["node1"].url)
        page.reaches(cluster)
        yield cluster, page
        assert page.wrong == [], page.wrong


def _held(browser: Browser, broker: PrivateBroker) -> None:
    """The answer has reached node3, the question that it answers has not."""
    with _shown(browser, broker, "held") as (cluster, page), Client(cluster.urls.split(",")) as client:
        session = client.session()
        session.put("x", "5", node="node1")
        session.put("x", "10", node="node2")
        session.put("y", "15", node="node3")
        cluster.quiesce()
        _fault(cluster, "node3", delay={"node1": LATE_SECONDS})
        session.put("question", "shall we meet?", node="node1")
        session.get("question", node="node2")
        session.put("answer", "yes, at noon", node="node2")
        wait_until(lambda: cluster["node3"].status()["held"] == 1, "node3 holds the answer", SECONDS)
        page.sees(page.page, "5 writes")
        # The last mark is that of the answer at one of the nodes; node3's is the bar.
        _choose(page, "End", "ArrowDown", "ArrowDown", "End", "Enter")
        page.sees(page.panel("The selected write"), "node3")
        _picture(page, "diagram-held.png")
        page.page.set_viewport_size({"width": WIDTH, "height": CLUSTER_HEIGHT})
        page.go("Cluster")
        page.sees(page.panel("Held writes"), "node3 holds 1 write")
        page.sees(page.panel("Vector clocks"), "lacks 2 writes")
        page.page.evaluate("document.activeElement.blur()")
        _picture(page, "cluster-held.png")


def _concurrent(browser: Browser, broker: PrivateBroker) -> None:
    """Two people write one key, neither knowing of the other; a third one settles it."""
    with _shown(browser, broker, "conflict") as (cluster, page), Client(cluster.urls.split(",")) as client:
        _fault(cluster, "node1", delay={"node2": LATE_SECONDS})
        _fault(cluster, "node2", delay={"node1": LATE_SECONDS})
        red, blue = client.session(), client.session()
        red.put("color", "red", node="node1")
        blue.put("color", "blue", node="node2")
        settled = client.session(red.token | blue.token)
        settled.get("color", node="node3")
        settled.put("color", "purple", node="node3")
        for node in ("node1", "node2"):
            _fault(cluster, node, clear=True)
        cluster.quiesce()
        page.sees(page.page, "3 writes")
        _choose(page, "Home", "ArrowUp", "ArrowUp", "Home", "Enter")
        page.sees(page.panel("The selected write"), "color")
        _picture(page, "diagram-concurrent.png")


def _fault(cluster: ClusterUnderTest, node: str, **faults: object) -> None:
    cluster[node].http.post("/faults", json=faults).raise_for_status()


def _choose(page: WatchedPage, *keys: str) -> None:
    """Walk over the diagram by these keys."""
    page.press("All")
    page.page.get_by_role("application").focus()
    for key in keys:
        page.page.keyboard.press(key)


def _picture(page: WatchedPage, name: str) -> None:
    height = page.page.evaluate("innerHeight")
    below_bar: FloatRect = {"x": 0, "y": BAR_HEIGHT, "width": WIDTH, "height": height - BAR_HEIGHT}
    image = page.page.screenshot(path=PICTURES / name, animations="disabled", clip=below_bar)
    assert len(image) <= PICTURE_MAX_BYTES, f"{name}: {len(image)} bytes, at most {PICTURE_MAX_BYTES}"


if __name__ == "__main__":
    sys.exit(main())
