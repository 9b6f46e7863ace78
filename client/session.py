"""The causal session: it sends its causal token with every request and takes in the one of every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from client import paging, requests
from client.session_state import SessionState
from client.steps import iterate, run
from client.watch import Watch
from client.watching import RECONNECT_SECONDS, SILENCE_SECONDS, Watching

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from client.answers import Value, Written
    from client.causal_token import CausalToken
    from client.cluster import Cluster
    from client.data_answers import CounterValue, Cut, Incremented, ScanPage, SetPage
    from client.link import Link
    from client.operations import Operation
    from client.protocol import Request
    from client.requests import WriteOptions

AnswerT = TypeVar("AnswerT")


class Session:
    """A sequence of reads and writes in causal order; safe to use from several threads.

    The token can be handed to another process, also as text, which goes on from there: ``client.session(text)``.

    Every write takes the options of `client.requests.WriteOptions`: ``node``, ``ack``, ``ack_timeout``, ``request_id``.
    Writes are sent again when an answer is lost, as far as that can do no harm (`client.failover`); they raise
    OutcomeUnknownError when it stays unknown whether they were applied, and other errors of `client.errors` when
    nothing was. Reads take ``node``, and are tried at any node without it.
    """

    def __init__(self, cluster: Cluster, link: Link, token: CausalToken | str | None = None) -> None:
        self._cluster = cluster
        self._link = link
        self._state = SessionState(token)

    @property
    def token(self) -> CausalToken:
        """What this session has seen; ``str(session.token)`` is the text of it."""
        return self._state.token

    def observe(self, token: CausalToken | str) -> None:
        """Take in what was seen elsewhere; the session's token never moves back. Raises InvalidTokenError."""
        self._state.observe(token)

    # --------------------------------------------------------------------------------------- keys

    def put(
        self,
        key: str,
        value: Any,
        *,
        ttl_seconds: float | None = None,
        if_vc: Sequence[int] | None = None,
        if_absent: bool = False,
        **how: Unpack[WriteOptions],
    ) -> Written:
        """Store a JSON value under a key, for ``ttl_seconds`` when given.

        ``if_vc``: only when the node shows the version of this clock, as `get` gave it; ``if_absent``: only when it
        shows none. Raises PreconditionFailedError, with the version that is there, when it is not so.
        """
        return self._exchange(
            requests.put(key, value, ttl_seconds=ttl_seconds, if_vc=if_vc, if_absent=if_absent, how=how),
            how.get("node"),
        )

    def get(self, key: str, *, siblings: bool = False, node: str | None = None) -> Value:
        """Read a key, as the node shows it once it has all that the session has seen.

        Raises NotFoundError when there is no value.
        """
        return self._exchange(requests.get(key, siblings=siblings), node)

    def delete(
        self,
        key: str,
        *,
        if_vc: Sequence[int] | None = None,
        if_absent: bool = False,
        **how: Unpack[WriteOptions],
    ) -> Written:
        """Delete what the session has seen of a key; not an error when there is none.

        ``if_vc``, ``if_absent``: as for `put`.
        """
        return self._exchange(requests.delete(key, if_vc=if_vc, if_absent=if_absent, how=how), how.get("node"))

    def batch(self, operations: Iterable[Operation], **how: Unpack[WriteOptions]) -> Written:
        """Carry out 1 to 1000 operations as one write: all or nothing, at the same moment on every node.

        ``session.batch([PutOp("x", 1), DeleteOp("y"), IncrOp("hits"), SAddOp("tags", ["new"])])``
        """
        return self._exchange(requests.batch(operations, how), how.get("node"))

    def mget(self, keys: Iterable[str], *, node: str | None = None) -> Cut:
        """Read 1 to 1000 keys as they stand together at one moment; those without a value are in ``missing``."""
        return self._exchange(requests.mget(keys), node)

    def scan(
        self, prefix: str = "", *, after: str | None = None, limit: int | None = None, node: str | None = None
    ) -> ScanPage:
        """Read one page of keys in byte order, behind the key ``after``, at most ``limit`` (100; at most 1000)."""
        return self._exchange(requests.scan(prefix, after=after, limit=limit), node)

    def scan_pages(
        self, prefix: str = "", *, after: str | None = None, limit: int | None = None, node: str | None = None
    ) -> Iterator[ScanPage]:
        """Read page after page; ``limit``: so many keys in all, None for no limit.

        Each page stands at one moment, the pages together do not; a later one is never older than one before.
        """
        pages = paging.scan_pages(self._cluster, self._state, prefix, after=after, limit=limit, node=node)
        return iterate(pages, self._link.perform)

    # --------------------------------------------------------------------------------------- counters and sets

    def incr(self, key: str, by: int = 1, **how: Unpack[WriteOptions]) -> Incremented:
        """Add ``by``, which may be negative, to a counter; concurrent increments all count."""
        return self._exchange(requests.incr(key, by, how), how.get("node"))

    def counter(self, key: str, *, node: str | None = None) -> CounterValue:
        """Read a counter; 0 when nobody ever incremented it."""
        return self._exchange(requests.counter(key), node)

    def sadd(self, key: str, members: Iterable[Any], **how: Unpack[WriteOptions]) -> Written:
        """Add 1 to 1000 members, any JSON values, to a set; against a concurrent removal an addition wins."""
        return self._exchange(requests.sadd(key, members, how), how.get("node"))

    def srem(self, key: str, members: Iterable[Any], **how: Unpack[WriteOptions]) -> Written:
        """Remove 1 to 1000 members from a set, as far as the session has seen them added."""
        return self._exchange(requests.srem(key, members, how), how.get("node"))

    def smembers(
        self, key: str, *, after: str | None = None, limit: int | None = None, node: str | None = None
    ) -> SetPage:
        """Read all members of a set, in the byte order of their JSON texts; none of a set that nobody made.

        With ``after`` (the ``next`` of the page before) or ``limit`` (at most 1000) one page of them. Each page
        stands at one moment; a set of more than 1000 members is read page by page.
        """
        if after is None and limit is None:
            return run(paging.whole_set(self._cluster, self._state, key, node=node), self._link.perform)
        return self._exchange(requests.smembers(key, after=after, limit=limit), node)

    # --------------------------------------------------------------------------------------- changes

    def watch(
        self,
        prefix: str = "",
        *,
        initial: bool = False,
        since: CausalToken | str | None = None,
        node: str | None = None,
        silence_seconds: float = SILENCE_SECONDS,
        reconnect_seconds: float = RECONNECT_SECONDS,
    ) -> Watch:
        """Iterate over changes of keys that begin with ``prefix``, in causal order: an iterator of `WatchEvent`.

        From now on, or behind the token ``since``. ``initial``: first the whole state, then `InitialStateEnd`. A lost
        connection is made again at any node, behind what was told; `Reset` says that changes were missed all the
        same. A connection on which nothing comes for ``silence_seconds`` counts as lost; for ``reconnect_seconds``
        (infinity: for ever) another one is tried. What the watch tells, this session has seen.

        Close it, or use it as a context manager. Raises the errors of `client.errors` when no node serves it.
        """
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
        return Watch(watching, self._link).begin()

    def _exchange(self, request: Request[AnswerT], node: str | None) -> AnswerT:
        return run(self._cluster.exchange(request, node=node, session=self._state), self._link.perform)
