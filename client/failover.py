"""Which failures lead to another attempt, at which node, and for how long.

A round asks each target once, at once after each other; rounds are separated by a pause that grows. Only errors that
say ``is_safe_to_retry`` are followed by another attempt. When an answer is lost, nobody knows whether a write was
applied; then its `Repetition` decides:

- at the same node it is done once however often it is sent, because that node knows its request id: it is sent again;
- another node may not know the id yet. What does no harm when it is done twice goes there after a second attempt at
  the first node; an increment or a precondition never leaves the node whose answer was lost.

A call that ends with its outcome unknown says so (`OutcomeUnknownError`), whatever went wrong last.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tenacity import DoSleep, RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter

from client.errors import AnswerLostError, ClientError, ClusterError, NoNodeCouldError, UnexpectedAnswerError
from client.protocol import Effect, Repetition, outcome_unknown
from client.steps import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from client.protocol import Request
    from client.steps import Steps

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

    def times(self, targets_left: int, request: Request[Any]) -> AttemptTimes:
        """Share the time left among the attempts that may follow.

        Targets of this round have equal shares. What stays with one node gets half of the time left, so that it can be
        sent again when its answer is lost; what is never sent again gets all. On top comes the time that the
        node may wait for an acknowledgement level: giving up before would make of a write that is done one of
        which nobody knows.
        """
        shares = {Repetition.SAME_NODE: 2, Repetition.NEVER: 1}.get(request.repetition, targets_left)
        remaining_seconds = max(LEAST_ATTEMPT_SECONDS, self.remaining_seconds())
        wait_share_seconds = remaining_seconds / max(shares, targets_left) * WAIT_SHARE
        return AttemptTimes(
            wait_seconds=min(WAIT_MAX_SECONDS, wait_share_seconds),
            timeout_seconds=remaining_seconds / shares + request.ack_wait_seconds,
        )

    def ends_before(self, retry_state: RetryCallState) -> bool:
        """Tell tenacity to stop when the pause would use up the time."""
        return self.remaining_seconds() - retry_state.upcoming_sleep < LEAST_ATTEMPT_SECONDS


class Call(Generic[ResultT]):
    """One request on its way: ``attempt(target, targets_left)`` for one target after the other, until one succeeds."""

    def __init__(
        self,
        attempt: Callable[[str, int], Steps[ResultT]],
        targets: Sequence[str],
        budget: Budget,
        *,
        repetition: Repetition = Repetition.ANYWHERE,
        effect: Effect = Effect.NOTHING,
        rounds_max: float = ROUNDS_MAX,
    ) -> None:
        self._attempt = attempt
        self._targets = targets
        self._budget = budget
        self._repetition = repetition
        self._effect = effect
        self._rounds_max = rounds_max
        self._lost: dict[str, ClusterError] = {}
        """Targets that may have applied it, and why nobody knows."""

    def steps(self) -> Steps[ResultT]:
        """Carry it out.

        Raises at once what another attempt cannot mend or could make worse; else, when rounds or time are
        used up, the only target's error, or NoNodeCouldError with the reason of each.
        """
        try:
            return (yield from self._rounds())
        except ClientError as error:
            if not self._lost:
                raise
            causes = dict.fromkeys([*map(str, self._lost.values()), str(error)])
            raise outcome_unknown(self._effect, "; ".join(causes)) from None

    def _rounds(self) -> Steps[ResultT]:
        # What Retrying does when it is called, but for its sleep, which is a step here.
        retrying = Retrying(
            retry=retry_if_exception(_is_safe_to_retry), stop=self._is_over, wait=_pause_seconds, reraise=True
        )
        state = RetryCallState(retrying, fn=None, args=(), kwargs={})
        retrying.begin()
        while True:
            todo = retrying.iter(retry_state=state)
            if isinstance(todo, DoSleep):
                state.prepare_for_next_attempt()
                yield Pause(todo)
                continue
            try:
                return (yield from self._one_round())
            except ClientError:
                state.set_exception(sys.exc_info())  # type: ignore[arg-type]  # inside an except none of them is None

    def _is_over(self, state: RetryCallState) -> bool:
        # Where a node that is away can still tell what became of a write, only the time is a limit.
        has_to_stay = bool(self._lost) and self._repetition is Repetition.SAME_NODE
        rounds_are_over = not has_to_stay and state.attempt_number >= self._rounds_max
        return rounds_are_over or self._budget.ends_before(state)

    def _one_round(self) -> Steps[ResultT]:
        errors: dict[str, ClusterError] = {}
        for position, target in enumerate(self._targets):
            if errors and self._budget.remaining_seconds() < LEAST_ATTEMPT_SECONDS:
                break
            try:
                return (yield from self._at(target, len(self._targets) - position))
            except ClusterError as error:
                if not error.is_safe_to_retry:
                    raise
                errors[target] = error
            if self._lost and self._repetition is Repetition.SAME_NODE:
                self._targets = [target]
                raise errors[target]
        raise NoNodeCouldError(errors) if len(self._targets) > 1 else errors[self._targets[0]]

    def _at(self, target: str, targets_left: int) -> Steps[ResultT]:
        """Attempt it at one node, and when its answer is lost, once more there if that can do no harm."""
        try:
            return (yield from self._noted(target, targets_left))
        except (AnswerLostError, UnexpectedAnswerError):
            time_is_over = self._budget.remaining_seconds() < LEAST_ATTEMPT_SECONDS
            if self._repetition is not Repetition.SAME_NODE_FIRST or time_is_over:
                raise
        return (yield from self._noted(target, targets_left))

    def _noted(self, target: str, targets_left: int) -> Steps[ResultT]:
        """Attempt it, and remember where it may have been applied although no answer says so."""
        try:
            result = yield from self._attempt(target, targets_left)
        except (AnswerLostError, UnexpectedAnswerError) as error:
            if self._repetition is Repetition.NEVER:
                raise outcome_unknown(self._effect, str(error)) from None
            if self._repetition is not Repetition.ANYWHERE:
                self._lost[target] = error
            raise
        except ClientError as error:
            if not isinstance(error, ClusterError):
                # A node that judges the request, knowing its id, has not applied it before.
                self._lost.pop(target, None)
            raise
        return result


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
