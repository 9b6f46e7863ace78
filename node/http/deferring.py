"""Requests that hold no thread while they wait: how the application says so, and how the server goes on with them.

The application leaves a ``Deferral`` in the request's environment instead of an answer. When what it waits for has
come, it is called again with the same environment. All requests that one commit answers go on as one piece of work:
waking a thread for each of them would cost more than the writes.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Protocol

import structlog

from node.logs import REPORT_IT

if TYPE_CHECKING:
    from collections.abc import Callable

    from waitress.task import Task

    from node.http.workers import Work

MAY_DEFER_ENVIRON_KEY = "causalkv.may_defer"
"""There when the server calls the application again once an answer can be given."""
DEFERRED_ENVIRON_KEY = "causalkv.deferred"
"""Where the application leaves a ``Deferral``, and finds it again."""

log = structlog.get_logger("causalkv.http")


class Deferral(Protocol):
    """What a request waits for."""

    @property
    def is_ready(self) -> bool:
        """Whether the application can answer now."""

    def then(self, tell: Callable[[], None]) -> None:
        """Call ``tell``, which is quick, when the application can answer: at once, or from any thread."""

    def give_up_if_late(self) -> None:
        """Wait no longer than is promised."""


class AnswersLaterError(BaseException):
    """Leads out of waitress's own course of a request, whose second half must not be gone through yet.

    No Exception: waitress answers those with an error of its own.
    """

    def __init__(self, task: Task, deferral: Deferral) -> None:
        super().__init__()
        self.task = task
        self.deferral = deferral


class Resuming:
    """Gathers the connections whose answers can be given, until ``go_on``; from any thread."""

    def __init__(self, add_task: Callable[[Work], None], wake: Callable[[], None]) -> None:
        """``add_task`` hands a piece of work to the worker threads; ``wake`` tells the server's loop of its end."""
        self._add_task = add_task
        self._wake = wake
        self._gathered: deque[Work] = deque()
        self._answering = _Answering()

    def put(self, connection: Work) -> None:
        """The answer to its first request can be given."""
        self._gathered.append(connection)

    def go_on(self) -> None:
        """Let a worker thread answer all that are gathered."""
        connections = []
        while self._gathered:
            try:
                connections.append(self._gathered.popleft())
            except IndexError:  # another thread takes them at the same moment
                break
        if connections:
            self._add_task(_Batch(connections, self))

    @property
    def is_answering(self) -> bool:
        """Whether the calling thread answers several connections, behind which the loop is woken anyway."""
        return self._answering.is_now

    def answer(self, connections: list[Work]) -> None:
        """Answer them all; the loop hears of it once."""
        self._answering.is_now = True
        try:
            for connection in connections:
                try:
                    connection.service()
                except Exception:  # the others must be answered
                    log.exception("a request could not be answered", what_to_do=REPORT_IT)
        finally:
            self._answering.is_now = False
            self._wake()


class _Answering(threading.local):
    is_now = False


class _Batch:
    """Several connections, as one piece of work."""

    def __init__(self, connections: list[Work], resuming: Resuming) -> None:
        self._connections = connections
        self._resuming = resuming

    def service(self) -> None:
        self._resuming.answer(self._connections)

    def cancel(self) -> None:
        for connection in self._connections:
            connection.cancel()
