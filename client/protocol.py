"""The HTTP protocol of a node, without any I/O: requests as values, answers judged. The requests: `client.requests`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from client.causal_token import CausalToken
from client.data_answers import Version
from client.errors import (
    AnswerLostError,
    ClientError,
    ClusterError,
    ContextNotReachedError,
    DiskFullError,
    InvalidRequestError,
    InvalidTokenError,
    LimitReachedError,
    NotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
    UnavailableError,
    UnexpectedAnswerError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTEXT_HEADER = "X-Causal-Context"
WAIT_HEADER = "X-Causal-Wait"

OK, NOT_FOUND, CONFLICT, UNAVAILABLE = 200, 404, 409, 503
CLIENT_ERRORS = range(400, 500)
# With these a node says that it cannot now, and has applied nothing.
REFUSALS: Mapping[int, type[ClusterError]] = {429: LimitReachedError, UNAVAILABLE: UnavailableError, 507: DiskFullError}

AnswerT = TypeVar("AnswerT")


class Effect(StrEnum):
    """What a request does to the cluster, as messages call it."""

    NOTHING = "nothing"
    WRITE = "write"
    REMOVAL = "removal"


class Repetition(Enum):
    """Where a request may be sent again when nobody knows what became of it.

    A node remembers the request ids of what it has applied: under the same one nothing is done twice there.
    """

    ANYWHERE = auto()
    """It changes nothing."""
    SAME_NODE_FIRST = auto()
    """It has a request id, and does no harm if another node does it as well."""
    SAME_NODE = auto()
    """It has a request id, and would count twice, or fail by its own effect, at another node."""
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class Request(Generic[AnswerT]):
    """One request to any node, and the type of its answer.

    ``ack_wait_seconds``: how long the node may wait with its answer after the write is done.
    """

    method: str
    path: str
    answer_type: type[AnswerT]
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    effect: Effect = Effect.NOTHING
    repetition: Repetition = Repetition.ANYWHERE
    not_found_is_an_answer: bool = False
    ack_wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An HTTP answer as it came from ``url``; the values of causalkv's own headers are None when absent."""

    url: str
    status_code: int
    body: bytes
    context_header: str | None = None
    retry_after_header: str | None = None
    content_type: str = ""


def token_of(raw: RawAnswer) -> CausalToken:
    """Read the token that came with an answer, empty when there was none. Raises UnexpectedAnswerError."""
    try:
        return CausalToken.parse(raw.context_header or "")
    except InvalidTokenError as error:
        raise UnexpectedAnswerError(f"{raw.url} answered with a malformed {CONTEXT_HEADER}: {error}") from None


def read_answer(request: Request[AnswerT], raw: RawAnswer) -> AnswerT:
    """Return what a node answered, or raise the error of `client.errors` that its answer stands for.

    Raises UnexpectedAnswerError for an answer that no node gives: something else may stand in between, so
    that nothing is known of a write or a removal (see `outcome_unknown`).
    """
    content = _decode_object(raw)
    if raw.status_code != OK:
        raise _error_of(request, raw, content)
    if request.effect is Effect.WRITE and not token_of(raw):
        raise UnexpectedAnswerError(f"{raw.url} answered a write without {CONTEXT_HEADER}: is this a causalkv node?")
    try:
        return msgspec.convert(
            {**content, "reached_at": raw.url, "answer": content, "text": raw.body}, request.answer_type
        )
    except msgspec.ValidationError as error:
        raise UnexpectedAnswerError(f"{raw.url} gave an answer that is not a causalkv node's: {error}") from None


def refusal_of(request: Request[Any], raw: RawAnswer) -> ClientError:
    """Return the error that an answer which is not 200 stands for."""
    return _error_of(request, raw, _decode_object(raw))


def outcome_unknown(effect: Effect, cause: str) -> OutcomeUnknownError:
    """Say of a write or a removal what can honestly be said when its answer is lost or not understood."""
    return OutcomeUnknownError(f"the {effect} may or may not have been applied: {cause}")


def _decode_object(raw: RawAnswer) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(raw.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UnexpectedAnswerError(
            f"{raw.url} answered {raw.status_code} without a JSON object: is this a causalkv node?"
        ) from None
    if raw.status_code != OK and not isinstance(content.get("error"), str):
        raise UnexpectedAnswerError(
            f"{raw.url} answered {raw.status_code} without an error text: is this a causalkv node?"
        )
    return content


def _error_of(request: Request[Any], raw: RawAnswer, content: Mapping[str, Any]) -> ClientError:
    """Choose the error of the tree that an error answer stands for."""
    text = str(content["error"])
    if raw.status_code in REFUSALS:
        return _refusal(request, raw, text, content)
    if raw.status_code == CONFLICT and "key" in content:
        return _precondition_failed(raw, text, content)
    if raw.status_code == NOT_FOUND and request.not_found_is_an_answer:
        return NotFoundError(text)
    if raw.status_code in CLIENT_ERRORS and raw.status_code != NOT_FOUND:
        return InvalidRequestError(text)
    return UnexpectedAnswerError(f"{raw.url} answered {raw.status_code} to {request.path}: {text}")


def _refusal(request: Request[Any], raw: RawAnswer, text: str, content: Mapping[str, Any]) -> ClusterError:
    message, retry_after_seconds = f"{raw.url}: {text}", _retry_after_seconds(raw)
    if request.effect is not Effect.NOTHING and not _says_nothing_was_applied(raw, content):
        return AnswerLostError(message)
    if raw.status_code == UNAVAILABLE and content.get("missing"):
        missing = _read_missing(raw, content["missing"])
        return ContextNotReachedError(message, missing=missing, retry_after_seconds=retry_after_seconds)
    return REFUSALS[raw.status_code](message, retry_after_seconds=retry_after_seconds)


def _precondition_failed(raw: RawAnswer, text: str, content: Mapping[str, Any]) -> ClientError:
    try:
        if content.get("missing") is True:
            return PreconditionFailedError(text, key=str(content["key"]), current=None)
        current = msgspec.convert(content, Version)
    except msgspec.ValidationError as error:
        return UnexpectedAnswerError(f"{raw.url} named the current version in an unknown form: {error}")
    return PreconditionFailedError(text, key=current.key, current=current)


def _says_nothing_was_applied(raw: RawAnswer, content: Mapping[str, Any]) -> bool:
    """Tell a node's refusal of a write from an answer that came because the node, or a proxy, gave up waiting.

    A node that lacks the context has not begun; with any other 503 that it means as "again, please" it sends
    Retry-After.
    """
    return raw.status_code != UNAVAILABLE or bool(content.get("missing")) or raw.retry_after_header is not None


class _MissingRange(msgspec.Struct):
    first: int
    last: int


def _read_missing(raw: RawAnswer, content: Any) -> dict[str, tuple[int, int]]:
    try:
        ranges = msgspec.convert(content, dict[str, _MissingRange])
    except msgspec.ValidationError as error:
        raise UnexpectedAnswerError(f"{raw.url} named what it misses in an unknown form: {error}") from None
    return {replica: (missing.first, missing.last) for replica, missing in ranges.items()}


def _retry_after_seconds(raw: RawAnswer) -> float:
    """Read Retry-After in seconds; its other form, a date, is none that a node sends, and counts as nothing."""
    text = (raw.retry_after_header or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < len("86400") else 0.0
