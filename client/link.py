"""HTTP to nodes for threads: carries out the steps of calls; whether to try again is decided elsewhere."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx

from client.errors import ClusterError
from client.http_form import NODES_ASKED_AT_ONCE_MAX, Body, HttpSettings, arguments, listen_for, raw_answer, translated
from client.protocol import OK
from client.steps import OpenStream, Pause, ReadStream, Send, SendAll, Step, StreamClosedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from client.protocol import RawAnswer


class Link:
    """Connections to nodes at ``urls``; safe to use from several threads.

    Raises ConfigurationError for a malformed proxy.
    """

    def __init__(self, urls: Iterable[str], *, proxy: str | None = None) -> None:
        settings = HttpSettings(urls, proxy)
        self._calls = httpx.Client(**settings.calls)
        self._streams = httpx.Client(**settings.streams)

    def perform(self, step: Step) -> Any:
        """Carry out a step of a call; see `client.steps` for what comes back."""
        match step:
            case Send():
                return self.send(step)
            case SendAll(sends):
                with ThreadPoolExecutor(max_workers=min(len(sends), NODES_ASKED_AT_ONCE_MAX)) as threads:
                    return list(threads.map(self._send_or_error, sends))
            case Pause(seconds):
                return time.sleep(seconds)
            case _:
                raise TypeError(f"{step} needs a StreamLink")

    def send(self, send: Send) -> RawAnswer:
        """Send one request and read its whole answer.

        Raises UnreachableError when it certainly was not sent, AnswerLostError when no complete answer came
        within its time, and UnexpectedAnswerError for one that is larger than any node's.
        """
        body = Body.of(send)
        with translated(send.url), self._calls.stream(**arguments(send)) as response:
            for piece in response.iter_bytes():
                body.take(piece)
            return raw_answer(send, response, body.whole())

    def stream_link(self) -> StreamLink:
        """A link for one call that reads a stream."""
        return StreamLink(self, self._streams)

    def close(self) -> None:
        """Close all connections."""
        self._calls.close()
        self._streams.close()

    def _send_or_error(self, send: Send) -> RawAnswer | ClusterError:
        try:
            return self.send(send)
        except ClusterError as error:
            return error


class StreamLink:
    """Carries out the steps of one call that reads a stream; `close` ends it from any thread.

    Once it is closed every step raises StreamClosedError.
    """

    def __init__(self, link: Link, streams: httpx.Client) -> None:
        self._link = link
        self._streams = streams
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._url = ""
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def perform(self, step: Step) -> Any:
        """Carry out a step of a call; see `client.steps` for what comes back."""
        try:
            outcome = self._perform(step)
        except ClusterError:
            if not self._closed.is_set():
                raise
        if self._closed.is_set():
            raise StreamClosedError
        return outcome

    @property
    def is_closed(self) -> bool:
        """Whether the call was ended."""
        return self._closed.is_set()

    def close(self) -> None:
        """End the call, also while another thread waits in it."""
        self._closed.set()
        with self._lock:
            response = self._response
        if response is not None:
            _shut_down(response)

    def release(self) -> None:
        """Give back the connection; only from the thread that performs."""
        with self._lock:
            response, self._response = self._response, None
        if response is not None:
            response.close()

    def _perform(self, step: Step) -> Any:
        match step:
            case OpenStream(send, silence_seconds):
                return self._open(send, silence_seconds)
            case ReadStream():
                with translated(self._url):
                    return next(self._pieces, b"")
            case Pause(seconds):
                return self._closed.wait(seconds)
            case _:
                return self._link.perform(step)

    def _open(self, send: Send, silence_seconds: float) -> RawAnswer:
        self.release()
        self._url = send.url
        with translated(send.url):
            request = self._streams.build_request(**arguments(send))
            response = self._streams.send(request, stream=True)
            with self._lock:
                self._response = response
            if response.status_code != OK:
                body = Body.of(send)
                for piece in response.iter_bytes():
                    body.take(piece)
                return raw_answer(send, response, body.whole())
            listen_for(response, silence_seconds)
            self._pieces = response.iter_bytes()
            return raw_answer(send, response, b"")


def _shut_down(response: httpx.Response) -> None:
    """Wake the thread that reads: closing a socket under a reader does not.

    The plain socket's method, for a TLS connection as well: its own would pull the state from under the reader.
    """
    connection = response.extensions["network_stream"].get_extra_info("socket")
    if connection is not None:
        try:
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already
