"""From a request that writes to its answer: what all such requests have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, Raw

from node.ack_room import AckLevel
from node.errors import PreconditionFailedError
from node.http.answers import Reply, encode
from node.http.data_answers import Conflict, WriteDone
from node.http.routes import BODY_ERRORS, CANNOT_NOW, LIMIT_REACHED, MALFORMED, Documented
from node.service import WriteResult

if TYPE_CHECKING:
    from node.core.conditions import Condition
    from node.core.write import Operation
    from node.http.routes import Committing, Exchange
    from node.http.write_requests import WriteRequest
    from node.service import ReplicaService

STORE_FULL = Documented(507, "the disk or the store's size limit is full; nothing was written")
CONFLICT = Documented(409, "the precondition does not hold here: the current version", (Conflict,))
WRITE_ERRORS = (MALFORMED, *BODY_ERRORS, LIMIT_REACHED, CANNOT_NOW, STORE_FULL)


def write(
    service: ReplicaService,
    exchange: Exchange,
    operations: tuple[Operation, ...],
    request: WriteRequest,
    condition: Condition | None = None,
) -> Committing[WriteResult]:
    """Make the write that a request asks for; raises as ``ReplicaService.write`` does.

    Nearly every write waits for its commit alone, and needs no thread for that.
    """
    request_id = "" if request.request_id is UNSET else request.request_id
    if request.ack is UNSET:
        submission = service.submit(operations, exchange.context, request_id=request_id, condition=condition)
        if submission is not None:
            yield submission
            return WriteResult(submission.result(0), AckLevel.LOCAL)
    return service.write(
        operations,
        exchange.context,
        exchange.wait_seconds,
        AckLevel.LOCAL if request.ack is UNSET else AckLevel[request.ack.upper()],
        request.ack_timeout,
        request_id=request_id,
        condition=condition,
    )


def write_and_say(
    service: ReplicaService,
    exchange: Exchange,
    operations: tuple[Operation, ...],
    request: WriteRequest,
    message: str,
    *,
    condition: Condition | None = None,
) -> Committing[Reply]:
    """The answer of a write that has nothing to say but ``message`` and its clock; or that its condition failed."""
    try:
        result = yield from write(service, exchange, operations, request, condition)
    except PreconditionFailedError as error:
        return _conflict(service, error)
    done = WriteDone(message, service.shown(result.write.clock))
    if request.ack is not UNSET:
        done.acked = result.acked.word
    return Reply(200, encode(done), result.write.clock)


def _conflict(service: ReplicaService, error: PreconditionFailedError) -> Reply:
    body = Conflict(str(error), error.key)
    if not error.current:
        body.missing = True
        return Reply(409, encode(body), service.clock)
    winner = error.current[0]
    body.value, body.vc = Raw(winner.value), service.shown(winner.clock)
    return Reply(409, encode(body), winner.clock)
