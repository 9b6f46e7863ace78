"""Ctrl-C at the worst moments: no lock stays taken, and what must not be interrupted is not."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from httpcore._synchronization import ThreadLock  # the lock of every connection pool

from client import interruption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_SECONDS = 20.0
AT_ONCE_SECONDS = 5.0
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


class Interrupting:
    """A lock during whose taking or giving back somebody presses Ctrl-C."""

    def __init__(self, at: str) -> None:
        self._lock = threading.Lock()
        self._at = at

    def acquire(self) -> bool:
        """Take it, then the signal."""
        self._lock.acquire()
        self._interrupt("taking")
        return True

    def release(self) -> None:
        """The signal, then give it back."""
        self._interrupt("giving back")
        self._lock.release()

    def locked(self) -> bool:
        """Whether it is taken."""
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _interrupt(self, at: str) -> None:
        if at == self._at:
            self._at = ""
            signal.raise_signal(signal.SIGINT)


def of_a_pool(lock: Interrupting) -> ThreadLock:
    """What httpcore locks its connections with."""
    made = ThreadLock()
    made._lock = lock  # type: ignore[assignment]  # it does what a lock does
    return made


def of_an_event(lock: Interrupting) -> threading.Condition:
    """What events and queues lock themselves with."""
    return threading.Condition(lock)  # type: ignore[arg-type]  # as above


def use(lock: ThreadLock | threading.Condition) -> None:
    """As the pool does, and then wait for an answer."""
    with lock:
        pass
    time.sleep(LONG_SECONDS)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The test run's own signal handlers are put back."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("at", ["taking", "giving back"])
@pytest.mark.parametrize("made", [of_a_pool, of_an_event])
def test_a_lock_is_given_back_whenever_ctrl_c_comes(
    made: Callable[[Interrupting], ThreadLock | threading.Condition], at: str
) -> None:
    """The interrupt comes a moment later, and comes."""
    interruption.be_interruptible()
    lock = Interrupting(at)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        use(made(lock))
    assert not lock.locked()
    assert time.monotonic() - began < AT_ONCE_SECONDS


def test_ctrl_c_ends_a_wait_at_once() -> None:
    """Wherever no lock is being taken."""
    interruption.be_interruptible()
    began = time.monotonic()

    def wait_for_it() -> None:
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
        threading.Event().wait(LONG_SECONDS)

    with pytest.raises(KeyboardInterrupt):
        wait_for_it()
    assert time.monotonic() - began < AT_ONCE_SECONDS


def test_ctrl_c_stays_ignored_where_it_was() -> None:
    """As a shell has it for what runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interruption.be_interruptible()
    signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_as_ctrl_c_does_while_that_is_asked_for(number: signal.Signals) -> None:
    """And what was to happen before happens again afterwards."""
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interruption.ended_by_any_signal():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_what_must_not_be_interrupted_ends_first() -> None:
    """Then the interrupt comes."""
    interruption.be_interruptible()
    steps: list[str] = []

    def clean_up() -> None:
        with interruption.uninterrupted():
            signal.raise_signal(signal.SIGINT)
            steps.append("done")

    with pytest.raises(KeyboardInterrupt):
        clean_up()
    assert steps == ["done"]
