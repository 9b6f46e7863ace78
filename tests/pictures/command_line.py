"""Pictures of what the command line prints: ``python -m tests.pictures.command_line``.

Three real nodes over a real broker, one for all pictures; each picture is what a command printed, set as a terminal
shows it. An SVG needs no font of another host, and stays text.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.pictures.screenshots import PICTURES
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest

PAPER, INK = (24, 26, 31), (222, 226, 232)
THEME = TerminalTheme(PAPER, INK, [PAPER, (240, 113, 105), (126, 198, 117), (222, 178, 91), (110, 168, 254)] * 2)
# What rich fills in; its own form loads a font from another host.
FORM = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, "DejaVu Sans Mono", monospace; }}
.{unique_id}-title {{ font: bold 16px system-ui, sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
# What the eye should find: steps, what is held and waits, what a node lacks, and why.
STYLES = {
    r"^Step \d.*$": "bold color(4)",
    r"(?m)^  \(?Why: [^\n]*(?:\n  (?!\w+ +\d)[^\n]+)*": "color(3)",
    r"holds .*: waits for .*$|\bheld\b(?!:)|\bwaits for node\S+$": "bold color(1)",
    r"\breleased\b": "color(3)",
    r"\d+\*": "bold color(1)",
    r"\[\d[\d, ]*\]": "color(2)",
    r"^\$ .*$": "bold",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A file, and the command that it shows."""

    name: str
    command: tuple[str, ...]


PLAYED = (
    Picture("lesson-held.svg", ("demo", "--scenario", "held")),
    # What happened to the lesson's two writes.
    Picture("events-held.svg", ("events", "--limit", "14")),
)


def main() -> int:
    """Make them all anew."""
    with (
        PrivateBroker() as broker,
        tempfile.TemporaryDirectory() as directory,
        ClusterUnderTest(Path(directory), broker.url, CAUSALKV_FAULTS="1") as cluster,
    ):
        make(PICTURES, cluster.urls)
    return 0


def make(pictures: Path, urls: str) -> None:
    """Play at a fresh cluster that allows faults, and put what is printed into this folder."""
    with tempfile.TemporaryDirectory() as state:
        environment = {"CAUSALKV_URLS": urls, "CAUSALKV_STATE_DIR": state}
        _printed(("demo",), environment)
        for picture in PLAYED:
            printed = _printed(picture.command, environment)
            (pictures / picture.name).write_text(_svg(picture, printed), encoding="utf-8")


def _printed(command: tuple[str, ...], environment: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "client", *command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return ended.stdout


def _svg(picture: Picture, printed: str) -> str:
    command = f"python -m client {' '.join(picture.command)}"
    lines = [f"$ {command}", *(line.rstrip() for line in printed.strip("\n").splitlines()), ""]
    text = Text("\n".join(lines))
    for pattern, style in STYLES.items():
        for found in re.finditer(pattern, text.plain, re.MULTILINE):
            text.stylize(style, found.start(), found.end())
    width = max(map(len, lines)) + 1
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text)
    return console.export_svg(title=command, theme=THEME, code_format=FORM, unique_id="t")


if __name__ == "__main__":
    sys.exit(main())
