"""Fixtures that every test may use, and how tests are dealt out to several workers."""

from __future__ import annotations

import gc
import os
import signal
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

from infra import ports
from tests.support.cluster import NodeUnderTest
from tests.support.node_processes import ForkedNode

if TYPE_CHECKING:
    from xdist.remote import Producer

pytest_plugins = ["tests.support.broker_fixtures"]

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would the programs that they interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NodeUnderTest.begin = ForkedNode

# Nothing holds a port between its choice and its use: each worker chooses among ports of its own, which the programs
# that it starts by command do not choose from.
_PORTS = range(16_000, 24_000)
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_SHARE = len(_PORTS) // _WORKERS
ports.OWN_PORTS = _PORTS[_WORKER * _SHARE :][:_SHARE]

# Files that must not run beside each other: Docker Compose and the demo publish well-known ports.
ALONE = ("tests/e2e/", "tests/integration/test_demo_script.py")
# The simulator keeps all processors busy by itself. A browser is as much work as a node: one at a time.
TOGETHER: dict[str, str | tuple[str, ...]] = {
    "alone": ALONE,
    "simulation": "tests/simulation/",
    "browser": "tests/browser/",
}
# What takes long begins early, so that no worker is left with it at the end.
LONG_FIRST = (
    "tests/test_types.py",
    "tests/simulation/",
    *ALONE,
    "tests/browser/",
    "tests/integration/crash/",
    "tests/integration/force/test_chaos.py",
    "tests/integration/documentation/test_pages",
    "tests/integration/broker_users/test_cluster_life.py",
    "tests/integration/client/",
    "tests/integration/healing/",
    "tests/integration/scenarios/",
    "tests/integration/transport/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones; then files of all kinds in turns, because some mostly work and others mostly wait."""
    kinds: dict[str, list[str]] = {}
    for file in dict.fromkeys(_file(item.nodeid) for item in items):
        kinds.setdefault(file.split("/")[1], []).append(file)
    turns = {file: number / len(files) for files in kinds.values() for number, file in enumerate(files)}
    items.sort(key=lambda item: (_place(item.nodeid), turns[_file(item.nodeid)]))


def _file(node_id: str) -> str:
    return node_id.partition("::")[0]


def pytest_collection_finish() -> None:
    """The thousands of tests that were found are no garbage: it is not looked for among them again and again."""
    gc.freeze()


def _place(node_id: str) -> int:
    return next((place for place, start in enumerate(LONG_FIRST) if node_id.startswith(start)), len(LONG_FIRST))


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Deals out whole files, whose tests share fixtures, in their order; and some files together."""

    def _split_scope(self, nodeid: str) -> str:
        file = _file(nodeid)
        return next((name for name, start in TOGETHER.items() if file.startswith(start)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling:
    """How tests are dealt out when several run at a time (``-n``)."""
    config.option.loadscopereorder = False
    return FileScheduling(config, log)
