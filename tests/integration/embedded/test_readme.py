"""The example of an embedded replica in the README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_example_in_the_readme_runs(tmp_path: Path) -> None:
    """Word for word, in an empty directory; about ten lines, and it prints what was written."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    [example] = [block for block in blocks if "from node import Replica" in block]
    assert len([line for line in example.splitlines() if line.strip()]) <= 11
    ended = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "{'price': 5} 1\n{'price': 5}\n"
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"node1", "node2"}
