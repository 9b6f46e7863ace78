"""The two clients behind one face, so that the same test says of both what holds.

`AsyncClient` is called from a test as if it were `Client`: what it gives to await is awaited in an event loop on a
thread of its own.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from client import AsyncClient, AsyncSession, AsyncWatch, Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable

AWAITED_SECONDS_MAX = 120.0
KINDS = ("threads", "asyncio")


class OpenClient(Protocol):
    """Opens a client of the kind that the test is run with."""

    def __call__(
        self, urls: Iterable[str] | None = None, *, timeout_seconds: float = 10.0, proxy: str | None = None
    ) -> Client:
        """As `Client`."""
        ...


def opener(kind: str) -> OpenClient:
    """What opens clients of a kind."""
    if kind == "threads":
        return Client
    return lambda *arguments, **options: cast("Client", Blocking(AsyncClient(*arguments, **options)))


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result(AWAITED_SECONDS_MAX)


class Blocking:
    """An object of the asynchronous client, called as its twin is."""

    def __init__(self, twin: AsyncClient | AsyncSession | AsyncWatch | AsyncIterator[Any]) -> None:
        self._twin = twin

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._twin, name)
        if not inspect.ismethod(value):
            return value
        return lambda *arguments, **options: _blocking(value(*arguments, **options))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        _awaited(self._twin.__aexit__(*exception))  # type: ignore[union-attr]  # not on what is only iterated

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        async def following() -> Any:
            return await anext(cast("AsyncIterator[Any]", self._twin), _END)

        item = _awaited(following())
        if item is _END:
            raise StopIteration
        return item


_END = object()


def _blocking(value: Any) -> Any:
    if inspect.iscoroutine(value):
        value = _awaited(value)
    is_twin = isinstance(value, AsyncSession | AsyncWatch) or hasattr(value, "__anext__")
    return Blocking(value) if is_twin else value
