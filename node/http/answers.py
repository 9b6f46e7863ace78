"""What the answers look like: the bodies as typed structs, and the way from a body to a Flask response."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from flask import Response
from msgspec import UNSET, Meta, Struct, UnsetType

from node.http.causal_context import CONTEXT_HEADER, format_context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from node.core.vector_clock import VectorClock

JSON = "application/json"

ShownClock = Annotated[
    list[int], Meta(description="one number of writes for each node, in natural order of the node ids")
]
ClockByReplica = Annotated[dict[str, int], Meta(description="number of writes by replica id")]
DotText = Annotated[str, Meta(description="a write's name: replica id, colon, number", examples=["node1~t5k2m1:3"])]


# ------------------------------------------------------------------------------------------ errors


class Failure(Struct):
    """What is wrong, and what would be right."""

    error: str


class MissingRange(Struct):
    """The writes ``first`` to ``last`` of one replica."""

    first: int
    last: int


class ContextNotReached(Struct):
    """This node has not applied all that the request's context names."""

    error: str
    missing: Annotated[dict[str, MissingRange], Meta(description="what is missing, by replica id")]
    unknown: (
        Annotated[list[str], Meta(description="those of these replicas of which this node has never heard")] | UnsetType
    ) = UNSET


class NotReady(Struct):
    """Not caught up, or not serving."""

    ready: bool
    error: str


# -------------------------------------------------------------------------------------- operations


class Alive(Struct):
    """The process serves."""

    alive: bool


class Ready(Struct):
    """Caught up and serving."""

    ready: bool


class Status(Struct):
    """How this node is; more details follow these keys."""

    node: str
    incarnation: Annotated[str, Meta(description="new with each data directory")]
    ready: bool
    vc: ShownClock
    clock: ClockByReplica
    held: Annotated[int, Meta(ge=0, description="writes in the causal buffer")]
    outbox: Annotated[int, Meta(ge=0, description="own writes that the broker has not confirmed")]
    broker: Literal["connected", "disconnected", "blocked"]


class Member(Struct):
    """One member, as this node knows it."""

    node: str
    replica: Annotated[str | None, Meta(description="the replica id under which it writes; null: not heard yet")]
    alive: Annotated[bool, Meta(description="it told its clock lately")]
    away: Annotated[bool, Meta(description="silent for so long that it holds back no history")]
    silent_seconds: Annotated[float, Meta(ge=0)]
    lag_writes: Annotated[int, Meta(ge=0, description="writes applied here that it has not applied")]
    holds_back_writes: Annotated[int, Meta(ge=0, description="writes kept in history because it lacks them")]
    clock_ahead_seconds: Annotated[float | None, Meta(description="its wall clock against this node's")]
    url: str | None


class Members(Struct):
    """The members of the cluster."""

    members: list[Member]


class MemberRemoved(Struct):
    """A node is no member any more; its writes stay."""

    removed: str
    members: list[Member]


class Held(Struct):
    """A write that waits for others which happened before it."""

    dot: DotText
    vc: ShownClock
    clock: ClockByReplica
    keys: list[str]
    since: Annotated[str, Meta(description="when it arrived: ISO 8601, UTC", examples=["2025-01-31T12:00:00.000Z"])]
    held_seconds: Annotated[float, Meta(ge=0)]
    waits_for: DotText
    missing: list[DotText]


class Buffer(Struct):
    """The causal buffer: its first writes in order of arrival, and how many it holds in all."""

    held: list[Held]
    count: Annotated[int, Meta(ge=0)]


class FaultsInForce(Struct):
    """The faults in force; more details follow these keys."""

    delay: Annotated[dict[str, float], Meta(description="seconds by node id")]
    drop: Annotated[dict[str, float], Meta(description="how likely a message is lost, by node id")]
    duplicate: Annotated[dict[str, float], Meta(description="how likely a message comes twice, by node id")]
    cut: Annotated[bool, Meta(description="whether this node is parted from the broker")]
    wall_offset: Annotated[float, Meta(description="seconds by which the wall clock is set wrong")]


# ---------------------------------------------------------------------------------------- response

_encoder = msgspec.json.Encoder()


def encode(body: Any) -> bytes:
    """A body as JSON."""
    return _encoder.encode(body)


class Reply(NamedTuple):
    """What a request comes to, before it is a Flask response.

    ``seen`` is the clock of what the answer shows, which joins the causal token; None shows nothing.
    ``is_endless``: somebody else goes on behind the head, until the connection closes.
    """

    status: int
    body: bytes
    seen: VectorClock | None = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    is_endless: bool = False


STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def constant_headers(content_type: str) -> list[tuple[str, str]]:
    """What stands on every answer, whatever it says."""
    return [("Content-Type", content_type), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]


class Answer:
    """The complete answer to a request that brought ``context``, as the server takes it.

    Werkzeug's headers object, with its checks, copies and late corrections, is passed by: that is a fifth of the
    time of a read. Nothing here needs it: no redirects, no cookies, no streams.
    """

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, reply: Reply, context: VectorClock) -> None:
        token = context if reply.seen is None else context.merge(reply.seen)
        self._status = STATUS_LINES[reply.status]
        self._body = () if reply.is_endless else (reply.body,)
        self._headers = [
            *constant_headers(reply.content_type),
            (CONTEXT_HEADER, format_context(token)),
            *reply.headers,
        ]
        if not reply.is_endless:
            self._headers.append(("Content-Length", str(len(reply.body))))

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """The answer in WSGI's form."""
        start_response(self._status, self._headers)
        return self._body

    def as_response(self) -> Response:
        """The answer as Flask takes it, for a request that came that way; a HEAD gets the head alone."""
        return _Response(self._status, self._headers, self._body)


class _Response(Response):
    """A response that is complete when it is made."""

    default_mimetype = None

    def __init__(self, status: str, headers: list[tuple[str, str]], body: tuple[bytes, ...]) -> None:
        super().__init__(status=status)
        self._wsgi_headers = headers
        self._body = body

    def get_wsgi_response(self, environ: WSGIEnvironment) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Body, status line and headers, as the server takes them."""
        return () if environ["REQUEST_METHOD"] == "HEAD" else self._body, self.status, self._wsgi_headers
