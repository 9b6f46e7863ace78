"""A watch that is being read: an iterator of events, for threads and for asyncio."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, Self

from client.steps import StreamClosedError, iterate, iterate_async

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from client.async_link import AsyncLink
    from client.causal_token import CausalToken
    from client.changes import WatchEvent
    from client.link import Link
    from client.watching import Watching


class Watch:
    """Events in causal order, until it is closed; a connection that is lost is made again, at any node.

    Iterate in one thread at a time; `close` ends it from any. Iterating raises the errors of `client.errors` when no
    node serves the watch within its time: a new one goes on from ``token``.
    """

    def __init__(self, watching: Watching, link: Link) -> None:
        self._watching = watching
        self._link = link.stream_link()
        self._events: Iterator[WatchEvent | None] = iterate(watching.steps(), self._link.perform)

    def begin(self) -> Self:
        """Connect: from now on no change is missed. Raises the errors of `client.errors` when no node serves it."""
        with ExitStack() as failing:
            failing.callback(self._link.release)
            next(self._events)
            failing.pop_all()
        return self

    @property
    def token(self) -> CausalToken | None:
        """The position behind what was told: ``session.watch(since=token)`` goes on there. None before there is one."""
        return self._watching.token

    @property
    def url(self) -> str:
        """The address of the node that it reads from, or read from last."""
        return self._watching.url

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchEvent:
        """The next event. Raises StopIteration once the watch is closed."""
        event = None
        try:
            if not self._link.is_closed:
                with suppress(StreamClosedError):
                    event = next(self._events)
        finally:
            if event is None:
                self._link.release()
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """End it."""
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._link.release()


class AsyncWatch:
    """As `Watch`, for asyncio: iterate in one task at a time; `close` ends it from any."""

    def __init__(self, watching: Watching, link: AsyncLink) -> None:
        self._watching = watching
        self._link = link.stream_link()
        self._events: AsyncGenerator[WatchEvent | None, None] = iterate_async(watching.steps(), self._link.perform)

    async def begin(self) -> Self:
        """As `Watch.begin`."""
        async with AsyncExitStack() as failing:
            failing.push_async_callback(self._link.release)
            await anext(self._events)
            failing.pop_all()
        return self

    @property
    def token(self) -> CausalToken | None:
        """As `Watch.token`."""
        return self._watching.token

    @property
    def url(self) -> str:
        """As `Watch.url`."""
        return self._watching.url

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchEvent:
        """The next event. Raises StopAsyncIteration once the watch is closed."""
        event = None
        try:
            if not self._link.is_closed:
                with suppress(StreamClosedError):
                    event = await anext(self._events)
        finally:
            if event is None:
                await self._link.release()
        if event is None:
            raise StopAsyncIteration
        return event

    async def close(self) -> None:
        """End it."""
        self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
        await self._link.release()
