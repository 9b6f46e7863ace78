"""The HTTP protocol of a node, without any I/O: requests as values, answers judged.

Pure, so that the synchronous client and any later one share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from client.causal_token import CausalToken
from client.errors import (
    ClientError,
    ClusterError,
    ContextNotReachedError,
    DiskFullError,
    InvalidRequestError,
    InvalidTokenError,
    LimitReachedError,
    NotFoundError,
    OutcomeUnknownError,
    UnavailableError,
    UnexpectedAnswerError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from client.answers import AckLevel

CONTEXT_HEADER = "X-Causal-Context"
WAIT_HEADER = "X-Causal-Wait"

OK, NOT_FOUND, UNAVAILABLE = 200, 404, 503
CLIENT_ERRORS = range(400, 500)
# With these a node says that it cannot now, and has applied nothing.
REFUSALS: Mapping[int, type[ClusterError]] = {429: LimitReachedError, UNAVAILABLE: UnavailableError, 507: DiskFullError}

# Sent with every level, so that client and node agree on how long the answer may take.
ACK_TIMEOUT_DEFAULT_SECONDS = 5.0
ACK_TIMEOUT_MAX_SECONDS = 60.0

AnswerT = TypeVar("AnswerT")


class Effect(StrEnum):
    """What a request does to the cluster, as messages call it; with any but NOTHING, a repetition could do harm."""

    NOTHING = "nothing"
    WRITE = "write"
    REMOVAL = "removal"


@dataclass(frozen=True, slots=True)
class Request:
    """One request to any node.

    ``ack_wait_seconds``: how long the node may wait with its answer after the write is done.
    """

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    effect: Effect = Effect.NOTHING
    not_found_is_an_answer: bool = False
    ack_wait_seconds: float = 0.0

    @property
    def is_repeatable(self) -> bool:
        """Whether it can be sent again when nobody knows what became of it."""
        return self.effect is Effect.NOTHING


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An HTTP answer as it came from ``url``; header values are None when absent."""

    url: str
    status_code: int
    body: bytes
    context_header: str | None = None
    retry_after_header: str | None = None


STATUS = Request("GET", "/status")
BUFFER = Request("GET", "/buffer")
MEMBERS = Request("GET", "/members")


class Ack(NamedTuple):
    """The acknowledgement level that a writer wants, None: takes what comes; and for how long it waits for it."""

    level: AckLevel | None = None
    timeout_seconds: float | None = None


ANY_LEVEL = Ack()


def put_request(key: str, value: Any, ack: Ack = ANY_LEVEL) -> Request:
    """Build a put; raises InvalidRequestError for what JSON cannot carry, and for a malformed ``ack``."""
    return _write_request("/put", {"key": key, "value": value}, ack)


def delete_request(key: str, ack: Ack = ANY_LEVEL) -> Request:
    """Build a delete; raises as `put_request`."""
    return _write_request("/delete", {"key": key}, ack)


def _write_request(path: str, content: dict[str, Any], ack: Ack) -> Request:
    level, timeout_seconds = ack
    if level is None:
        if timeout_seconds is not None:
            raise InvalidRequestError("ack_timeout without ack: say which level to wait for: local, broker or all")
        return Request("POST", path, body=_encode(content), effect=Effect.WRITE)
    if timeout_seconds is None:
        timeout_seconds = ACK_TIMEOUT_DEFAULT_SECONDS
    if not 0 <= timeout_seconds <= ACK_TIMEOUT_MAX_SECONDS:
        raise InvalidRequestError(f"ack_timeout is {timeout_seconds}: use 0 to {ACK_TIMEOUT_MAX_SECONDS:g} seconds")
    return Request(
        "POST",
        path,
        body=_encode({**content, "ack": level, "ack_timeout": timeout_seconds}),
        effect=Effect.WRITE,
        ack_wait_seconds=0.0 if level == "local" else timeout_seconds,
    )


def remove_request(node: str, *, force: bool) -> Request:
    """Build the removal of a member; raises InvalidRequestError for a name that is not Unicode text."""
    return Request("POST", "/members/remove", body=_encode({"node": node, "force": force}), effect=Effect.REMOVAL)


def get_request(key: str, *, siblings: bool) -> Request:
    """Build a read; raises InvalidRequestError for a key that is not Unicode text."""
    _encode(key)
    parameters = {"key": key, "siblings": "true"} if siblings else {"key": key}
    return Request("GET", "/get", parameters=parameters, not_found_is_an_answer=True)


def _encode(content: Any) -> bytes:
    try:
        return msgspec.json.encode(content)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequestError(f"keys, values and names must be JSON, and text must be Unicode: {error}") from None


def token_of(raw: RawAnswer) -> CausalToken:
    """Read the token that came with an answer, empty when there was none. Raises UnexpectedAnswerError."""
    try:
        return CausalToken.parse(raw.context_header or "")
    except InvalidTokenError as error:
        raise UnexpectedAnswerError(f"{raw.url} answered with a malformed {CONTEXT_HEADER}: {error}") from None


def read_answer(request: Request, raw: RawAnswer, answer_type: type[AnswerT]) -> AnswerT:
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
        return msgspec.convert({**content, "reached_at": raw.url, "answer": content, "text": raw.body}, answer_type)
    except msgspec.ValidationError as error:
        raise UnexpectedAnswerError(f"{raw.url} gave an answer that is not a causalkv node's: {error}") from None


def outcome_unknown(request: Request, cause: ClientError) -> OutcomeUnknownError:
    """Say of a write or a removal what can honestly be said when its answer is lost or not understood."""
    return OutcomeUnknownError(f"the {request.effect} may or may not have been applied: {cause}")


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


def _error_of(request: Request, raw: RawAnswer, content: Mapping[str, Any]) -> ClientError:
    """Choose the error of the tree that an error answer stands for."""
    text = str(content["error"])
    if raw.status_code in REFUSALS:
        if not request.is_repeatable and not _says_nothing_was_applied(raw, content):
            return outcome_unknown(request, UnavailableError(f"{raw.url}: {text}"))
        message, retry_after_seconds = f"{raw.url}: {text}", _retry_after_seconds(raw)
        if raw.status_code == UNAVAILABLE and content.get("missing"):
            missing = _read_missing(raw, content["missing"])
            return ContextNotReachedError(message, missing=missing, retry_after_seconds=retry_after_seconds)
        return REFUSALS[raw.status_code](message, retry_after_seconds=retry_after_seconds)
    if raw.status_code == NOT_FOUND and request.not_found_is_an_answer:
        return NotFoundError(text)
    if raw.status_code in CLIENT_ERRORS and raw.status_code != NOT_FOUND:
        return InvalidRequestError(text)
    return UnexpectedAnswerError(f"{raw.url} answered {raw.status_code} to {request.path}: {text}")


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
