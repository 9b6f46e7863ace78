"""Which pages are followed where, and the few commands in them that are tried elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Place = Literal["nodes", "nodes with faults", "own broker", "compose"]

PLACES: dict[str, tuple[Place, ...]] = {
    "README.md": ("nodes", "compose"),
    "docs/client.md": ("nodes",),
    "docs/embedded.md": ("nodes",),
    "docs/guarantees.md": ("nodes with faults",),
    "docs/http.md": ("nodes",),
    "docs/inspect-rabbitmq.md": ("compose",),
    "docs/lessons.md": ("nodes with faults", "compose"),
    "docs/operations.md": ("compose",),
    "docs/security.md": ("own broker",),
    "docs/troubleshooting.md": ("nodes with faults",),
    "docs/tutorial.md": ("nodes with faults",),
}
"""Where the blocks of each page are followed, in their order; of two places, Docker Compose gets those that name it."""

RUNNABLE = ("sh", "python")
PRINTED = ("", "text", "console")
"""What stands below something runnable and is what that prints; with a name behind it, a text that NAMED holds."""
NAMED: dict[tuple[str, str], str] = {
    ("docs/client.md", "errors"): "tests/integration/documentation/test_client_reference.py"
    "::test_the_tree_of_errors_is_that_of_the_program",
}
"""Texts that are not printed by the block above them, by page and name: the test that holds each."""
FILES = ("ini", "nginx", "yaml")
"""A file: what follows the language is its place. It is put there, and one of settings is used by its program."""
PARSED = ("json",)
"""What is for reading, and well formed. A block of any other language than these makes the test fail."""


@dataclass(frozen=True, slots=True)
class CoveredElsewhere:
    """A command of a page that its own test runs; ``instead`` is what the page's cluster needs of it."""

    page: str
    command: str
    test: str
    instead: str = ":"


COVERED_ELSEWHERE = (
    CoveredElsewhere(
        "README.md",
        "./infra/demo",
        "tests/integration/test_demo_script.py::test_it_starts_an_installed_broker_plays_the_scenario_and_stops_everything",
        instead="python -m client demo",
    ),
    CoveredElsewhere(
        "docs/lessons.md",
        "CAUSALKV_FAULTS=1 ./infra/demo --keep",
        "tests/integration/test_demo_script.py::test_kept_it_runs_until_ctrl_c_and_tells_of_a_node_that_ends",
        instead="python -m client demo",
    ),
)
