"""The causal session for asyncio; what each method means stands at `client.session.Session`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from client import paging, requests
from client.session_state import SessionState
from client.steps import iterate_async, run_async
from client.watch import AsyncWatch
from client.watching import RECONNECT_SECONDS, SILENCE_SECONDS, Watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from client.answers import Value, Written
    from client.async_link import AsyncLink
    from client.causal_token import CausalToken
    from client.cluster import Cluster
    from client.data_answers import CounterValue, Cut, Incremented, ScanPage, SetPage
    from client.operations import Operation
    from client.protocol import Request
    from client.requests import WriteOptions

AnswerT = TypeVar("AnswerT")


class AsyncSession:
    """As `Session`: any number of tasks of one event loop may use it at the same time."""

    def __init__(self, cluster: Cluster, link: AsyncLink, token: CausalToken | str | None = None) -> None:
        self._cluster = cluster
        self._link = link
        self._state = SessionState(token)

    @property
    def token(self) -> CausalToken:
        """As `Session.token`."""
        return self._state.token

    def observe(self, token: CausalToken | str) -> None:
        """As `Session.observe`."""
        self._state.observe(token)

    # --------------------------------------------------------------------------------------- keys

    async def put(
        self,
        key: str,
        value: Any,
        *,
        ttl_seconds: float | None = None,
        if_vc: Sequence[int] | None = None,
        if_absent: bool = False,
        **how: Unpack[WriteOptions],
    ) -> Written:
        """As `Session.put`."""
        return await self._exchange(
            requests.put(key, value, ttl_seconds=ttl_seconds, if_vc=if_vc, if_absent=if_absent, how=how),
            how.get("node"),
        )

    async def get(self, key: str, *, siblings: bool = False, node: str | None = None) -> Value:
        """As `Session.get`."""
        return await self._exchange(requests.get(key, siblings=siblings), node)

    async def delete(
        self,
        key: str,
        *,
        if_vc: Sequence[int] | None = None,
        if_absent: bool = False,
        **how: Unpack[WriteOptions],
    ) -> Written:
        """As `Session.delete`."""
        return await self._exchange(requests.delete(key, if_vc=if_vc, if_absent=if_absent, how=how), how.get("node"))

    async def batch(self, operations: Iterable[Operation], **how: Unpack[WriteOptions]) -> Written:
        """As `Session.batch`."""
        return await self._exchange(requests.batch(operations, how), how.get("node"))

    async def mget(self, keys: Iterable[str], *, node: str | None = None) -> Cut:
        """As `Session.mget`."""
        return await self._exchange(requests.mget(keys), node)

    async def scan(
        self, prefix: str = "", *, after: str | None = None, limit: int | None = None, node: str | None = None
    ) -> ScanPage:
        """As `Session.scan`."""
        return await self._exchange(requests.scan(prefix, after=after, limit=limit), node)

    def scan_pages(
        self, prefix: str = "", *, after: str | None = None, limit: int | None = None, node: str | None = None
    ) -> AsyncIterator[ScanPage]:
        """As `Session.scan_pages`."""
        pages = paging.scan_pages(self._cluster, self._state, prefix, after=after, limit=limit, node=node)
        return iterate_async(pages, self._link.perform)

    # --------------------------------------------------------------------------------------- counters and sets

    async def incr(self, key: str, by: int = 1, **how: Unpack[WriteOptions]) -> Incremented:
        """As `Session.incr`."""
        return await self._exchange(requests.incr(key, by, how), how.get("node"))

    async def counter(self, key: str, *, node: str | None = None) -> CounterValue:
        """As `Session.counter`."""
        return await self._exchange(requests.counter(key), node)

    async def sadd(self, key: str, members: Iterable[Any], **how: Unpack[WriteOptions]) -> Written:
        """As `Session.sadd`."""
        return await self._exchange(requests.sadd(key, members, how), how.get("node"))

    async def srem(self, key: str, members: Iterable[Any], **how: Unpack[WriteOptions]) -> Written:
        """As `Session.srem`."""
        return await self._exchange(requests.srem(key, members, how), how.get("node"))

    async def smembers(
        self, key: str, *, after: str | None = None, limit: int | None = None, node: str | None = None
    ) -> SetPage:
        """As `Session.smembers`."""
        if after is None and limit is None:
            return await run_async(paging.whole_set(self._cluster, self._state, key, node=node), self._link.perform)
        return await self._exchange(requests.smembers(key, after=after, limit=limit), node)

    # --------------------------------------------------------------------------------------- changes

    async def watch(
        self,
        prefix: str = "",
        *,
        initial: bool = False,
        since: CausalToken | str | None = None,
        node: str | None = None,
        silence_seconds: float = SILENCE_SECONDS,
        reconnect_seconds: float = RECONNECT_SECONDS,
    ) -> AsyncWatch:
        """As `Session.watch`."""
        watching = Watching(
            self._cluster,
            self._state,
            prefix,
            initial=initial,
            since=since,
            node=node,
            silence_seconds=silence_seconds,
            reconnect_seconds=reconnect_seconds,
        )
        return await AsyncWatch(watching, self._link).begin()

    async def _exchange(self, request: Request[AnswerT], node: str | None) -> AnswerT:
        return await run_async(self._cluster.exchange(request, node=node, session=self._state), self._link.perform)
