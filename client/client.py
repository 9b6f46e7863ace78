"""The client of a cluster.

A `Client` knows the nodes and how to reach them. A `Session` knows what was seen: it sends its causal
token with every request and takes in the one of every answer, so that reads and writes through it are in
causal order whichever node each of them reaches.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from client import failover, protocol
from client.answers import CausalBuffer, MemberRemoved, Members, NodeStatus
from client.causal_token import CausalToken
from client.errors import (
    AnswerLostError,
    ClusterError,
    ConfigurationError,
    ContextNotReachedError,
    ForeignContextError,
    NoNodeCouldError,
    UnexpectedAnswerError,
)
from client.failover import Budget
from client.link import Link
from client.nodes import Directory, check_urls, urls_from_environment
from client.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEFAULT_TIMEOUT_SECONDS = 10.0
# How long one node may take to say how it is; it never waits for anything to answer that.
PROBE_TIMEOUT_SECONDS = 3.0
PROBES_AT_ONCE_MAX = 16

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Reply(Generic[AnswerT]):
    """What one of several nodes that were asked answered: ``answer``, or the ``error`` in its place."""

    url: str
    answer: AnswerT | None = None
    error: ClusterError | None = None


class Client:
    """Reaches the nodes of one cluster; safe to use from several threads.

    ``urls``: the nodes' addresses, else those in CAUSALKV_URLS, else the local cluster's.
    ``timeout_seconds``: the longest that one call takes, all attempts and waits included, but for the wait for an
    acknowledgement level, which comes on top.
    ``proxy``: an HTTP proxy on the way; see `client.link` for why none is taken from the environment.
    Raises ConfigurationError when one of them is malformed.
    """

    def __init__(
        self,
        urls: Iterable[str] | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        proxy: str | None = None,
    ) -> None:
        self.urls = urls_from_environment() if urls is None else check_urls(urls)
        if not timeout_seconds > 0:
            raise ConfigurationError(f"timeout_seconds is {timeout_seconds}: use more than 0")
        self.timeout_seconds = timeout_seconds
        self._link = Link(proxy=proxy)
        self._directory = Directory(self.urls, self._ask_status)
        self._last_answered = 0
        # Should a node be looked for at every address, time remains for the request itself.
        self._probe_seconds = min(PROBE_TIMEOUT_SECONDS, timeout_seconds / (len(self.urls) + 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def session(self, token: CausalToken | None = None) -> Session:
        """Open a session that has seen what ``token`` covers; nothing by default."""
        return Session(self, token or CausalToken())

    # Status, buffer and members are for operators and belong to no session: who looks at a node's clock during a
    # partition must not make later reads wait for everything that the clock counts.

    def status(self, node: str) -> NodeStatus:
        """Ask the node of that name how it is. Raises ClusterError, UnknownNodeError."""
        return self.exchange(protocol.STATUS, NodeStatus, node=node)

    def buffer(self, node: str) -> CausalBuffer:
        """Ask the node of that name for the writes that it holds. Raises ClusterError, UnknownNodeError."""
        return self.exchange(protocol.BUFFER, CausalBuffer, node=node)

    def members(self, node: str | None = None) -> Members:
        """Ask the named node, or any, who belongs to the cluster. Raises ClusterError, UnknownNodeError."""
        return self.exchange(protocol.MEMBERS, Members, node=node)

    def remove_member(self, node: str, *, force: bool = False, ask: str | None = None) -> MemberRemoved:
        """Take a node out of the cluster for good: its queue is deleted, its writes stay.

        ``force``: also while it is alive. ``ask``: the node that does it; by default any but the one that goes.
        Raises InvalidRequestError when the node refuses, OutcomeUnknownError when its answer was lost, and
        other ClusterErrors when nothing was changed.
        """
        request = protocol.remove_request(node, force=force)
        if ask is not None:
            return self.exchange(request, MemberRemoved, node=ask)
        return self.exchange(request, MemberRemoved, urls=self._urls_of_others(node))

    def url_of(self, node: str) -> str:
        """Find the address of the node of that name. Raises UnreachableError, UnknownNodeError."""
        return self._directory.locate(node, self._probe_seconds)

    def status_of_all(self) -> list[Reply[NodeStatus]]:
        """Ask every node once, at the same time, how it is; in the order of the addresses."""
        replies = self._ask_all(protocol.STATUS, NodeStatus)
        for reply in replies:
            if reply.answer is not None:
                self._directory.learn(reply.answer.node, reply.url)
        return replies

    def buffer_of_all(self) -> list[Reply[CausalBuffer]]:
        """Ask every node once, at the same time, for the writes that it holds."""
        return self._ask_all(protocol.BUFFER, CausalBuffer)

    def exchange(
        self,
        request: protocol.Request,
        answer_type: type[AnswerT],
        *,
        node: str | None = None,
        urls: Sequence[str] | None = None,
        session: Session | None = None,
    ) -> AnswerT:
        """Carry out one request at the named node, or at one of ``urls``, or at any; the base of all commands.

        Raises the errors of `client.errors`; what changes something is sent again only when it certainly was not
        applied.
        """
        budget = Budget(self.timeout_seconds)

        def at_url(url: str, targets_left: int) -> AnswerT:
            return self._attempt(url, request, answer_type, budget.times(targets_left, request), session)

        def at_named_node(name: str, targets_left: int) -> AnswerT:
            return at_url(self.url_of(name), targets_left)

        if node is not None:
            return failover.call(at_named_node, [node], budget)
        if urls is not None:
            return failover.call(at_url, urls, budget)
        first = self._last_answered
        return failover.call(at_url, [*self.urls[first:], *self.urls[:first]], budget)

    def _attempt(
        self,
        url: str,
        request: protocol.Request,
        answer_type: type[AnswerT],
        times: failover.AttemptTimes,
        session: Session | None,
    ) -> AnswerT:
        token = session.token if session is not None else CausalToken()
        try:
            raw = self._link.send(
                url, request, token=token, wait_seconds=times.wait_seconds, timeout_seconds=times.timeout_seconds
            )
            if session is not None:  # errors carry a token too
                session.observe(protocol.token_of(raw))
            answer = protocol.read_answer(request, raw, answer_type)
        except ContextNotReachedError as error:
            self._refuse_foreign_context(error)
            raise
        except (AnswerLostError, UnexpectedAnswerError) as error:
            if request.is_repeatable:
                raise
            raise protocol.outcome_unknown(request, error) from None
        if session is not None:
            # Staying with the node that answered spares waits: it has what the session wrote there.
            self._last_answered = self.urls.index(url)
        return answer

    def _refuse_foreign_context(self, error: ContextNotReachedError) -> None:
        """Raise ForeignContextError when all nodes answer and none knows the replicas that are waited for.

        A replica is known to the nodes that applied a write of it, and to itself. Without this, a session
        that outlived its cluster would run into the same wait for ever.
        """
        known: set[str] = set()
        names: list[str] = []
        for reply in self.status_of_all():
            if reply.answer is None:
                return  # this one may know them
            names.append(reply.answer.node)
            known |= {*reply.answer.clock, f"{reply.answer.node}~{reply.answer.incarnation}"}
        unknown = sorted(error.missing.keys() - known)
        if unknown:
            raise ForeignContextError(
                f"the session has seen writes of {', '.join(unknown)}, which {', '.join(sorted(names))} never heard "
                "of: probably it was made with another cluster, or this one was wiped since"
            ) from None

    def _urls_of_others(self, node: str) -> list[str]:
        """Find those that answer and are not the node of that name, of which they judge."""
        replies = self.status_of_all()
        others = [reply.url for reply in replies if reply.answer is not None and reply.answer.node != node]
        errors = {reply.url: reply.error for reply in replies if reply.error is not None}
        if len(errors) == len(replies):
            raise NoNodeCouldError(errors)
        if not others:
            reasons = "".join(f"; {error}" for error in errors.values())
            raise ClusterError(f"only {node} itself answers, and it takes another node to remove it{reasons}")
        return others

    def _ask_all(self, request: protocol.Request, answer_type: type[AnswerT]) -> list[Reply[AnswerT]]:
        def ask(url: str) -> Reply[AnswerT]:
            try:
                return Reply(url, answer=self._ask(url, request, answer_type, self._probe_seconds))
            except ClusterError as error:
                return Reply(url, error=error)

        with ThreadPoolExecutor(max_workers=min(len(self.urls), PROBES_AT_ONCE_MAX)) as threads:
            return list(threads.map(ask, self.urls))

    def _ask_status(self, url: str, timeout_seconds: float) -> NodeStatus:
        return self._ask(url, protocol.STATUS, NodeStatus, timeout_seconds)

    def _ask(self, url: str, request: protocol.Request, answer_type: type[AnswerT], timeout_seconds: float) -> AnswerT:
        """Ask one node once, outside any session."""
        raw = self._link.send(url, request, token=CausalToken(), wait_seconds=0.0, timeout_seconds=timeout_seconds)
        return protocol.read_answer(request, raw, answer_type)
