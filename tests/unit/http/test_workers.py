from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import structlog

from node.http.workers import Workers
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT_SECONDS = 10.0


class Job:
    """What waitress calls a task: something to service."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.done = threading.Event()
        self.is_cancelled = threading.Event()

    def service(self) -> None:
        """Work, once."""
        self._work()
        self.done.set()

    def cancel(self) -> None:
        """Nobody does it."""
        self.is_cancelled.set()


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Two workers, and places for as many."""
    workers = Workers(2, running=2)
    workers.start()
    yield workers
    workers.close(TIMEOUT_SECONDS)


def add(workers: Workers, work: Callable[[], object]) -> Job:
    """Hand a job to the workers."""
    job = Job(work)
    workers.add_task(job)
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
    assert workers.queued_requests == 1
    assert not third.done.wait(0.05)
    release.set()
    assert all(job.done.wait(TIMEOUT_SECONDS) for job in [*busy, third])


def test_sweeping_ends_the_threads_that_nobody_waits_for(workers: Workers) -> None:
    """After a crowd of waiters the thread count goes back to what is configured."""
    release = threading.Event()

    def wait() -> None:
        with workers.parked():
            release.wait(TIMEOUT_SECONDS)

    waiting = [add(workers, wait) for _ in range(20)]
    wait_until(lambda: workers.threads >= 20, "all wait", TIMEOUT_SECONDS)
    workers.sweep()
    assert workers.threads >= 20
    release.set()
    assert all(job.done.wait(TIMEOUT_SECONDS) for job in waiting)
    wait_until(lambda: workers.is_idle, "nobody waits", TIMEOUT_SECONDS)
    workers.sweep()
    assert workers.threads == 2
    assert add(workers, lambda: None).done.wait(TIMEOUT_SECONDS)


def test_threads_are_made_when_they_are_needed() -> None:
    """One request after the other needs one."""
    workers = Workers(64, running=2)
    workers.start()
    for _ in range(10):
        assert add(workers, lambda: None).done.wait(TIMEOUT_SECONDS)
        wait_until(lambda: workers.is_idle, "it is done", TIMEOUT_SECONDS)
    assert workers.threads == 1
    workers.close(TIMEOUT_SECONDS)
    assert workers.threads == 0


@pytest.mark.parametrize("leaving", ["stepped_out", "parked"])
def test_no_more_run_than_there_are_places(leaving: str) -> None:
    """Whoever waits leaves a place to others, and is one of so many again when it comes back."""
    workers = Workers(16, running=2)
    workers.start()
    running, most, counting = [0], [0], threading.Lock()

    def count(by: int) -> None:
        with counting:
            running[0] += by
            most[0] = max(most[0], running[0])

    def work() -> None:
        for _ in range(5):
            count(1)
            time.sleep(0.0002)
            count(-1)
            with getattr(workers, leaving)():
                time.sleep(0.0002)

    jobs = [add(workers, work) for _ in range(100)]
    assert all(job.done.wait(TIMEOUT_SECONDS) for job in jobs)
    assert most == [2]
    wait_until(lambda: workers.is_idle, "all are done", TIMEOUT_SECONDS)
    workers.close(TIMEOUT_SECONDS)


def test_who_comes_back_goes_on_before_new_work_begins() -> None:
    """It was begun first, and its client has waited."""
    workers = Workers(4, running=1)
    workers.start()
    order: list[str] = []
    out, back, busy, hold = (threading.Event() for _ in range(4))

    def first() -> None:
        with workers.stepped_out():
            out.set()
            back.wait(TIMEOUT_SECONDS)
        order.append("came back")

    def second() -> None:
        busy.set()
        hold.wait(TIMEOUT_SECONDS)

    add(workers, first)
    assert out.wait(TIMEOUT_SECONDS)
    add(workers, second)
    assert busy.wait(TIMEOUT_SECONDS)
    last = add(workers, lambda: order.append("new"))
    back.set()
    wait_until(lambda: len(workers._returning) == 1, "it wants to go on", TIMEOUT_SECONDS)
    hold.set()
    assert last.done.wait(TIMEOUT_SECONDS)
    assert order == ["came back", "new"]
    workers.close(TIMEOUT_SECONDS)


def test_work_that_fails_ends_no_thread(workers: Workers) -> None:
    """The log says what went wrong, and the next request is carried out."""

    def fail() -> None:
        raise RuntimeError("what went wrong")

    with structlog.testing.capture_logs() as entries:
        for _ in range(3):
            add(workers, fail)
        assert add(workers, lambda: None).done.wait(TIMEOUT_SECONDS)
        wait_until(lambda: workers.is_idle, "all are done", TIMEOUT_SECONDS)
    assert [(entry["log_level"], entry["exc_info"]) for entry in entries] == [("error", True)] * 3


def test_closing_ends_in_time_and_cancels_what_nobody_began() -> None:
    """What is being worked on is left to itself; who waited comes back."""
    workers = Workers(4, running=1)
    workers.start()
    out, begun, release = (threading.Event() for _ in range(3))

    def wait() -> None:
        with workers.stepped_out():
            out.set()
            release.wait(TIMEOUT_SECONDS)

    waits = add(workers, wait)
    assert out.wait(TIMEOUT_SECONDS)

    def work() -> None:
        begun.set()
        release.wait(TIMEOUT_SECONDS)

    busy = add(workers, work)
    assert begun.wait(TIMEOUT_SECONDS)
    late = add(workers, lambda: None)
    began = time.monotonic()
    workers.close(0.2)
    assert time.monotonic() - began < TIMEOUT_SECONDS / 2
    assert late.is_cancelled.is_set()
    assert add(workers, lambda: None).is_cancelled.is_set()
    release.set()
    assert busy.done.wait(TIMEOUT_SECONDS)
    assert waits.done.wait(TIMEOUT_SECONDS)
    wait_until(lambda: workers.threads == 0, "no thread is left", TIMEOUT_SECONDS)


def test_closing_does_not_grow_again(workers: Workers) -> None:
    """A request that parks while the server closes starts no new thread."""
    workers.close(TIMEOUT_SECONDS)
    with workers.parked():
        assert workers.threads == 0


def test_a_system_without_room_for_a_thread_is_no_error_of_the_request(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request waits all the same, and the count of threads stays true."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    release = threading.Event()
    busy = [add(workers, lambda: release.wait(TIMEOUT_SECONDS)) for _ in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with workers.parked():
            third = add(workers, lambda: None)
            assert workers.threads == 2
    assert not third.done.is_set()
    release.set()
    assert all(job.done.wait(TIMEOUT_SECONDS) for job in [*busy, third])


def test_work_that_found_no_thread_at_all_is_done_after_a_sweep(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nobody who could take it when done: trying again is all that helps."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        job = add(workers, lambda: None)
        workers.sweep()
    assert workers.queued_requests == 1
    workers.sweep()
    assert job.done.wait(TIMEOUT_SECONDS)


def test_requests_that_find_no_worker_are_counted_until_one_takes_them(workers: Workers) -> None:
    """They have arrived, and nobody has begun them."""
    release = threading.Event()
    busy = [add(workers, lambda: release.wait(TIMEOUT_SECONDS)) for _ in range(2)]
    late = [add(workers, lambda: None) for _ in range(3)]
    assert workers.queued_requests == 3
    release.set()
    for job in (*busy, *late):
        assert job.done.wait(TIMEOUT_SECONDS)
    assert workers.queued_requests == 0
