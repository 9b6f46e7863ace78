"""Fixtures that every test may use, and how tests are dealt out to several workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

pytest_plugins = ["tests.support.broker_fixtures"]

# Files that must not run beside each other: Docker Compose and the demo publish well-known ports.
ALONE = ("tests/e2e/", "tests/integration/test_demo_script.py")
# The simulator keeps all processors busy by itself.
TOGETHER: dict[str, str | tuple[str, ...]] = {"alone": ALONE, "simulation": "tests/simulation/"}
# What takes long begins early, so that no worker is left with it at the end.
LONG_FIRST = (
    "tests/integration/crash/",
    "tests/simulation/",
    "tests/integration/force/test_chaos.py",
    *ALONE,
    "tests/integration/healing/",
    "tests/integration/scenarios/",
    "tests/integration/transport/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones."""
    items.sort(key=lambda item: _place(item.nodeid))


def _place(node_id: str) -> int:
    return next((place for place, start in enumerate(LONG_FIRST) if node_id.startswith(start)), len(LONG_FIRST))


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Deals out whole files, whose tests share fixtures, in their order; and some files together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((name for name, start in TOGETHER.items() if file.startswith(start)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling:
    """How tests are dealt out when several run at a time (``-n``)."""
    config.option.loadscopereorder = False
    return FileScheduling(config, log)
