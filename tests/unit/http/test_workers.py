from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

import pytest

from node.http.workers import Workers
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from waitress.task import Task

TIMEOUT_SECONDS = 10.0


class Job:
    """What waitress calls a task: something to service."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.done = threading.Event()

    def service(self) -> None:
        """Work, once."""
        self._work()
        self.done.set()

    def cancel(self) -> None:
        """Nothing to undo."""


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Two workers."""
    workers = Workers(2)
    workers.start()
    yield workers
    workers.close(TIMEOUT_SECONDS)


def add(workers: Workers, work: Callable[[], object]) -> Job:
    """Hand a job to the workers."""
    job = Job(work)
    workers.add_task(cast("Task", job))
    return job


def test_parked_workers_leave_as_many_as_configured(workers: Workers) -> None:
    """Ten jobs that wait at two workers do not stop an eleventh."""
    release = threading.Event()

    def wait() -> None:
        with workers.parked():
            release.wait(TIMEOUT_SECONDS)

    waiting = [add(workers, wait) for _ in range(10)]
    assert add(workers, lambda: None).done.wait(TIMEOUT_SECONDS)
    assert not any(job.done.is_set() for job in waiting)
    release.set()
    assert all(job.done.wait(TIMEOUT_SECONDS) for job in waiting)


def test_a_worker_that_is_busy_without_parking_is_not_replaced(workers: Workers) -> None:
    """The number of workers is a limit on work; only waiting is compensated."""
    release = threading.Event()
    busy = [add(workers, lambda: release.wait(TIMEOUT_SECONDS)) for _ in range(2)]
    third = add(workers, lambda: None)
    wait_until(lambda: len(workers.queue) == 1, "both workers are busy", TIMEOUT_SECONDS)
    assert not third.done.wait(0.05)
    release.set()
    assert all(job.done.wait(TIMEOUT_SECONDS) for job in [*busy, third])


def test_trimming_ends_the_threads_that_nobody_waits_for(workers: Workers) -> None:
    """After a crowd of waiters the thread count goes back to what is configured."""
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(workers.parked())
        workers.trim()
        assert len(workers.threads) == 22
    workers.trim()
    wait_until(lambda: len(workers.threads) == 2, "two threads are left", TIMEOUT_SECONDS)
    assert add(workers, lambda: None).done.wait(TIMEOUT_SECONDS)


def test_waits_at_the_same_time_never_take_threads_away(workers: Workers) -> None:
    """Entering and leaving from many threads at once keeps a thread for every one that is parked."""
    short: list[int] = []
    entered = threading.Barrier(16)

    def wait() -> None:
        for _ in range(50):
            entered.wait(TIMEOUT_SECONDS)
            with workers.parked():
                entered.wait(TIMEOUT_SECONDS)
                running = len(workers.threads) - workers.stop_count
                if running < 18:
                    short.append(running)
                entered.wait(TIMEOUT_SECONDS)

    threads = [threading.Thread(target=wait) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)
    assert not short


def test_closing_does_not_grow_again(workers: Workers) -> None:
    """A request that parks while the server closes starts no new thread."""
    workers.close(TIMEOUT_SECONDS)
    with workers.parked():
        assert not workers.threads


def test_a_system_without_room_for_a_thread_is_no_error_of_the_request(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request waits all the same, and the count of threads stays true."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    wait_until(lambda: workers.idle, "the workers are idle", TIMEOUT_SECONDS)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with workers.parked():
            assert len(workers.threads) == 2
            assert workers.idle
    assert add(workers, lambda: None).done.wait(TIMEOUT_SECONDS)
