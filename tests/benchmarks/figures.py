"""What the benchmarks share: running wrk, percentiles, and the table of results against targets."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One result: what was measured, the ceiling of the same run, their ratio, and the target for it."""

    what: str
    measured: str
    ceiling: str
    ratio: float
    target: str
    is_met: bool


def print_figures(title: str, figures: list[Figure]) -> int:
    """Print a table; 0 when every target is met, else 1."""
    table = Table("what", "measured", "ceiling in this run", "ratio", "target", "met", title=title)
    for figure in figures:
        table.add_row(
            figure.what,
            figure.measured,
            figure.ceiling,
            f"{figure.ratio:.2f}",
            figure.target,
            "yes" if figure.is_met else "NO",
        )
    Console(width=140).print(table)
    return 0 if all(figure.is_met for figure in figures) else 1


def p50(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def wrk_puts(url: str, *, connections: int, seconds: float) -> float:
    """Requests a second that wrk gets through with POST of a small put, each with a key of its own out of 10 000.

    Raises RuntimeError when answers were errors.
    """
    script = (
        "local n = 0\n"
        "local base = 0\n"
        "function setup(thread) base = base + 1000000; thread:set('base', base) end\n"
        "function request()\n"
        "  n = n + 1\n"
        '  local body = string.format(\'{"key":"key%d","value":"value-%d"}\', n % 10000, n)\n'
        f"  return wrk.format('POST', '{_path(url)}', {{['Content-Type']='application/json'}}, body)\n"
        "end\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        lua = Path(directory) / "puts.lua"
        lua.write_text(script)
        return run_wrk(url, connections=connections, seconds=seconds, options=["-s", str(lua)])


def run_wrk(
    url: str, *, connections: int, seconds: float, options: list[str] | None = None, may_fail: bool = False
) -> float:
    """Requests a second; raises RuntimeError without wrk, or when answers were errors and ``may_fail`` is not set."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed: apt-get install wrk")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", *(options or []), url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in printed and not may_fail:
        raise RuntimeError(f"answers were errors:\n{printed}")
    found = re.search(r"(\d+) requests in ([0-9.]+)(m?s)", printed)
    if found is None:
        raise RuntimeError(f"wrk printed no count:\n{printed}")
    return int(found[1]) / (float(found[2]) * (0.001 if found[3] == "ms" else 1))


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]
