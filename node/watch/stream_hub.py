"""A thread that serves streams: takes over connections, writes to them in turns, and never waits for a client.

What is written is the business of who derives from it: the changes of ``/watch``, the events of ``/events``. Between
turns it rests at least as long as the turn took, so that streams never take more than half of the interpreter from
requests and from the replica; what gathers meanwhile goes out together.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import threading
import time
from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

import structlog

from node.logs import REPORT_IT
from node.watch.stream import Stream

log = structlog.get_logger("causalkv.streams")

KEEP_ALIVE_SECONDS = 15.0
SWEEP_SECONDS = 1.0
# What comes so close behind each other goes out together.
REST_MIN_SECONDS = 0.002
REST_MAX_SECONDS = 0.05


class Place(Protocol):
    """One of a limited number of places for clients; giving it back twice is no harm."""

    def give_back(self) -> None:
        """Another client may come."""


WishT = TypeVar("WishT")
PlaceT = TypeVar("PlaceT", bound=Place)
ClientT = TypeVar("ClientT")


class Ticket(Generic[WishT, PlaceT]):
    """A client that has a place and whose connection is still with the HTTP server; used up by either method."""

    def __init__(self, hub: StreamHub[WishT, PlaceT, Any], wish: WishT, place: PlaceT) -> None:
        self._welcome = hub.welcome
        self._wish = wish
        self._place = place

    def take(self, sock: socket.socket, *, is_chunked: bool) -> None:
        """Serve this connection, on which the head of the answer is sent; returns at once."""
        self._welcome(sock, self._wish, self._place, is_chunked=is_chunked)

    def give_up(self) -> None:
        """The client went before its connection could be handed over."""
        self._place.give_back()


class StreamHub(ABC, Generic[WishT, PlaceT, ClientT]):
    """All streams of one kind; what is not private may be called from any thread."""

    def __init__(self, name: str, keep_alive_seconds: float) -> None:
        self.keep_alive_seconds = keep_alive_seconds
        self._name = name
        self._clients: dict[Stream, ClientT] = {}
        self._places: dict[Stream, PlaceT] = {}
        self._attention: set[Stream] = set()
        self._newcomers: queue.SimpleQueue[tuple[socket.socket, WishT, PlaceT, bool]] = queue.SimpleQueue()
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
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    # ------------------------------------------------------------------------ from any thread

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something new; it costs next to nothing when the thread knows already."""
        if not self._is_woken:
            self._ring()

    def _ring(self) -> None:
        self._is_woken = True
        with contextlib.suppress(OSError):  # full: it is being woken already
            self._waking.send(b"!")

    def welcome(self, sock: socket.socket, wish: WishT, place: PlaceT, *, is_chunked: bool) -> None:
        """Take over a connection; see ``Ticket``."""
        self._newcomers.put((sock, wish, place, is_chunked))
        self._ring()

    def stop(self, timeout_seconds: float) -> bool:
        """Close all streams; False when the thread still works after the timeout."""
        self._is_stopping = True
        self._ring()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        elif self._thread.ident is None:  # it was never started
            self._close()
        return not self._thread.is_alive()

    # ------------------------------------------------------------------ what a derived hub says

    @abstractmethod
    def _open(self, wish: WishT, place: PlaceT, stream: Stream) -> ClientT:
        """A client came: send the beginning of its stream."""

    @abstractmethod
    def _advance(self) -> bool:
        """One turn of work for those who are there; returns whether there is more to do at once."""

    @abstractmethod
    def _gone(self, client: ClientT) -> None:
        """A client's stream is closed."""

    @abstractmethod
    def _keep_alive(self) -> None:
        """Show that the connections live."""

    def _somebody_waits(self) -> bool:
        """Whether a client may go on now that another one is gone, or that a socket took something."""
        return True

    def _rest_seconds(self, turn_seconds: float) -> float:
        """How long to rest after a turn that took so long."""
        return min(max(turn_seconds, REST_MIN_SECONDS), REST_MAX_SECONDS)

    # -------------------------------------------------------------------------- the own thread

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._go_on()
            except Exception:  # the thread must not end while the node lives: its clients come again
                log.exception("streams were cut off; clients connect again", streams=self._name, what_to_do=REPORT_IT)
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
                self._has_work |= self._somebody_waits()
        self._attend()
        if self._has_work and time.monotonic() >= self._rest_until:
            self._turn()
        self._sweep()
        self._attend()

    def _patience_seconds(self) -> float | None:
        now = time.monotonic()
        if self._has_work:
            return max(0.0, self._rest_until - now)
        return max(0.0, min(self._sweep_at, self._keep_alive_at) - now) if self._clients else None

    def _turn(self) -> None:
        began = time.monotonic()
        # Before looking: whoever has something new from here on wakes the thread again.
        self._is_woken = False
        self._welcome_newcomers()
        self._has_work = False
        if self._clients:
            self._has_work = self._advance()
        ended = time.monotonic()
        self._rest_until = ended + self._rest_seconds(ended - began)

    # ------------------------------------------------------------------------------ coming, going

    def _welcome_newcomers(self) -> None:
        while True:
            try:
                sock, wish, place, is_chunked = self._newcomers.get_nowait()
            except queue.Empty:
                return
            if not self._clients:
                self._keep_alive_at = time.monotonic() + self.keep_alive_seconds
            stream = Stream(sock, self._attention, is_chunked=is_chunked)
            self._selector.register(sock, selectors.EVENT_READ, stream)
            self._places[stream] = place
            self._clients[stream] = self._open(wish, place, stream)

    def _attend(self) -> None:
        """Look at the streams that are gone, or wait or no longer wait for their sockets."""
        while self._attention:
            stream = self._attention.pop()
            if not stream.is_open:
                self._forget(stream)
            elif stream in self._clients:
                waits = selectors.EVENT_WRITE if stream.unsent_bytes else 0
                self._selector.modify(stream.socket, selectors.EVENT_READ | waits, stream)

    def _forget(self, stream: Stream) -> None:
        place = self._places.pop(stream, None)
        if place is None:
            return
        client = self._clients.pop(stream, None)
        self._selector.unregister(stream.socket)
        stream.socket.close()
        if client is not None:
            self._gone(client)
        place.give_back()
        # Whoever waited for it may be next.
        self._has_work |= self._somebody_waits()

    def _sweep(self) -> None:
        """Cut off those who take nothing, and show the others that the connection lives."""
        now = time.monotonic()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            for stream in self._clients:
                if stream.is_stalled(now):
                    stream.cut_off()
        if now >= self._keep_alive_at:
            self._keep_alive_at = now + self.keep_alive_seconds
            self._keep_alive()

    def _lose_everybody(self) -> None:
        for stream in self._places:
            stream.end()
        self._attend()
