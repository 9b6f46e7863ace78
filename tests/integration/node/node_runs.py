"""Single node processes for tests: those that end by themselves, and what they leave on their outputs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from infra.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

END_TIMEOUT_SECONDS = 60.0


class Ending(NamedTuple):
    """How a process ended, and what it said."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def line(self) -> str:
        """The one line on stderr; fails the test when there are more, or fewer."""
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        assert self.stdout == ""
        assert lines[0].startswith("causalkv: ")
        return lines[0].removeprefix("causalkv: ")


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    """A node's environment: this process's, without settings of its own, and these ``CAUSALKV_`` variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAUSALKV_")}
    settings = {
        "NODE_ID": "node1",
        "AMQP_URL": "memory://",
        "HTTP_PORT": str(free_port()),
        "DATA_DIR": str(data_dir),
        **variables,
    }
    return inherited | {f"CAUSALKV_{name}": value for name, value in settings.items()}


def run_to_its_end(variables: Mapping[str, str], *arguments: str, module: str = "node") -> Ending:
    """Run a node that is expected to end by itself."""
    result = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT_SECONDS,
        check=False,
    )
    return Ending(result.returncode, result.stdout, result.stderr)
