"""Fixtures that every test may use, and how tests are dealt out to several workers."""

from __future__ import annotations

import pytest

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together (they share its fixtures), and begin with the long ones."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        group = next((name for name, start in TOGETHER.items() if file.startswith(start)), file)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: _place(item.nodeid))


def _place(node_id: str) -> int:
    return next((place for place, start in enumerate(LONG_FIRST) if node_id.startswith(start)), len(LONG_FIRST))
