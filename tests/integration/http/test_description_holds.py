"""What schemathesis makes of the description: many requests, right ones and wrong ones, to a real node."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.http.conftest import serving

if TYPE_CHECKING:
    from tests.integration.http.conftest import ServedNode

CONFIG = Path(__file__).parent / "schemathesis.toml"
ROOT = Path(__file__).parents[3]
LINE_SHOWN_CHARACTERS = 300
# Two as the configuration says; schemathesis leaves out where it got the description from by itself.
LEFT_OUT = {"/faults", "/watch", "/openapi.json"}


def run_schemathesis(url: str, *options: str) -> tuple[int, str]:
    """Its exit code and what it printed, long lines cut."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{url}/openapi.json"]
    # It keeps what it found where it runs; the hooks are found from the root.
    with tempfile.TemporaryDirectory(prefix="causalkv-") as directory:
        done = subprocess.run(
            [*command, *options],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )
    lines = (done.stdout + done.stderr).splitlines()
    return done.returncode, "\n".join(line[:LINE_SHOWN_CHARACTERS] for line in lines)


@pytest.mark.slow
def test_every_answer_to_generated_requests_is_as_described(tmp_path: Path) -> None:
    """Right requests are carried out, wrong ones refused; each answer has a described status, headers and body."""
    with serving(tmp_path, value_max_bytes=100_000) as node:
        operations = described_operations(node)
        code, printed = run_schemathesis(node.url, "--phases", "examples,coverage,fuzzing", "--continue-on-failure")
        assert code == 0, printed
        assert re.search(rf"Tested: {operations}\b", printed), printed
        assert node.put("after", 1).status_code == 200


def described_operations(node: ServedNode) -> int:
    """How many operations the description lists, without those that are left out."""
    paths = node.http.get("/openapi.json").json()["paths"]
    return sum(len(methods) for path, methods in paths.items() if path not in LEFT_OUT)
