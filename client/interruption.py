"""Ctrl-C in the command line: it ends whatever the main thread does, but never where that would leave a lock taken.

Python raises KeyboardInterrupt wherever the main thread is, also between the taking of a lock and the block that gives
it back, where ``__enter__`` and ``__exit__`` of the lock are written in Python: those of httpcore's connection pool
and of `threading.Condition` are. The lock would stay taken, and whoever uses the pool next wait for it without end: the
other threads of `check`, the cleanup after the interrupt, the closing of the client.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# What ends a process on the spot unless it is handled; SIGALRM is how an interrupt that was put off comes again.
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
_LOCKS_IN_PYTHON = ("httpcore._synchronization", "threading")
# The lock's own method, and what it calls.
_LOOKED_AT_FRAMES = 4
_AGAIN_SECONDS = 0.001


def be_interruptible() -> None:
    """From now on Ctrl-C does as said above; for the main thread of a program. Where it was ignored, it still is."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGALRM, _interrupt)
        signal.signal(signal.SIGINT, _interrupt)


@contextmanager
def ended_by_any_signal() -> Iterator[None]:
    """Let signals that would end the process on the spot end it in order, as Ctrl-C does; for the main thread."""
    before = {number: signal.signal(number, _interrupt) for number in _ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let signals wait until this is over; for the main thread."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, *_ENDING_SIGNALS))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    if _is_at_a_lock(frame):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)  # SIGALRM comes here again
    else:
        raise KeyboardInterrupt


def _is_at_a_lock(frame: FrameType | None) -> bool:
    for _ in range(_LOOKED_AT_FRAMES):
        if frame is None:
            return False
        if frame.f_code.co_name in ("__enter__", "__exit__") and frame.f_globals.get("__name__") in _LOCKS_IN_PYTHON:
            return True
        frame = frame.f_back
    return False
