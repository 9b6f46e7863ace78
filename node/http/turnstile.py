"""How many requests are worked on in the same instant.

Python runs one thread at a time. Every thread that is ready to run makes the others wait, also the one that owns the
replica, which gives up the global lock and wants it back several times in each commit: behind sixteen busy
workers that takes longer than the disk does. So only a few workers run; the others wait here, or for their
commit, and the commits grow.
"""

from __future__ import annotations

import contextlib
import queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Turnstile:
    """Lets ``places`` threads in; a thread that has to wait for something else steps out meanwhile."""

    def __init__(self, places: int) -> None:
        # The cheapest semaphore there is: waiting and waking happen outside of the interpreter.
        self._places: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(places):
            self._places.put(None)

    @contextlib.contextmanager
    def stepped_out(self) -> Iterator[None]:
        """Around a wait of a thread that is in."""
        self._places.put(None)
        try:
            yield
        finally:
            self._places.get()

    def around(self, app: WSGIApplication) -> WSGIApplication:
        """``app``, entered through the turnstile."""

        def entered(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self._places.get()
            try:
                return app(environ, start_response)
            finally:
                self._places.put(None)

        return entered
