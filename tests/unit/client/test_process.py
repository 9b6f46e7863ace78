"""The command line as a process of its own: signals, pipes, terminals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.client.scripted_node import STALLED, ScriptedNode, answer, stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(nodes: list[ScriptedNode], tmp_path: Path) -> Start:
    """Start the command line against node1."""

    def start_process(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        own = {"CAUSALKV_URLS": nodes[0].url, "CAUSALKV_STATE_DIR": str(tmp_path), **environment}
        return subprocess.Popen(
            [sys.executable, "-m", "client", *arguments],
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start_process


def test_ctrl_c_ends_with_130_and_without_a_traceback(nodes: list[ScriptedNode], start: Start) -> None:
    """An interrupted write may have been applied, and the message says so."""
    nodes[0].script("/put", STALLED)
    process = start("put", "x", "5")
    nodes[0].wait_for_request("/put")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (130, "")
    assert "may or may not have been applied" in stderr
    assert "Traceback" not in stderr


def test_a_reader_that_goes_away_is_no_traceback(nodes: list[ScriptedNode], start: Start) -> None:
    """``… | head`` closes the pipe early."""
    nodes[0].script("/put", stored([1, 0, 0], "node1~abcd=1"))
    process = start("put", "x", "5")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(20) == 141
    process.stderr.close()


def test_a_character_that_the_terminal_lacks_is_shown_escaped(nodes: list[ScriptedNode], start: Start) -> None:
    """An ASCII terminal gets the value too."""
    nodes[0].script("/get", answer({"key": "x", "value": "zwölf", "vc": [1]}, context="node1~abcd=1"))
    process = start("get", "x", PYTHONIOENCODING="ascii")
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (0, 'x = "zw\\xf6lf"   vc [1]\n', "")


def test_the_client_is_installed_without_the_node() -> None:
    """Nothing of ``node`` is imported by the whole client."""
    code = "import sys, client.cli; print({name.split('.')[0] for name in sys.modules} & {'node', 'pika', 'flask'})"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert process.stdout == "set()\n"
