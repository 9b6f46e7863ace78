"""Progress bars: on stderr, and on a terminal only."""

from __future__ import annotations

import sys
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class ProgressBar:
    """One bar; use as a context manager. It is gone when the work is done, so that only results stay."""

    def __init__(self) -> None:
        is_shown = sys.stderr is not None and sys.stderr.isatty()
        columns = (BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
        self._progress = Progress(
            *columns,
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            transient=True,
            disable=not is_shown,
        )
        self._task = self._progress.add_task("", total=1.0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, what: str, part: float | None) -> None:
        """Say what is going on, and which part of it is done, from 0 to 1; None where nobody can tell."""
        if part is None:
            self._progress.update(self._task, description=what, total=None)
        else:
            self._progress.update(self._task, description=what, total=1.0, completed=min(1.0, max(0.0, part)))
