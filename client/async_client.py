"""The client of a cluster for asyncio; what each method means stands at `client.client.Client`.

async with AsyncClient() as client:
    session = client.session()
    await session.put("x", "5")
    async with await session.watch("x") as changes:
        async for change in changes:
            ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from client import requests
from client.async_link import AsyncLink
from client.async_session import AsyncSession
from client.cluster import DEFAULT_TIMEOUT_SECONDS, Cluster
from client.steps import run_async

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from client.answers import CausalBuffer, MemberRemoved, Members, NodeStatus
    from client.causal_token import CausalToken
    from client.cluster import Reply
    from client.node_events import EventPage
    from client.protocol import Request
    from client.steps import Steps

ResultT = TypeVar("ResultT")


class AsyncClient:
    """Reaches the nodes of one cluster, from one event loop; what it takes and raises: as `Client`."""

    def __init__(
        self,
        urls: Iterable[str] | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        proxy: str | None = None,
    ) -> None:
        self.cluster = Cluster(urls, timeout_seconds)
        self.urls = self.cluster.urls
        self.link = AsyncLink(self.urls, proxy=proxy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.link.close()

    def session(self, token: CausalToken | str | None = None) -> AsyncSession:
        """As `Client.session`."""
        return AsyncSession(self.cluster, self.link, token)

    async def status(self, node: str) -> NodeStatus:
        """As `Client.status`."""
        return await self._run(self.cluster.exchange(requests.STATUS, node=node))

    async def buffer(self, node: str) -> CausalBuffer:
        """As `Client.buffer`."""
        return await self._run(self.cluster.exchange(requests.BUFFER, node=node))

    async def members(self, node: str | None = None) -> Members:
        """As `Client.members`."""
        return await self._run(self.cluster.exchange(requests.MEMBERS, node=node))

    async def remove_member(self, node: str, *, force: bool = False, ask: str | None = None) -> MemberRemoved:
        """As `Client.remove_member`."""
        return await self._run(self.cluster.remove_member(node, force=force, ask=ask))

    async def events(self, node: str, *, since: str | None = None, limit: int | None = None) -> EventPage:
        """As `Client.events`."""
        return await self._run(self.cluster.exchange(requests.events(since, limit), node=node))

    async def url_of(self, node: str) -> str:
        """As `Client.url_of`."""
        return await self._run(self.cluster.url_of(node))

    async def status_of_all(self) -> list[Reply[NodeStatus]]:
        """As `Client.status_of_all`."""
        return await self._run(self.cluster.status_of_all())

    async def buffer_of_all(self) -> list[Reply[CausalBuffer]]:
        """As `Client.buffer_of_all`."""
        return await self._run(self.cluster.ask_all(requests.BUFFER))

    async def events_of_all(
        self, since: Mapping[str, str] | None = None, *, limit: int | None = None, urls: Iterable[str] | None = None
    ) -> list[Reply[EventPage]]:
        """As `Client.events_of_all`."""
        return await self._run(self.cluster.events_of_all(since or {}, limit, urls))

    async def exchange(self, request: Request[ResultT], *, node: str | None = None) -> ResultT:
        """As `Client.exchange`."""
        return await self._run(self.cluster.exchange(request, node=node))

    async def _run(self, steps: Steps[ResultT]) -> ResultT:
        return await run_async(steps, self.link.perform)
