"""Whether a connection may be made now: open, closed on purpose, or ended for good."""

from __future__ import annotations

import threading


class Gate:
    """Before each attempt to connect, ``wait`` at it; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_ended = False
        self._passable = threading.Event()
        self._passable.set()
        self.shut = threading.Event()
        """Set while nobody may connect: ends pauses between attempts, too."""

    @property
    def is_closed(self) -> bool:
        """Whether connections are held off for now; not so once ``end`` was called."""
        return not self._passable.is_set()

    def close(self) -> None:
        """Let nobody through until ``open``."""
        with self._lock:
            if not self._is_ended:
                self.shut.set()
                self._passable.clear()

    def open(self) -> None:
        """The end of ``close``; who waits goes on at once."""
        with self._lock:
            if not self._is_ended:
                self.shut.clear()
                self._passable.set()

    def end(self) -> None:
        """Nobody connects any more, and nobody waits for it."""
        with self._lock:
            self._is_ended = True
            self.shut.set()
            self._passable.set()

    def wait(self) -> None:
        """Wait while the gate is closed."""
        self._passable.wait()
