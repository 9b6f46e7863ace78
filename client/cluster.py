"""The nodes of one cluster as calls: which is asked, with which token, and what its answer means. No I/O.

Everything here is a generator of steps (`client.steps`), which `Client` and `AsyncClient` carry out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from client import protocol, requests
from client.causal_token import CausalToken
from client.errors import (
    ClusterError,
    ConfigurationError,
    ContextNotReachedError,
    ForeignContextError,
    NoNodeCouldError,
    UnexpectedAnswerError,
)
from client.failover import ROUNDS_MAX, Budget, Call
from client.nodes import Directory, check_urls, urls_from_environment
from client.steps import OpenStream, Send, SendAll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from client.answers import MemberRemoved, NodeStatus
    from client.node_events import EventPage
    from client.protocol import RawAnswer, Request
    from client.session_state import SessionState
    from client.steps import Steps

DEFAULT_TIMEOUT_SECONDS = 10.0
# How long one node may take to say how it is; it never waits for anything to answer that.
PROBE_TIMEOUT_SECONDS = 3.0
EVENT_STREAM = "text/event-stream"

AnswerT = TypeVar("AnswerT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Reply(Generic[AnswerT]):
    """What one of several nodes that were asked answered: ``answer``, or the ``error`` in its place."""

    url: str
    answer: AnswerT | None = None
    error: ClusterError | None = None


class Cluster:
    """What a client knows of its nodes, and how each call goes.

    ``urls``: the nodes' addresses, else those in CAUSALKV_URLS, else the local cluster's. Raises ConfigurationError.
    """

    def __init__(self, urls: Iterable[str] | None, timeout_seconds: float) -> None:
        self.urls = urls_from_environment() if urls is None else check_urls(urls)
        if not timeout_seconds > 0:
            raise ConfigurationError(f"timeout_seconds is {timeout_seconds}: use more than 0")
        self.timeout_seconds = timeout_seconds
        self._directory = Directory(self.urls, self._ask_status)
        self._last_answered = self.urls[0]
        # Should a node be looked for at every address, time remains for the request itself.
        self._probe_seconds = min(PROBE_TIMEOUT_SECONDS, timeout_seconds / (len(self.urls) + 1))

    # ------------------------------------------------------------------------------- one request

    def exchange(
        self,
        request: Request[AnswerT],
        *,
        node: str | None = None,
        urls: Sequence[str] | None = None,
        session: SessionState | None = None,
    ) -> Steps[AnswerT]:
        """Carry out one request at the named node, or at one of ``urls``, or at any; the base of all commands.

        Raises the errors of `client.errors`; for what is sent again see `client.failover`.
        """
        budget = Budget(self.timeout_seconds)

        def attempt(url: str, targets_left: int) -> Steps[AnswerT]:
            raw: RawAnswer = yield self._send(url, request, budget, targets_left, session)
            if session is not None:  # errors carry a token too
                session.observe(protocol.token_of(raw))
            return protocol.read_answer(request, raw)

        return (yield from self._call(attempt, request, budget, node=node, urls=urls, session=session))

    def open_stream(
        self,
        request: Request[Any],
        silence_seconds: float,
        *,
        budget: Budget,
        rounds_max: float = ROUNDS_MAX,
        node: str | None = None,
        last: str | None = None,
        session: SessionState,
    ) -> Steps[str]:
        """Open a stream at the named node, or at any, the one at the address ``last`` after all others.

        Returns the address of the node that sends it. Raises the errors of `client.errors`.
        """

        def attempt(url: str, targets_left: int) -> Steps[str]:
            send = self._send(url, request, budget, targets_left, session)
            raw: RawAnswer = yield OpenStream(send, silence_seconds)
            if raw.status_code != protocol.OK:
                raise protocol.refusal_of(request, raw)
            if not raw.content_type.startswith(EVENT_STREAM):
                raise UnexpectedAnswerError(f"{url} answered without an event stream: is this a causalkv node?")
            return url

        urls = self._nearest_first()
        if last is not None:
            urls.sort(key=lambda url: url == last)
        return (
            yield from self._call(
                attempt, request, budget, node=node, urls=urls, session=session, rounds_max=rounds_max
            )
        )

    def _call(
        self,
        attempt: Callable[[str, int], Steps[ResultT]],
        request: Request[Any],
        budget: Budget,
        *,
        node: str | None,
        urls: Sequence[str] | None,
        session: SessionState | None,
        rounds_max: float = ROUNDS_MAX,
    ) -> Steps[ResultT]:
        def at_url(url: str, targets_left: int) -> Steps[ResultT]:
            try:
                result = yield from attempt(url, targets_left)
            except ContextNotReachedError as error:
                yield from self._refuse_foreign_context(error)
                raise
            if session is not None:
                # Staying with the node that answered spares waits: it has what the session wrote there.
                self._last_answered = url
            return result

        def at_named_node(name: str, targets_left: int) -> Steps[ResultT]:
            url = yield from self.url_of(name)
            return (yield from at_url(url, targets_left))

        return (
            yield from Call(
                at_url if node is None else at_named_node,
                [node] if node is not None else self._nearest_first() if urls is None else urls,
                budget,
                repetition=request.repetition,
                effect=request.effect,
                rounds_max=rounds_max,
            ).steps()
        )

    def _send(
        self, url: str, request: Request[Any], budget: Budget, targets_left: int, session: SessionState | None
    ) -> Send:
        times = budget.times(targets_left, request)
        token = CausalToken() if session is None else session.token
        return Send(url, request, token, times.wait_seconds, times.timeout_seconds)

    def _nearest_first(self) -> list[str]:
        first = self.urls.index(self._last_answered)
        return [*self.urls[first:], *self.urls[:first]]

    def _refuse_foreign_context(self, error: ContextNotReachedError) -> Steps[None]:
        """Raise ForeignContextError when all nodes answer and none knows the replicas that are waited for.

        A replica is known to the nodes that applied a write of it, and to itself. Without this, a session
        that outlived its cluster would run into the same wait for ever.
        """
        known: set[str] = set()
        names: list[str] = []
        for reply in (yield from self.status_of_all()):
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

    # ------------------------------------------------------------------------------- the nodes

    def url_of(self, node: str) -> Steps[str]:
        """Find the address of the node of that name. Raises UnreachableError, UnknownNodeError."""
        return (yield from self._directory.locate(node, self._probe_seconds))

    def status_of_all(self) -> Steps[list[Reply[NodeStatus]]]:
        """Ask every node once, at the same time, how it is; in the order of the addresses."""
        replies = yield from self.ask_all(requests.STATUS)
        for reply in replies:
            if reply.answer is not None:
                self._directory.learn(reply.answer.node, reply.url)
        return replies

    def ask_all(self, request: Request[AnswerT]) -> Steps[list[Reply[AnswerT]]]:
        """Ask every node once, at the same time, outside any session."""
        return (yield from self.ask_each(dict.fromkeys(self.urls, request)))

    def ask_each(self, by_url: Mapping[str, Request[AnswerT]]) -> Steps[list[Reply[AnswerT]]]:
        """Ask each of these nodes its own question, all at the same time, outside any session."""
        sends = tuple(self._probe(url, request, self._probe_seconds) for url, request in by_url.items())
        outcomes: list[RawAnswer | ClusterError] = yield SendAll(sends)
        return [_reply(send.url, by_url[send.url], outcome) for send, outcome in zip(sends, outcomes, strict=True)]

    def events_of_all(
        self, since: Mapping[str, str], limit: int | None, urls: Iterable[str] | None
    ) -> Steps[list[Reply[EventPage]]]:
        """Ask the nodes at these addresses, or all, for a page of events each, behind its position in ``since``."""
        asked = self.urls if urls is None else urls
        return (yield from self.ask_each({url: requests.events(since.get(url), limit) for url in asked}))

    def remove_member(self, node: str, *, force: bool, ask: str | None) -> Steps[MemberRemoved]:
        """Take a node out of the cluster; by default not asked of the one that goes."""
        request = requests.remove_member(node, force=force)
        if ask is not None:
            return (yield from self.exchange(request, node=ask))
        urls = yield from self._urls_of_others(node)
        return (yield from self.exchange(request, urls=urls))

    def _urls_of_others(self, node: str) -> Steps[list[str]]:
        """Find those that answer and are not the node of that name, of which they judge."""
        replies = yield from self.status_of_all()
        others = [reply.url for reply in replies if reply.answer is not None and reply.answer.node != node]
        errors = {reply.url: reply.error for reply in replies if reply.error is not None}
        if len(errors) == len(replies):
            raise NoNodeCouldError(errors)
        if not others:
            reasons = "".join(f"; {error}" for error in errors.values())
            raise ClusterError(f"only {node} itself answers, and it takes another node to remove it{reasons}")
        return others

    def _ask_status(self, url: str, timeout_seconds: float) -> Steps[NodeStatus]:
        raw: RawAnswer = yield self._probe(url, requests.STATUS, timeout_seconds)
        return protocol.read_answer(requests.STATUS, raw)

    def _probe(self, url: str, request: Request[Any], timeout_seconds: float) -> Send:
        return Send(url, request, CausalToken(), wait_seconds=0.0, timeout_seconds=timeout_seconds)


def _reply(url: str, request: Request[AnswerT], outcome: RawAnswer | ClusterError) -> Reply[AnswerT]:
    if isinstance(outcome, ClusterError):
        return Reply(url, error=outcome)
    try:
        return Reply(url, answer=protocol.read_answer(request, outcome))
    except ClusterError as error:
        return Reply(url, error=error)
