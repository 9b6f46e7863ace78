"""What helps a person at the prompt: help with examples, and completion."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer

from client.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.client.conftest import Outcome

    Run = Callable[..., Outcome]

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # the group that typer builds
# A group: its commands have theirs.
PLAIN = ("session",)
# As typer's own tests do: a test has no shell around it.
NO_SHELL = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


def causalkv(*arguments: str, **environment: str) -> str:
    """What the console script prints."""
    script = "import sys; sys.argv[0] = 'causalkv'; from client.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments], env={**os.environ, **environment}, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.decode()


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in PLAIN])
def test_every_command_helps_with_an_example(run: Run, name: str) -> None:
    """The quickest way to learn one."""
    outcome = run([], name, "--help")
    assert outcome.exit_code == 0
    assert (
        f"python -m client {name}" in " ".join(outcome.stdout.split()) or f"python -m client {name}" in outcome.stdout
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_the_usual_shells(shell: str) -> None:
    """What --install-completion puts in place."""
    assert "_CAUSALKV_COMPLETE" in causalkv("--show-completion", shell, **NO_SHELL)


def test_completion_knows_commands_and_options() -> None:
    """As bash asks for it."""

    def completed(words: str) -> list[str]:
        return causalkv(
            _CAUSALKV_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1)
        ).split()

    assert completed("causalkv sm") == ["smembers"]
    assert "--if-absent" in completed("causalkv put --if")
