"""The form of a route: what it takes and what it answers, said once, for serving and for describing it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from node.http.answers import JSON, ContextNotReached, Failure, NotReady
from node.http.answers import Reply as Reply  # noqa: PLC0414  # the type below is read at run time
from node.submission import Submission

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment

    from node.core.vector_clock import VectorClock

T = TypeVar("T")
Committing = Generator[Submission, None, T]
"""What a view that writes returns instead of its reply: it yields what must be answered before it can go on."""


class Exchange(NamedTuple):
    """One request as a view sees it; ``wait_seconds`` bounds the wait for ``context``."""

    environ: WSGIEnvironment
    context: VectorClock
    wait_seconds: float


class QueryParameter(NamedTuple):
    """A parameter in the query string, or in a header of its own: ``schema`` is JSON Schema."""

    name: str
    description: str
    schema: dict[str, Any]
    required: bool = False


class Documented(NamedTuple):
    """One answer of a route; ``kinds`` are the structs that its body may be, none for a plain text.

    ``retry_after``: the answer may say when to send the same request again.
    """

    status: int
    description: str
    kinds: tuple[type, ...] = (Failure,)
    content_type: str = JSON
    retry_after: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One path and method.

    ``waits``: the view waits for the request's context. ``query``: the parameters taken, anything else is refused;
    None ignores the query string, for probes that append what they like. ``headers``: those that matter beside the
    ones that every route takes. ``is_described``: it stands in the description at ``/openapi.json``.
    """

    path: str
    method: str
    view: Callable[[Exchange], Reply | Committing[Reply]]
    summary: str
    answers: tuple[Documented, ...]
    query: tuple[QueryParameter, ...] | None = ()
    body: type | None = None
    waits: bool = False
    headers: tuple[QueryParameter, ...] = ()
    is_described: bool = True


MALFORMED = Documented(400, "malformed: the error says what would be right")
FAULT = Documented(503, "the node failed; its log says how")
CANNOT_NOW = Documented(
    503,
    "cannot now: the context is not reached (missing says what lacks), or the node starts, stops, or failed",
    (ContextNotReached, Failure),
    retry_after=True,
)
LIMIT_REACHED = Documented(429, "a limit is reached", retry_after=True)
UNREADY = Documented(503, "not caught up, or not serving", (NotReady, Failure), retry_after=True)
BODY_ERRORS = (
    Documented(413, "the value or the body is too large"),
    Documented(415, "the body is not sent as application/json"),
)
