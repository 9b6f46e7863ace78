"""Which failures lead to another attempt, at which node, and for how long.

A round asks each target once, at once after each other; rounds are separated by a pause that grows.
Only errors that say ``is_safe_to_retry`` are followed by another attempt: a write is never sent again
when it may have been applied.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from client.errors import ClusterError, NoNodeCouldError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenacity import RetryCallState

    from client.protocol import Request

ROUNDS_MAX = 6
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
# The part of an attempt's time that a node may wait for the context; the rest is for its answer to arrive.
WAIT_SHARE = 0.8
WAIT_MAX_SECONDS = 30.0
# Too little to get an answer in: not worth an attempt.
LEAST_ATTEMPT_SECONDS = 0.01

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class AttemptTimes:
    """How long the node may wait for the context, and how long the client for the answer."""

    wait_seconds: float
    timeout_seconds: float


class Budget:
    """The time that one call may take in all, but for the wait for an acknowledgement level."""

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._deadline = time.monotonic() + timeout_seconds

    def remaining_seconds(self) -> float:
        """Time left; never negative."""
        return max(0.0, self._deadline - time.monotonic())

    def times(self, targets_left: int, request: Request) -> AttemptTimes:
        """Share the time left among the targets of this round.

        What cannot be repeated gets all of it to be answered, because a lost answer ends the call anyway; and on top
        the time that its node may wait for an acknowledgement level: giving up before would make of a write that is
        done one of which nobody knows.
        """
        remaining_seconds = max(LEAST_ATTEMPT_SECONDS, self.remaining_seconds())
        share_seconds = remaining_seconds / targets_left
        return AttemptTimes(
            wait_seconds=min(WAIT_MAX_SECONDS, share_seconds * WAIT_SHARE),
            timeout_seconds=share_seconds if request.is_repeatable else remaining_seconds + request.ack_wait_seconds,
        )

    def ends_before(self, retry_state: RetryCallState) -> bool:
        """Tell tenacity to stop when the pause would use up the time."""
        return self.remaining_seconds() - retry_state.upcoming_sleep < LEAST_ATTEMPT_SECONDS


def call(attempt: Callable[[str, int], ResultT], targets: Sequence[str], budget: Budget) -> ResultT:
    """Call ``attempt(target, targets_left)`` for one target after the other until one succeeds.

    Raises at once what another attempt cannot mend or could make worse; else, when rounds or time are
    used up, the only target's error, or NoNodeCouldError with the reason of each.
    """
    retrying = Retrying(
        retry=retry_if_exception(_is_safe_to_retry),
        stop=lambda state: stop_after_attempt(ROUNDS_MAX)(state) or budget.ends_before(state),
        wait=_pause_seconds,
        reraise=True,
    )
    result: ResultT = retrying(_one_round, attempt, targets, budget)
    return result


def _one_round(attempt: Callable[[str, int], ResultT], targets: Sequence[str], budget: Budget) -> ResultT:
    errors: dict[str, ClusterError] = {}
    for position, target in enumerate(targets):
        if errors and budget.remaining_seconds() < LEAST_ATTEMPT_SECONDS:
            break
        try:
            return attempt(target, len(targets) - position)
        except ClusterError as error:
            if not error.is_safe_to_retry:
                raise
            errors[target] = error
    raise NoNodeCouldError(errors) if len(targets) > 1 else errors[targets[0]]


def _is_safe_to_retry(error: BaseException) -> bool:
    return isinstance(error, ClusterError) and error.is_safe_to_retry


def _pause_seconds(retry_state: RetryCallState) -> float:
    """Back off with jitter, and at least for as long as the nodes asked."""
    backoff = wait_exponential_jitter(
        multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS, jitter=FIRST_PAUSE_SECONDS
    )
    error = retry_state.outcome.exception() if retry_state.outcome is not None else None
    asked_seconds = error.retry_after_seconds if isinstance(error, ClusterError) else 0.0
    return max(asked_seconds, backoff(retry_state))
