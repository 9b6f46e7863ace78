"""Requests whose answers come later: gathered until a commit is answered whole, then one piece of work."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from node.http.deferring import Resuming

if TYPE_CHECKING:
    from node.http.workers import Work


class Connection:
    """Counts what is done with it."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.served = self.cancelled = 0
        self._fault = fault

    def service(self) -> None:
        """Go on."""
        self.served += 1
        if self._fault is not None:
            raise self._fault

    def cancel(self) -> None:
        """Nobody goes on."""
        self.cancelled += 1


def test_what_is_gathered_is_one_piece_of_work() -> None:
    """One thread is woken for all of it, and none while it is gathered."""
    tasks: list[Work] = []
    resuming = Resuming(tasks.append, lambda: None)
    connections = [Connection() for _ in range(10)]
    for connection in connections:
        resuming.put(connection)
    assert tasks == []
    resuming.go_on()
    resuming.go_on()
    (task,) = tasks
    task.service()
    assert [connection.served for connection in connections] == [1] * 10


def test_the_loop_is_woken_once_behind_all_answers() -> None:
    """Each of them says that it comes; who answers alone meanwhile wakes the loop as ever."""
    tasks: list[Work] = []
    woken: list[int] = []
    seen: list[bool] = []
    resuming = Resuming(tasks.append, lambda: woken.append(len(seen)))

    class Looking(Connection):
        def service(self) -> None:
            seen.append(resuming.is_answering)
            other = threading.Thread(target=lambda: seen.append(resuming.is_answering))
            other.start()
            other.join()

    for _ in range(3):
        resuming.put(Looking())
    resuming.go_on()
    tasks[0].service()
    assert seen == [True, False] * 3
    assert woken == [6]
    assert not resuming.is_answering


def test_a_connection_that_fails_takes_no_other_with_it() -> None:
    """Everybody else is answered, and the log says what went wrong."""
    tasks: list[Work] = []
    resuming = Resuming(tasks.append, lambda: None)
    before, broken, behind = Connection(), Connection(RuntimeError("what went wrong")), Connection()
    for connection in (before, broken, behind):
        resuming.put(connection)
    resuming.go_on()
    with structlog.testing.capture_logs() as entries:
        tasks[0].service()
    assert (before.served, behind.served) == (1, 1)
    (entry,) = entries
    assert (entry["log_level"], entry["exc_info"]) == ("error", True)


def test_work_that_is_cancelled_cancels_every_connection() -> None:
    """A server that ends leaves none of them open."""
    tasks: list[Work] = []
    resuming = Resuming(tasks.append, lambda: None)
    connections = [Connection() for _ in range(3)]
    for connection in connections:
        resuming.put(connection)
    resuming.go_on()
    tasks[0].cancel()
    assert [connection.cancelled for connection in connections] == [1, 1, 1]


def test_many_threads_lose_and_double_nothing() -> None:
    """Each connection goes on exactly once, whoever puts it in and whoever lets it go on."""
    tasks: list[Work] = []
    resuming = Resuming(tasks.append, lambda: None)
    connections = [Connection() for _ in range(4_000)]

    def put(part: list[Connection]) -> None:
        for connection in part:
            resuming.put(connection)
            resuming.go_on()

    threads = [threading.Thread(target=put, args=(connections[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    resuming.go_on()
    for task in tasks:
        task.service()
    assert {connection.served for connection in connections} == {1}
