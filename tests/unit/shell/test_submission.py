"""A submission: one answer, given once, to one sleeper."""

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
