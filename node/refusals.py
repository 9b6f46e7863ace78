"""What a client is told whose write was not accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.conditions import IfAbsent
from node.core.effects import RefusalReason
from node.errors import InvalidRequestError, LimitReachedError, PreconditionFailedError

if TYPE_CHECKING:
    from node.core.effects import RefusedWrite
    from node.core.versions import Versions
    from node.errors import RequestError
    from node.submission import Submission
    from node.waiting_room import WaitingRoom

LIMITS = {RefusalReason.OUTBOX_FULL: "outbox_max_writes", RefusalReason.REQUESTS_FULL: "requests_max_remembered"}
"""The limits that may refuse a write, by their names in the metrics."""

_OUTBOX_FULL = (
    "the outbox is full: the broker has not confirmed this node's writes for long; writes are accepted again when it "
    "does, or with a larger CAUSALKV_OUTBOX_MAX_WRITES"
)
_REQUESTS_FULL = (
    "this node remembers as many requests as it may, each for an hour: leave request_id out, try another node, or "
    "later, or raise CAUSALKV_REQUESTS_MAX_REMEMBERED"
)
_REQUEST_ID_REUSED = (
    "this request_id was used for another write: take a new one for each write, and the same only to repeat one"
)


def refusal(effect: RefusedWrite, submission: Submission, waiting_room: WaitingRoom) -> RequestError:
    """The error that answers a refused submission."""
    match effect.reason:
        case RefusalReason.OUTBOX_FULL:
            return LimitReachedError(_OUTBOX_FULL)
        case RefusalReason.REQUESTS_FULL:
            return LimitReachedError(_REQUESTS_FULL)
        case RefusalReason.REQUEST_ID_REUSED:
            return InvalidRequestError(_REQUEST_ID_REUSED)
        case RefusalReason.CONDITION_NOT_MET:
            return _precondition_failed(submission, effect.current)
        case RefusalReason.CONTEXT_NOT_REACHED:
            return waiting_room.not_reached(effect.missing, 0)


def _precondition_failed(submission: Submission, current: Versions) -> PreconditionFailedError:
    condition = submission.condition
    if condition is None:
        raise AssertionError("a write without a condition was refused for it")
    if isinstance(condition, IfAbsent):
        text = "the key has a value: read it, and put with if_vc, or without a precondition"
    elif current:
        text = "the key has another version by now: read it again, and put with if_vc of what was read"
    else:
        text = "the key has no value: put with if_absent, or without a precondition"
    return PreconditionFailedError(text, condition.key, current)
