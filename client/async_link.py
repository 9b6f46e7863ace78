"""HTTP to nodes for asyncio; as `client.link`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from client.errors import ClusterError
from client.http_form import Body, HttpSettings, arguments, listen_for, raw_answer, translated
from client.protocol import OK
from client.steps import OpenStream, Pause, ReadStream, Send, SendAll, Step, StreamClosedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from client.protocol import RawAnswer


class AsyncLink:
    """Connections to nodes at ``urls``, for one event loop. Raises ConfigurationError for a malformed proxy."""

    def __init__(self, urls: Iterable[str], *, proxy: str | None = None) -> None:
        settings = HttpSettings(urls, proxy)
        self._calls = httpx.AsyncClient(**settings.calls)
        self._streams = httpx.AsyncClient(**settings.streams)

    async def perform(self, step: Step) -> Any:
        """Carry out a step of a call; see `client.steps` for what comes back."""
        match step:
            case Send():
                return await self.send(step)
            case SendAll(sends):
                return list(await asyncio.gather(*map(self._send_or_error, sends)))
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case _:
                raise TypeError(f"{step} needs an AsyncStreamLink")

    async def send(self, send: Send) -> RawAnswer:
        """Send one request and read its whole answer; raises as `Link.send`."""
        body = Body.of(send)
        with translated(send.url):
            async with self._calls.stream(**arguments(send)) as response:
                async for piece in response.aiter_bytes():
                    body.take(piece)
                return raw_answer(send, response, body.whole())

    def stream_link(self) -> AsyncStreamLink:
        """A link for one call that reads a stream."""
        return AsyncStreamLink(self, self._streams)

    async def close(self) -> None:
        """Close all connections."""
        await self._calls.aclose()
        await self._streams.aclose()

    async def _send_or_error(self, send: Send) -> RawAnswer | ClusterError:
        try:
            return await self.send(send)
        except ClusterError as error:
            return error


class AsyncStreamLink:
    """Carries out the steps of one call that reads a stream, in one task at a time; `close` ends it from any task.

    Once it is closed every step raises StreamClosedError.
    """

    def __init__(self, link: AsyncLink, streams: httpx.AsyncClient) -> None:
        self._link = link
        self._streams = streams
        self._url = ""
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] = _nothing()
        self._closed = asyncio.Event()

    async def perform(self, step: Step) -> Any:
        """Carry out a step of a call; see `client.steps` for what comes back."""
        doing, closing = asyncio.ensure_future(self._perform(step)), asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((doing, closing), return_when=asyncio.FIRST_COMPLETED)
            if self._closed.is_set():
                raise StreamClosedError
            return doing.result()
        finally:
            doing.cancel()
            closing.cancel()
            await asyncio.gather(doing, closing, return_exceptions=True)

    @property
    def is_closed(self) -> bool:
        """Whether the call was ended."""
        return self._closed.is_set()

    def close(self) -> None:
        """End the call, also while another task waits in it."""
        self._closed.set()

    async def _perform(self, step: Step) -> Any:
        match step:
            case OpenStream(send, silence_seconds):
                return await self._open(send, silence_seconds)
            case ReadStream():
                with translated(self._url):
                    return await anext(self._pieces, b"")
            case _:
                return await self._link.perform(step)

    async def release(self) -> None:
        """Give back the connection."""
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()

    async def _open(self, send: Send, silence_seconds: float) -> RawAnswer:
        await self.release()
        self._url = send.url
        with translated(send.url):
            request = self._streams.build_request(**arguments(send))
            self._response = response = await self._streams.send(request, stream=True)
            if response.status_code != OK:
                body = Body.of(send)
                async for piece in response.aiter_bytes():
                    body.take(piece)
                return raw_answer(send, response, body.whole())
            listen_for(response, silence_seconds)
            self._pieces = response.aiter_bytes()
            return raw_answer(send, response, b"")


async def _nothing() -> AsyncIterator[bytes]:
    """No pieces, before a stream is open."""
    for piece in list[bytes]():
        yield piece
