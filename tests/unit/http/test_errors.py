from __future__ import annotations

import json

import pytest

from node import errors
from node.core.vector_clock import SequenceRange
from node.http.errors import OWN_FAULT, NotServedError, UnsupportedMediaTypeError, reply_to

ROWS = [
    (errors.InvalidRequestError("m"), 400, False),
    (NotServedError("m"), 404, False),
    (errors.TooLargeError("m"), 413, False),
    (UnsupportedMediaTypeError("m"), 415, False),
    (errors.LimitReachedError("m"), 429, True),
    (errors.ContextNotReachedError("m", {}), 503, True),
    (errors.UnavailableError("m"), 503, True),
    (errors.OutcomeUnknownError("m"), 503, False),
    (errors.StoreCorruptedError("m"), 503, False),
    (errors.StoreError("m"), 503, False),
    (errors.StoreFullError("m"), 507, False),
]


@pytest.mark.parametrize(("error", "status", "retry"), ROWS, ids=[type(row[0]).__name__ for row in ROWS])
def test_each_error_has_its_status(error: errors.CausalKVError, status: int, retry: bool) -> None:  # noqa: FBT001  # a table
    """The words of the error are the answer's; Retry-After stands where the same request may be sent again."""
    reply = reply_to(error, "/get")
    assert reply.status == status
    assert json.loads(reply.body)["error"] == "m"
    assert (("Retry-After", "1") in reply.headers) is retry


def test_a_context_that_is_not_reached_says_what_is_missing() -> None:
    """By replica, the first and the last write."""
    missing = {"node1~abcd": SequenceRange(3, 5), "node2~abcd": SequenceRange(7, 7)}
    body = json.loads(reply_to(errors.ContextNotReachedError("m", missing), "/get").body)
    assert body == {
        "error": "m",
        "missing": {"node1~abcd": {"first": 3, "last": 5}, "node2~abcd": {"first": 7, "last": 7}},
    }


def test_replicas_of_which_the_node_never_heard_are_named_apart() -> None:
    """A token of another cluster is not worth waiting for."""
    error = errors.ContextNotReachedError("m", {"other~abcd": SequenceRange(1, 5)}, ["other~abcd"])
    assert json.loads(reply_to(error, "/get").body)["unknown"] == ["other~abcd"]


@pytest.mark.parametrize("error", [RuntimeError("secret"), KeyError("secret"), errors.CausalKVError("secret")])
def test_an_unforeseen_error_is_503_and_says_nothing_of_itself(error: Exception) -> None:
    """What went wrong inside is for the log."""
    reply = reply_to(error, "/get")
    assert reply.status == 503
    assert json.loads(reply.body) == {"error": OWN_FAULT}
    assert not reply.headers  # a write may have taken effect: nothing invites to repeat it


def test_every_request_error_of_the_tree_has_a_row() -> None:
    """A new error without a row would be taken for a fault of this program."""
    pending: list[type[errors.CausalKVError]] = [errors.RequestError, errors.StoreError]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if kind in (errors.RequestError, errors.ContextNotReachedError, errors.PreconditionFailedError):
            continue  # the branch itself, and those that take more than words
        assert json.loads(reply_to(kind("m"), "/get").body) == {"error": "m"}, kind
