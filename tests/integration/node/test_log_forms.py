"""The log of a real node: lines for people on a terminal, JSON for machines elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.ports import free_port
from tests.integration.node.node_runs import environment
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 30.0
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A terminal in which a node writes its log."""

    def __init__(self) -> None:
        self._ours, self.its = pty.openpty()
        self.text = ""

    def read(self) -> str:
        """Everything that was shown so far."""
        while select.select([self._ours], [], [], 0)[0]:
            try:
                self.text += os.read(self._ours, 65_536).decode()
            except OSError:  # the other end is closed
                break
        return self.text

    def close(self) -> None:
        """Put it away."""
        for end in (self._ours, self.its):
            with contextlib.suppress(OSError):
                os.close(end)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """One to look at."""
    opened = Terminal()
    yield opened
    opened.close()


def cause_a_warning(url: str) -> None:
    """Change the faults of a node, which is worth a warning."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            httpx.post(f"{url}/faults", json={"clear": True}, timeout=30.0, trust_env=False).raise_for_status()
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def variables(directory: Path, **more: str) -> tuple[dict[str, str], str]:
    """A node's environment with faults on, and its address."""
    chosen = environment(directory / "data", HTTP_PORT=str(free_port()), FAULTS="1", **more)
    chosen = {name: value for name, value in chosen.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    return chosen | {"TERM": "xterm-256color"}, f"http://127.0.0.1:{chosen['CAUSALKV_HTTP_PORT']}"


@pytest.mark.parametrize("no_color", [False, True], ids=["colours", "NO_COLOR"])
def test_on_a_terminal_a_line_reads_well_and_says_below_what_to_do(
    tmp_path: Path, terminal: Terminal, *, no_color: bool
) -> None:
    """Moment, level and event first; advice on a line of its own; in colours unless they are not wanted."""
    chosen, url = variables(tmp_path)
    node = subprocess.Popen(
        [sys.executable, "-m", "node"],
        env=chosen | ({"NO_COLOR": "1"} if no_color else {}),
        stdout=terminal.its,
        stderr=terminal.its,
    )
    try:
        cause_a_warning(url)
        wait_until(lambda: "    -> " in terminal.read(), "the advice", TIMEOUT_SECONDS)
    finally:
        node.terminate()
        assert node.wait(15) == 0
    assert bool(COLOUR.search(terminal.read())) is not no_color
    shown = COLOUR.sub("", terminal.read()).splitlines()
    [number] = [number for number, line in enumerate(shown) if "faults on purpose were changed" in line]
    assert re.match(
        r"\d{4}-\d\d-\d\dT[\d:.]+Z \[warning *\] faults on purpose were changed +node=node1 ", shown[number]
    )
    assert shown[number + 1].startswith("    -> nothing, in a lesson; else end them with POST /faults")
    assert "what_to_do" not in terminal.read()


def test_elsewhere_every_line_is_json_with_what_to_do_in_a_field(tmp_path: Path) -> None:
    """The same run, with its output in a file."""
    chosen, url = variables(tmp_path)
    log = tmp_path / "log"
    with log.open("w") as output:
        node = subprocess.Popen([sys.executable, "-m", "node"], env=chosen, stdout=output, stderr=output)
    try:
        cause_a_warning(url)
    finally:
        node.terminate()
        assert node.wait(15) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [warning] = [line for line in lines if line["event"] == "faults on purpose were changed"]
    assert list(warning)[:4] == ["timestamp", "level", "node", "event"]
    assert list(warning)[-1] == "what_to_do"
    assert warning["what_to_do"].startswith("nothing, in a lesson")
    assert all("what_to_do" in line for line in lines if line["level"] not in {"debug", "info"})


SPEAKERS = """
import logging, threading, warnings
from node.logs import configure_logging
configure_logging(level="info", form="{form}", node_id="node7")
logging.getLogger("some.library").warning("a %s is strange", "thing")
try:
    raise OSError("the disk is on fire")
except OSError:
    logging.getLogger("some.library").exception("it failed")
warnings.warn("this goes away", DeprecationWarning)
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
"""


def test_what_libraries_and_python_say_has_the_same_form(tmp_path: Path) -> None:
    """Else one line of plain text would break every reader of JSON; the end of a thread is no less."""
    lines = [json.loads(line) for line in said(tmp_path, "json").splitlines()]
    assert {line["node"] for line in lines} == {"node7"}
    assert all(line["what_to_do"] for line in lines)
    library = [line for line in lines if line.get("library") == "some.library"]
    assert [line["event"] for line in library] == ["a thing is strange", "it failed"]
    assert library[1]["exception"].endswith("OSError: the disk is on fire")
    [deprecated] = [line for line in lines if line.get("library") == "py.warnings"]
    assert "DeprecationWarning: this goes away" in deprecated["event"]
    [ended] = [line for line in lines if line["event"] == "a thread ended"]
    assert (ended["level"], ended["thread"]) == ("critical", "worker")
    assert ended["exception"].endswith("ZeroDivisionError: division by zero")


def test_for_people_the_same_is_text(tmp_path: Path) -> None:
    """Also where the output is no terminal, when that is asked for: then without colours."""
    text = said(tmp_path, "console")
    assert not COLOUR.search(text)
    assert "a thing is strange" in text
    assert text.count("    -> ") == 4
    assert "ZeroDivisionError: division by zero" in text


def said(directory: Path, form: str) -> str:
    """What the program above writes to stderr."""
    program = directory / "speakers.py"
    program.write_text(SPEAKERS.format(form=form))
    done = subprocess.run(
        [sys.executable, "-W", "always", str(program)],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr
