"""The processes that a bench starts: one Python thread alone could not ask fast enough."""

from __future__ import annotations

import subprocess
import sys
from typing import IO, TYPE_CHECKING, Self

import msgspec

from client.bench.jobs import Job, Measured
from client.errors import ClusterError

if TYPE_CHECKING:
    from types import TracebackType

END_TIMEOUT_SECONDS = 5.0


class Process:
    """``python -m <module>``, spoken to over its stdin and stdout; it ends with its stdin. Use as a context manager."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # a part of this program
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        self._pipe(self._process.stdin).close()
        try:
            self._process.wait(END_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._pipe(self._process.stdout).close()

    def read_line(self) -> bytes:
        """The next line that it prints; raises ClusterError when it ended."""
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise ClusterError("a process of the bench ended before its time: run it again, with memory free for it")
        return line

    def ask(self, job: Job) -> Measured:
        """Have a job done; raises ClusterError when the process ended meanwhile."""
        stdin = self._pipe(self._process.stdin)
        try:
            stdin.write(msgspec.json.encode(job) + b"\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # the end is told when the answer is read
        return msgspec.json.decode(self.read_line(), type=Measured)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None:
            raise ClusterError("a process of the bench has no pipes")
        return pipe
