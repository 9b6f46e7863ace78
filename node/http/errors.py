"""Which answer each error gets: one table, and the few errors that only HTTP knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import structlog
from msgspec import UNSET

from node.errors import (
    AnswerTooLargeError,
    CausalKVError,
    ContextNotReachedError,
    InvalidRequestError,
    LimitReachedError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreCorruptedError,
    StoreError,
    StoreFullError,
    TooLargeError,
    UnavailableError,
)
from node.http.answers import ContextNotReached, Failure, MissingRange, Reply, encode
from node.logs import REPORT_IT

if TYPE_CHECKING:
    from node.core.vector_clock import SequenceRange

log = structlog.get_logger("causalkv.http")

RETRY_AFTER_SECONDS = 1
RETRY_AFTER = (("Retry-After", str(RETRY_AFTER_SECONDS)),)


class NotServedError(InvalidRequestError):
    """There is nothing at this path (404)."""


class UnsupportedMediaTypeError(InvalidRequestError):
    """The body is not sent as JSON (415)."""


class _Row(NamedTuple):
    status: int
    may_succeed_later: bool


ANSWERS: dict[type[CausalKVError], _Row] = {
    InvalidRequestError: _Row(400, may_succeed_later=False),
    NotServedError: _Row(404, may_succeed_later=False),
    TooLargeError: _Row(413, may_succeed_later=False),
    UnsupportedMediaTypeError: _Row(415, may_succeed_later=False),
    AnswerTooLargeError: _Row(413, may_succeed_later=False),
    PreconditionFailedError: _Row(409, may_succeed_later=False),
    LimitReachedError: _Row(429, may_succeed_later=True),
    ContextNotReachedError: _Row(503, may_succeed_later=True),
    # Retry-After tells a client that it may send the same request again: not where a write may have taken effect.
    OutcomeUnknownError: _Row(503, may_succeed_later=False),
    UnavailableError: _Row(503, may_succeed_later=True),
    StoreFullError: _Row(507, may_succeed_later=False),
    StoreCorruptedError: _Row(503, may_succeed_later=False),
    StoreError: _Row(503, may_succeed_later=False),
}
"""An error gets the row of its nearest class; an error without one is a fault of this program."""

OWN_FAULT = (
    "the node could not do this, by a fault of its own that its log describes: read before writing again, "
    "or use another node"
)


def reply_to(error: Exception, route: str) -> Reply:
    """The answer for anything that carrying out a request at ``route`` raised: never a 500, never a traceback."""
    row = next((ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS), None)
    if row is None:
        log.error("a request failed", route=route, exc_info=error, what_to_do=REPORT_IT)
        return Reply(503, encode(Failure(OWN_FAULT)))
    if isinstance(error, StoreError) and not isinstance(error, StoreFullError):
        log.error(
            "a request failed at the local store",
            route=route,
            reason=str(error),
            what_to_do="check the disk of the data directory; restore its copy, or begin anew without it",
        )
    headers = RETRY_AFTER if row.may_succeed_later else ()
    if isinstance(error, ContextNotReachedError):
        missing = {replica: _range(dots) for replica, dots in error.missing.items()}
        body = ContextNotReached(str(error), missing, list(error.unknown) or UNSET)
        return Reply(row.status, encode(body), headers=headers)
    return Reply(row.status, encode(Failure(str(error))), headers=headers)


def _range(dots: SequenceRange) -> MissingRange:
    return MissingRange(dots.first, dots.last)
