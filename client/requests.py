"""The requests that nodes take, as values: which path and body, and where each may be repeated."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import msgspec

from client.answers import ACK_LEVELS, AckLevel, CausalBuffer, MemberRemoved, Members, NodeStatus, Value, Written
from client.data_answers import CounterValue, Cut, Incremented, ScanPage, SetPage
from client.errors import InvalidRequestError
from client.node_events import EventPage
from client.operations import IncrOp
from client.protocol import Effect, Repetition, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from client.operations import Operation

# Sent with every level, so that client and node agree on how long the answer may take.
ACK_TIMEOUT_DEFAULT_SECONDS = 5.0
ACK_TIMEOUT_MAX_SECONDS = 60.0
REQUEST_ID_BYTES = 16
REQUEST_ID_MAX_CHARACTERS = 128

AnswerT = TypeVar("AnswerT")


class WriteOptions(TypedDict, total=False):
    """What every write takes.

    ``node``: the node of this name takes it, and no other; by default any that can.
    ``ack``: return when the write is on the node's disk (``local``, the default), in every member's queue
    (``broker``), or applied by every member (``all``), or after ``ack_timeout`` seconds (0 to 60; 5 by default), which
    come on top of the client's own limit. The write is done either way: ``acked`` in the answer says which level
    was reached.
    ``request_id``: 1 to 128 characters that name this write, a fresh one by default. A node does not do again what it
    has done under the same id, for at least an hour: so a program that was restarted can repeat a write.
    """

    node: str | None
    ack: AckLevel | None
    ack_timeout: float | None
    request_id: str | None


STATUS = Request("GET", "/status", NodeStatus)
BUFFER = Request("GET", "/buffer", CausalBuffer)
MEMBERS = Request("GET", "/members", Members)

# --------------------------------------------------------------------------------------- writes


def put(
    key: str,
    value: Any,
    *,
    ttl_seconds: float | None = None,
    if_vc: Sequence[int] | None = None,
    if_absent: bool = False,
    how: WriteOptions,
) -> Request[Written]:
    """Build a put; raises InvalidRequestError for what JSON cannot carry, and for malformed options."""
    content: dict[str, Any] = {"key": key, "value": value}
    if ttl_seconds is not None:
        if not 0 < ttl_seconds < math.inf:
            raise InvalidRequestError(f"ttl_seconds is {ttl_seconds}: use more than 0, or none for ever")
        content["ttl"] = ttl_seconds
    precondition = _precondition(if_vc, if_absent=if_absent)
    return _write("/put", {**content, **precondition}, Written, how, repeat_elsewhere=not precondition)


def delete(
    key: str, *, if_vc: Sequence[int] | None = None, if_absent: bool = False, how: WriteOptions
) -> Request[Written]:
    """Build a delete; raises as `put`."""
    precondition = _precondition(if_vc, if_absent=if_absent)
    return _write("/delete", {"key": key, **precondition}, Written, how, repeat_elsewhere=not precondition)


def batch(operations: Iterable[Operation], how: WriteOptions) -> Request[Written]:
    """Build a batch; raises as `put`."""
    ops = list(operations)
    counts = any(isinstance(op, IncrOp) for op in ops)
    return _write("/batch", {"ops": ops}, Written, how, repeat_elsewhere=not counts)


def incr(key: str, by: int, how: WriteOptions) -> Request[Incremented]:
    """Build an increment; raises as `put`."""
    return _write("/counter/incr", {"key": key, "by": by}, Incremented, how, repeat_elsewhere=False)


def sadd(key: str, members: Iterable[Any], how: WriteOptions) -> Request[Written]:
    """Build an addition to a set; raises as `put`."""
    return _write(
        "/set/add", {"key": key, "members": _several(members, "members")}, Written, how, repeat_elsewhere=True
    )


def srem(key: str, members: Iterable[Any], how: WriteOptions) -> Request[Written]:
    """Build a removal from a set; raises as `put`."""
    return _write(
        "/set/remove", {"key": key, "members": _several(members, "members")}, Written, how, repeat_elsewhere=True
    )


def _several(items: Iterable[Any], what: str) -> list[Any]:
    """A list of them; a text, which is iterable too, is hardly meant as its characters."""
    if isinstance(items, str | bytes):
        raise InvalidRequestError(f"{what} is one text: use a list, such as [{items!r}]")
    return list(items)


def _precondition(if_vc: Sequence[int] | None, *, if_absent: bool) -> dict[str, Any]:
    if if_vc is not None and if_absent:
        raise InvalidRequestError("if_vc and if_absent exclude each other: a key has the version, or it has none")
    if if_vc is not None:
        return {"if_vc": list(if_vc)}
    return {"if_absent": True} if if_absent else {}


def _write(
    path: str, content: dict[str, Any], answer_type: type[AnswerT], how: WriteOptions, *, repeat_elsewhere: bool
) -> Request[AnswerT]:
    request_id = how.get("request_id")
    if request_id is None:
        request_id = secrets.token_hex(REQUEST_ID_BYTES)
    elif not 1 <= len(request_id) <= REQUEST_ID_MAX_CHARACTERS:
        raise InvalidRequestError(
            f"request_id has {len(request_id)} characters: use 1 to {REQUEST_ID_MAX_CHARACTERS}, or leave it out"
        )
    ack, ack_wait_seconds = _acknowledgement(how)
    return Request(
        "POST",
        path,
        answer_type,
        body=_encode({**content, **ack, "request_id": request_id}),
        effect=Effect.WRITE,
        repetition=Repetition.SAME_NODE_FIRST if repeat_elsewhere else Repetition.SAME_NODE,
        ack_wait_seconds=ack_wait_seconds,
    )


def _acknowledgement(how: WriteOptions) -> tuple[dict[str, Any], float]:
    """The part of a body that asks for a level, and how long the node may wait for it."""
    level, timeout_seconds = how.get("ack"), how.get("ack_timeout")
    if level is None:
        if timeout_seconds is not None:
            raise InvalidRequestError("ack_timeout without ack: say which level to wait for: local, broker or all")
        return {}, 0.0
    if level not in ACK_LEVELS:
        raise InvalidRequestError(f"ack is {level!r}: use local, broker or all")
    if timeout_seconds is None:
        timeout_seconds = ACK_TIMEOUT_DEFAULT_SECONDS
    if not 0 <= timeout_seconds <= ACK_TIMEOUT_MAX_SECONDS:
        raise InvalidRequestError(f"ack_timeout is {timeout_seconds}: use 0 to {ACK_TIMEOUT_MAX_SECONDS:g} seconds")
    return {"ack": level, "ack_timeout": timeout_seconds}, 0.0 if level == "local" else timeout_seconds


def remove_member(node: str, *, force: bool) -> Request[MemberRemoved]:
    """Build the removal of a member; raises InvalidRequestError for a name that is not Unicode text."""
    body = _encode({"node": node, "force": force})
    return Request(
        "POST",
        "/members/remove",
        MemberRemoved,
        body=body,
        effect=Effect.REMOVAL,
        repetition=Repetition.NEVER,
    )


# --------------------------------------------------------------------------------------- reads


def get(key: str, *, siblings: bool) -> Request[Value]:
    """Build a read; raises InvalidRequestError for a key that is not Unicode text."""
    parameters = _parameters(key=key, siblings="true" if siblings else None)
    return Request("GET", "/get", Value, parameters=parameters, not_found_is_an_answer=True)


def mget(keys: Iterable[str]) -> Request[Cut]:
    """Build a read of several keys; raises as `get`."""
    # A read, although it is sent as a POST: nothing is changed, and it may be repeated anywhere.
    return Request("POST", "/mget", Cut, body=_encode({"keys": _several(keys, "keys")}))


def scan(prefix: str, *, after: str | None, limit: int | None) -> Request[ScanPage]:
    """Build the read of one page of keys; raises as `get`."""
    return Request("GET", "/scan", ScanPage, parameters=_parameters(prefix=prefix or None, after=after, limit=limit))


def counter(key: str) -> Request[CounterValue]:
    """Build the read of a counter; raises as `get`."""
    return Request("GET", "/counter/get", CounterValue, parameters=_parameters(key=key))


def smembers(key: str, *, after: str | None, limit: int | None) -> Request[SetPage]:
    """Build the read of one page of a set; raises as `get`."""
    return Request("GET", "/set/get", SetPage, parameters=_parameters(key=key, after=after, limit=limit))


def events(since: str | None, limit: int | None) -> Request[EventPage]:
    """Build the read of one page of events; raises as `get`."""
    return Request("GET", "/events", EventPage, parameters=_parameters(since=since, limit=limit))


def watch(prefix: str, *, initial: bool, last_event_id: str | None) -> Request[None]:
    """Build the request whose answer is a stream of changes; raises as `get`."""
    headers = {"Accept": "text/event-stream"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    parameters = _parameters(prefix=prefix or None, initial="true" if initial else None)
    return Request("GET", "/watch", type(None), parameters=parameters, headers=headers)


def _parameters(**given: str | int | None) -> dict[str, str]:
    """Leave out what is None; raises InvalidRequestError for text that is not Unicode."""
    present = {name: str(value) for name, value in given.items() if value is not None}
    _encode(present)
    return present


def _encode(content: Any) -> bytes:
    try:
        return msgspec.json.encode(content)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequestError(f"keys, values and names must be JSON, and text must be Unicode: {error}") from None
