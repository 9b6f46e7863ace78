"""A submission: one answer, given once, to one sleeper or to one who left word."""

from __future__ import annotations

import threading
import time

import pytest

from node.core.vector_clock import VectorClock
from node.core.write import Put
from node.errors import InvalidRequestError, LimitReachedError, OutcomeUnknownError, StoreFullError
from node.submission import Removal, Submission
from tests.support.writes import NODE1, put_write

WRITE = put_write(NODE1, 1)


def submission() -> Submission:
    """A write that waits for its answer."""
    return Submission((Put("x", b"1"),), VectorClock())


def test_the_sleeper_gets_the_write() -> None:
    """As soon as it is durable, on its own thread."""
    waiting = submission()
    threading.Timer(0.05, waiting.succeed, [WRITE]).start()
    assert waiting.result(10) is WRITE


def test_the_sleeper_gets_the_reason() -> None:
    """Why the write was not made."""
    waiting = submission()
    threading.Timer(0.05, waiting.fail, [LimitReachedError("no room")]).start()
    with pytest.raises(LimitReachedError, match="no room"):
        waiting.result(10)


def test_an_answer_may_come_before_anybody_asks() -> None:
    """The commit may be faster than the thread that waits for it."""
    waiting = submission()
    waiting.succeed(WRITE)
    assert waiting.result(0) is WRITE


def test_without_an_answer_the_outcome_is_unknown() -> None:
    """The write may still take effect, so nobody may be told that it was not made."""
    started = time.monotonic()
    with pytest.raises(OutcomeUnknownError, match=r"within 0\.05 s.*may still take effect"):
        submission().result(0.05)
    assert time.monotonic() - started < 5


def test_an_answer_that_is_just_being_given_when_the_time_is_up_counts() -> None:
    """Whoever gives it has been chosen, and has not laid it down yet: nobody may be told that nothing was made."""
    waiting = submission()
    waiting._to_answer.pop()

    def lay_down() -> None:
        waiting._answer = WRITE
        waiting._answered.release()

    threading.Timer(0.3, lay_down).start()
    assert waiting.result(0.05) is WRITE


def test_the_first_answer_stands() -> None:
    """A node that fails after its commit must not take back what is durable."""
    made, refused = submission(), submission()
    made.succeed(WRITE)
    made.fail(StoreFullError("full"))
    assert made.result(0) is WRITE
    refused.fail(LimitReachedError("no room"))
    refused.fail(StoreFullError("full"))
    with pytest.raises(LimitReachedError):
        refused.result(0)


def test_a_removal_is_answered_with_the_node_or_the_refusal() -> None:
    """Whoever asked reads why not."""
    done, refused, failed = (Removal("node2", forced=False) for _ in range(3))
    done.answer(None)
    refused.answer("node2 is alive: stop it first, or force the removal")
    failed.fail(StoreFullError("full"))
    assert done.result(0) == "node2"
    with pytest.raises(InvalidRequestError, match="node2 is alive"):
        refused.result(0)
    with pytest.raises(StoreFullError):
        failed.result(0)


def test_who_left_word_is_told_once_there_is_an_answer() -> None:
    """On the thread that gives it, whatever the answer is."""
    made, refused = submission(), submission()
    told: list[str] = []
    made.then(lambda: told.append("made"))
    refused.then(lambda: told.append("refused"))
    assert told == []
    made.succeed(WRITE)
    refused.fail(LimitReachedError("no room"))
    made.fail(StoreFullError("full"))
    assert told == ["made", "refused"]
    assert made.is_answered
    assert made.result(0) is WRITE


def test_who_leaves_word_too_late_is_told_at_once() -> None:
    """The commit may be faster."""
    waiting = submission()
    waiting.succeed(WRITE)
    told: list[bool] = []
    waiting.then(lambda: told.append(waiting.is_answered))
    assert told == [True]


def test_word_and_answer_at_the_same_moment_are_told_once() -> None:
    """Whichever thread is first: not twice, and not never."""
    for _ in range(2_000):
        waiting = submission()
        told: list[int] = []
        answering = threading.Thread(target=waiting.succeed, args=(WRITE,))
        answering.start()
        waiting.then(lambda told=told: told.append(1))  # type: ignore[misc]  # its list, as a default
        answering.join()
        assert told == [1]


def test_after_the_wait_an_answer_that_comes_too_late_changes_nothing() -> None:
    """Somebody was told that nobody knows; nobody else may be told something else."""
    waiting = submission()
    waiting.wait(0.01)
    waiting.succeed(WRITE)
    with pytest.raises(OutcomeUnknownError):
        waiting.result(0)


def test_a_fault_of_who_is_told_is_not_taken_for_being_told_already() -> None:
    """Being told twice is found by an empty list; an error of the same kind behind it is a fault, and shows."""

    def fail() -> None:
        raise IndexError("what went wrong")

    waiting = submission()
    waiting.succeed(WRITE)
    with pytest.raises(IndexError, match="what went wrong"):
        waiting.then(fail)
