"""The thread that serves all watchers: it reads what is new from history, and never waits for a client.

One turn: what is new, once for all who are up to date; then a part each for some who are not. Between turns it rests
at least as long as the turn took, so that watchers never take more than half of the interpreter from requests and
from the replica; what gathers meanwhile goes out together.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING

import structlog

from node.core.vector_clock import VectorClock
from node.errors import StoreError
from node.watch.admission import Admission
from node.watch.catching_up import CatchingUp, part_between
from node.watch.events import beginning
from node.watch.merging import is_forgotten
from node.watch.stream import Block, Stream
from node.watch.watcher import LiveWatchers, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.store import Store
    from node.store.reader import StoreReader
    from node.watch.admission import Place
    from node.watch.metrics import WatchMetrics
    from node.watch.watcher import Wish

log = structlog.get_logger("causalkv.watch")

KEEP_ALIVE_SECONDS = 15.0
SWEEP_SECONDS = 1.0
# What comes so close behind each other goes out together.
REST_MIN_SECONDS = 0.002
REST_MAX_SECONDS = 0.05


class Ticket:
    """A client that may watch and whose connection is still with the HTTP server; used up by either method."""

    def __init__(self, hub: WatchHub, wish: Wish, place: Place) -> None:
        self._hub = hub
        self._wish = wish
        self._place = place

    def take(self, sock: socket.socket, *, is_chunked: bool) -> None:
        """Serve this connection, on which the head of the answer is sent; returns at once."""
        self._hub.welcome(sock, self._wish, self._place, is_chunked=is_chunked)

    def give_up(self) -> None:
        """The client went before its connection could be handed over."""
        self._place.give_back()


class WatchHub:
    """All watchers of a node; ``moved``, ``admit`` and the tickets from any thread."""

    def __init__(
        self,
        store: Store,
        shown: Callable[[VectorClock], list[int]],
        metrics: WatchMetrics,
        *,
        max_watchers: int,
        max_states: int,
        limit_reached: Callable[[str], None],
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self.keep_alive_seconds = keep_alive_seconds
        self._store = store
        self._metrics = metrics
        self._admission = Admission(max_watchers, max_states, limit_reached)
        metrics.watchers.set_function(lambda: self.watchers)
        self._live = LiveWatchers(shown, metrics)
        self._catching_up = CatchingUp(store, shown, metrics, self._live, max_states)
        self._position = VectorClock()
        self._watchers: dict[Stream, Watcher] = {}
        self._attention: set[Stream] = set()
        self._newcomers: queue.SimpleQueue[tuple[socket.socket, Wish, Place, bool]] = queue.SimpleQueue()
        self._has_work = False
        self._rest_until = self._sweep_at = 0.0
        self._keep_alive_at = 0.0
        self._is_woken = False
        self._is_stopping = False
        self._waking, self._woken = socket.socketpair()
        self._waking.setblocking(False)
        self._woken.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    # ------------------------------------------------------------------------ from any thread

    @property
    def watchers(self) -> int:
        """How many clients watch, or are about to."""
        return self._admission.watchers

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def moved(self) -> None:
        """Something was committed; called by the replica's thread, for which it must cost next to nothing."""
        if self._admission.watchers and not self._is_woken:
            self._wake()

    def _wake(self) -> None:
        self._is_woken = True
        with contextlib.suppress(OSError):  # full: it is being woken already
            self._waking.send(b"!")

    def admit(self, wish: Wish) -> Ticket:
        """Let one more client watch. Raises UnavailableError when a limit is reached."""
        return Ticket(self, wish, self._admission.admit(wants_state=wish.position is None))

    def welcome(self, sock: socket.socket, wish: Wish, place: Place, *, is_chunked: bool) -> None:
        """Take over a connection; see ``Ticket``."""
        self._newcomers.put((sock, wish, place, is_chunked))
        self._wake()

    def stop(self, timeout_seconds: float) -> bool:
        """Close all streams, and let go of the store; False when the thread still works after the timeout."""
        self._is_stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        elif self._thread.ident is None:  # it was never started
            self._close()
        return not self._thread.is_alive()

    # -------------------------------------------------------------------------- the own thread

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._go_on()
            except StoreError as error:
                log.error("watchers were cut off: the local store cannot be read", error=str(error))  # noqa: TRY400  # it says all
                self._lose_everybody()
            except Exception:  # the thread must not end while the node lives: its clients come again
                log.exception("watchers were cut off by a fault of this program")
                self._lose_everybody()
        self._welcome_newcomers()
        self._lose_everybody()
        self._close()

    def _close(self) -> None:
        self._selector.close()
        self._waking.close()
        self._woken.close()

    def _go_on(self) -> None:
        for key, events in self._selector.select(self._patience_seconds()):
            if key.data is None:
                self._has_work = True
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(1024)
                continue
            stream: Stream = key.data
            if events & selectors.EVENT_READ:
                stream.drop_input()
            if events & selectors.EVENT_WRITE and stream.is_open:
                stream.flush()
                self._has_work |= bool(self._catching_up)
        self._attend()
        if self._has_work and time.monotonic() >= self._rest_until:
            self._turn()
        self._sweep()
        self._attend()

    def _patience_seconds(self) -> float | None:
        now = time.monotonic()
        if self._has_work:
            return max(0.0, self._rest_until - now)
        return max(0.0, min(self._sweep_at, self._keep_alive_at) - now) if self._watchers else None

    def _turn(self) -> None:
        began = time.monotonic()
        # Before looking: whoever commits from here on wakes the thread again.
        self._is_woken = False
        self._welcome_newcomers()
        self._has_work = False
        if self._watchers:
            with self._store.reader() as cut:
                more = self._advance(cut)
                self._has_work = self._catching_up.go_on(cut, self._position) or more
        ended = time.monotonic()
        self._rest_until = ended + min(max(ended - began, REST_MIN_SECONDS), REST_MAX_SECONDS)

    def _advance(self, cut: StoreReader) -> bool:
        """Send what is new to those who are up to date; returns whether there is more."""
        now = cut.clock()
        if not self._live:
            self._position = now
        elif is_forgotten(cut, self._position):
            self._reset_all(now)
        else:
            steps, self._position = part_between(cut, self._position, now)
            self._live.send(steps)
        return self._position != now

    def _reset_all(self, now: VectorClock) -> None:
        """History lacks what comes next: a snapshot was merged, or it was trimmed faster than it could be read."""
        self._position = now
        for watcher in list(self._live):
            self._metrics.resets.inc()
            watcher.reset(now)
            if watcher.position is None:
                self._live.remove(watcher)
                self._catching_up.add(watcher)

    # ------------------------------------------------------------------------------ coming, going

    def _welcome_newcomers(self) -> None:
        while True:
            try:
                sock, wish, place, is_chunked = self._newcomers.get_nowait()
            except queue.Empty:
                return
            if not self._watchers:
                self._keep_alive_at = time.monotonic() + self.keep_alive_seconds
            stream = Stream(sock, self._attention, is_chunked=is_chunked)
            watcher = self._watchers[stream] = Watcher(wish, place, stream)
            self._selector.register(sock, selectors.EVENT_READ, stream)
            stream.send(Block(beginning(wish.position)))
            self._catching_up.add(watcher)

    def _attend(self) -> None:
        """Look at the streams that are gone, or wait or no longer wait for their sockets."""
        while self._attention:
            stream = self._attention.pop()
            if not stream.is_open:
                self._forget(stream)
            elif stream in self._watchers:
                waits = selectors.EVENT_WRITE if stream.unsent_bytes else 0
                self._selector.modify(stream.socket, selectors.EVENT_READ | waits, stream)

    def _forget(self, stream: Stream) -> None:
        watcher = self._watchers.pop(stream, None)
        if watcher is None:
            return
        self._selector.unregister(stream.socket)
        stream.socket.close()
        self._live.remove(watcher)
        self._catching_up.remove(watcher)
        watcher.place.give_back()
        # Whoever waits for the state may be next.
        self._has_work |= bool(self._catching_up)
        if stream.was_too_slow:
            self._metrics.cut_off.inc()

    def _sweep(self) -> None:
        """Cut off those who take nothing, and show the others that the connection lives."""
        now = time.monotonic()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            for stream in self._watchers:
                if stream.is_stalled(now):
                    stream.cut_off()
        if now >= self._keep_alive_at:
            self._keep_alive_at = now + self.keep_alive_seconds
            self._live.keep_alive(self._position)
            self._catching_up.keep_alive()

    def _lose_everybody(self) -> None:
        for stream in self._watchers:
            stream.end()
        self._attend()
