"""Fixtures of the browser tests: Chromium, a cluster of real nodes over a real broker, and a page that is watched."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import WIDE, WatchedPage, launched
from tests.browser.diagram_page import diagram, diagram_site, modules
from tests.browser.held_story import story
from tests.support.cluster import ClusterUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.support.broker import PrivateBroker

# Fixtures of the tests of the diagram alone.
__all__ = ["diagram", "diagram_site", "modules", "story"]

HERE = "tests/browser/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here need a browser."""
    for item in items:
        if item.nodeid.startswith(HERE):
            item.add_marker("browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of a file; its event loop would be in the way of those of other files."""
    yield from launched()


@pytest.fixture(scope="package")
def cluster(broker: PrivateBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Three nodes with faults on, for all tests: each uses keys of its own, and leaves no node down and no fault."""
    with ClusterUnderTest(
        tmp_path_factory.mktemp("browser"),
        broker.url,
        cluster=f"browser-{secrets.token_hex(4)}",
        CAUSALKV_FAULTS="1",
        CAUSALKV_REPAIR_AFTER_SECONDS="1",
    ) as started:
        yield started


@pytest.fixture
def calm(cluster: ClusterUnderTest) -> Iterator[ClusterUnderTest]:
    """The cluster, free of faults and quiet before and after a test that disturbs it."""
    yield cluster
    for node in cluster:
        if not node.runs:
            node.start()
            node.wait_ready()
        node.http.post("/faults", json={"clear": True}).raise_for_status()
    cluster.quiesce()


@pytest.fixture
def page(browser: Browser, cluster: ClusterUnderTest) -> Iterator[WatchedPage]:
    """A page in a fresh profile, not opened yet; whatever goes wrong in it fails the test."""
    with browser.new_context(viewport=WIDE, reduced_motion="reduce") as context:  # type: ignore[arg-type]  # a dict of int
        watched = WatchedPage(context.new_page(), [node.url for node in cluster])
        yield watched
        assert watched.wrong == []


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    """Where screenshots go."""
    return tmp_path
