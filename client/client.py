"""The client of a cluster.

A `Client` knows the nodes and how to reach them. A `Session` knows what was seen: it sends its causal
token with every request and takes in the one of every answer, so that reads and writes through it are in
causal order whichever node each of them reaches. The same for asyncio: `client.async_client`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from client import requests
from client.cluster import DEFAULT_TIMEOUT_SECONDS, Cluster
from client.link import Link
from client.session import Session
from client.steps import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from client.answers import CausalBuffer, MemberRemoved, Members, NodeStatus
    from client.causal_token import CausalToken
    from client.cluster import Reply
    from client.node_events import EventPage
    from client.protocol import Request
    from client.steps import Steps

ResultT = TypeVar("ResultT")


class Client:
    """Reaches the nodes of one cluster; safe to use from several threads.

    ``urls``: the nodes' addresses, else those in CAUSALKV_URLS, else the local cluster's.
    ``timeout_seconds``: the longest that one call takes, all attempts and waits included, but for the wait for an
    acknowledgement level, which comes on top.
    ``proxy``: an HTTP proxy on the way; see `client.http_form` for why none is taken from the environment.
    Raises ConfigurationError when one of them is malformed.
    """

    def __init__(
        self,
        urls: Iterable[str] | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        proxy: str | None = None,
    ) -> None:
        self.cluster = Cluster(urls, timeout_seconds)
        self.urls = self.cluster.urls
        self.link = Link(self.urls, proxy=proxy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.link.close()

    def session(self, token: CausalToken | str | None = None) -> Session:
        """Open a session that has seen what ``token``, also as text, covers; nothing by default.

        Raises InvalidTokenError for a malformed text.
        """
        return Session(self.cluster, self.link, token)

    # Status, buffer, members and events are for operators and belong to no session: who looks at a node's clock during
    # a partition must not make later reads wait for everything that the clock counts.

    def status(self, node: str) -> NodeStatus:
        """Ask the node of that name how it is. Raises ClusterError, UnknownNodeError."""
        return self._run(self.cluster.exchange(requests.STATUS, node=node))

    def buffer(self, node: str) -> CausalBuffer:
        """Ask the node of that name for the writes that it holds. Raises ClusterError, UnknownNodeError."""
        return self._run(self.cluster.exchange(requests.BUFFER, node=node))

    def members(self, node: str | None = None) -> Members:
        """Ask the named node, or any, who belongs to the cluster. Raises ClusterError, UnknownNodeError."""
        return self._run(self.cluster.exchange(requests.MEMBERS, node=node))

    def remove_member(self, node: str, *, force: bool = False, ask: str | None = None) -> MemberRemoved:
        """Take a node out of the cluster for good: its queue is deleted, its writes stay.

        ``force``: also while it is alive. ``ask``: the node that does it; by default any but the one that goes.
        Raises InvalidRequestError when the node refuses, OutcomeUnknownError when its answer was lost, and
        other ClusterErrors when nothing was changed.
        """
        return self._run(self.cluster.remove_member(node, force=force, ask=ask))

    def events(self, node: str, *, since: str | None = None, limit: int | None = None) -> EventPage:
        """Ask the node of that name what happened to writes there: a page of at most ``limit`` events.

        1000 by default, 10 000 at most. It begins behind ``since``, the ``next`` of an earlier page, else with the
        oldest event that the node keeps.
        Raises InvalidRequestError, ClusterError, UnknownNodeError.
        """
        return self._run(self.cluster.exchange(requests.events(since, limit), node=node))

    def url_of(self, node: str) -> str:
        """Find the address of the node of that name. Raises UnreachableError, UnknownNodeError."""
        return self._run(self.cluster.url_of(node))

    def status_of_all(self) -> list[Reply[NodeStatus]]:
        """Ask every node once, at the same time, how it is; in the order of the addresses."""
        return self._run(self.cluster.status_of_all())

    def buffer_of_all(self) -> list[Reply[CausalBuffer]]:
        """Ask every node once, at the same time, for the writes that it holds."""
        return self._run(self.cluster.ask_all(requests.BUFFER))

    def events_of_all(
        self, since: Mapping[str, str] | None = None, *, limit: int | None = None, urls: Iterable[str] | None = None
    ) -> list[Reply[EventPage]]:
        """Ask every node, or those at ``urls``, once, at the same time, for a page of its events.

        ``since``: as for `events`, by address.
        """
        return self._run(self.cluster.events_of_all(since or {}, limit, urls))

    def exchange(self, request: Request[ResultT], *, node: str | None = None) -> ResultT:
        """Carry out any request, outside all sessions, at the named node, or at any; the base of what stands above.

        Raises the errors of `client.errors`.
        """
        return self._run(self.cluster.exchange(request, node=node))

    def _run(self, steps: Steps[ResultT]) -> ResultT:
        return run(steps, self.link.perform)
