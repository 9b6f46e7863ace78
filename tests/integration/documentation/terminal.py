"""A terminal in which a page is followed: its shell blocks in order, each in the shell that the one before left.

A line whose comment says that it runs until Ctrl-C gets a terminal of its own, and Ctrl-C when the page is over; what
stands behind it is done once it has said something.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNTIL_CTRL_C = "until Ctrl-C"
BLOCK_SECONDS = 300.0
SAYS_SOMETHING_SECONDS = 60.0
# A node finishes what it accepted within 10 s.
ENDS_SECONDS = 20.0
LINES_SHOWN = 15
ENDED_BY_CTRL_C = (0, 130, -signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Printed:
    """How a block ended, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str


class Terminal:
    """Follows the blocks of one page in ``directory``, with this environment to begin with."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._files = directory / ".terminal"
        self._files.mkdir(parents=True)
        # Not the target of the link: that would be a Python without the virtual environment.
        programs = Path(sys.executable).parent
        self._environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **environment}
        self._shell = self._start(["sh", "-eu"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._opened: list[tuple[str, subprocess.Popen[bytes]]] = []

    def shell(self, text: str) -> Printed:
        """Carry out a shell block. A command in it that fails ends the block, and the terminal."""
        stdout = stderr = ""
        for part in parts_of(text):
            if part.is_endless:
                self._open_another(part.text)
                continue
            printed = self._run(part.text)
            stdout, stderr = stdout + printed.stdout, stderr + printed.stderr
            if printed.exit_code:
                return Printed(printed.exit_code, stdout, stderr)
        return Printed(0, stdout, stderr)

    def python(self, text: str) -> Printed:
        """Carry out a Python block: a program of its own."""
        program = self._files / "block.py"
        program.write_text(text, encoding="utf-8")
        return self._run(f"python '{program}'\n")

    def said_elsewhere(self) -> str:
        """The end of what the other terminals show."""
        shown = []
        for number, (command, _) in enumerate(self._opened):
            lines = (self._files / f"terminal-{number}").read_text("utf-8", "replace").splitlines()
            shown.append("\n".join([f"--- {command.strip()}", *lines[-LINES_SHOWN:]]))
        return "\n".join(shown)

    def close(self) -> list[str]:
        """Press Ctrl-C wherever something still runs; what did not end as it should is told."""
        complaints = []
        for command, process in reversed(self._opened):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_SECONDS)
            _kill(process)
            if process.returncode not in ENDED_BY_CTRL_C:
                complaints.append(f"after Ctrl-C, exit code {process.returncode}: {command}")
        self._opened.clear()
        _kill(self._shell)
        return complaints

    def _run(self, text: str) -> Printed:
        block = self._files / "block.sh"
        block.write_text(text, encoding="utf-8")
        # Files, not pipes: what a block leaves running in the background must not be waited for.
        streams = [self._files / "stdout", self._files / "stderr"]
        said = self._tell(f". '{block}' </dev/null >'{streams[0]}' 2>'{streams[1]}'; echo done\n")
        exit_code = 0 if said else self._shell.wait()
        return Printed(exit_code, *(stream.read_text("utf-8", "replace") for stream in streams))

    def _tell(self, line: str) -> bytes:
        """What the shell says when it has done this line; nothing when it has ended."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()
        ready, _, _ = select.select([self._shell.stdout], [], [], BLOCK_SECONDS)
        if not ready:
            _kill(self._shell)
            raise AssertionError(f"not done within {BLOCK_SECONDS:.0f} s: {(self._files / 'block.sh').read_text()}")
        return self._shell.stdout.readline()

    def _open_another(self, command: str) -> None:
        state = self._files / "state.sh"
        self._tell(f"export -p >'{state}'; echo \"cd '$(pwd)'\" >>'{state}'; echo done\n")
        said = self._files / f"terminal-{len(self._opened)}"
        with said.open("wb") as output:
            process = self._start(
                ["sh", "-eu", "-c", f". '{state}'\n{command}"],
                stdin=subprocess.DEVNULL,
                stdout=output.fileno(),
                stderr=subprocess.STDOUT,
            )
        self._opened.append((command, process))
        wait_until(
            lambda: said.stat().st_size > 0 or process.poll() is not None,
            f"it says something: {command}",
            SAYS_SOMETHING_SECONDS,
        )
        assert process.poll() is None, f"ended by itself: {command}\n{said.read_text()}"

    def _start(
        self, command: list[str], *, stdin: int, stdout: int, stderr: int | None = None
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self._directory,
            env=self._environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a block that are carried out together; ``is_endless``: one command, which runs until Ctrl-C."""

    text: str
    is_endless: bool


def parts_of(text: str) -> Iterator[Part]:
    """Cut a block where something runs until Ctrl-C."""
    gathered: list[str] = []
    for command in _commands(text):
        if UNTIL_CTRL_C in command.rpartition("#")[2] and "#" in command:
            if gathered:
                yield Part("".join(gathered), is_endless=False)
            gathered = []
            yield Part(command, is_endless=True)
        else:
            gathered.append(command)
    if gathered:
        yield Part("".join(gathered), is_endless=False)


def _commands(text: str) -> Iterator[str]:
    """The lines, with those joined that a backslash continues."""
    command = ""
    for line in text.splitlines(keepends=True):
        command += line
        if not line.rstrip("\n").endswith("\\"):
            yield command
            command = ""
    if command:
        yield command
