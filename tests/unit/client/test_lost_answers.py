"""A write whose answer is lost: where it is sent again, under which id, and what is told in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from client import (
    DeleteOp,
    IncrOp,
    InvalidRequestError,
    OutcomeUnknownError,
    PreconditionFailedError,
    PutOp,
    SAddOp,
)
from tests.unit.client.scripted_node import LOST, STALLED, Scripted, ScriptedNode, answer, stored, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from client import Session
    from tests.support.client_kinds import OpenClient

    Write = Callable[[Session], Any]

STORED = stored([1, 0, 0], "node1~abcd=1")
COUNTED = answer({"message": "counted", "value": 3, "vc": [1, 0, 0]}, context="node1~abcd=1")
PRESENT = answer({"error": "it is there", "key": "x", "value": "5", "vc": [1, 0, 0]}, status_code=409)

HARMLESS: dict[str, tuple[str, Write]] = {
    "put": ("/put", lambda session: session.put("x", "5")),
    "ttl": ("/put", lambda session: session.put("x", "5", ttl_seconds=9)),
    "delete": ("/delete", lambda session: session.delete("x")),
    "sadd": ("/set/add", lambda session: session.sadd("s", [1, "a"])),
    "srem": ("/set/remove", lambda session: session.srem("s", [1])),
    "batch": ("/batch", lambda session: session.batch([PutOp("x", 1), DeleteOp("y"), SAddOp("s", [1])])),
}  # fmt: skip
STAYING: dict[str, tuple[str, Write, Scripted]] = {
    "incr": ("/counter/incr", lambda session: session.incr("hits", 3), COUNTED),
    "if_vc": ("/put", lambda session: session.put("x", "5", if_vc=[1, 0, 0]), STORED),
    "if_absent": ("/put", lambda session: session.put("x", "5", if_absent=True), STORED),
    "delete if_vc": ("/delete", lambda session: session.delete("x", if_vc=[1, 0, 0]), STORED),
    "batch": ("/batch", lambda session: session.batch([PutOp("x", 1), IncrOp("hits")]), STORED),
}  # fmt: skip


def ids(nodes: list[ScriptedNode], path: str) -> list[list[str]]:
    """The request ids that each node got."""
    return [[seen.body["request_id"] for seen in node.requests(path)] for node in nodes]


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_no_harm_twice_goes_on_elsewhere_after_a_second_attempt_there(
    nodes: list[ScriptedNode], open_client: OpenClient, name: str
) -> None:
    """The node knows its id, so it is asked again; when it stays away, another one takes it, under the same id."""
    path, write = HARMLESS[name]
    nodes[0].script(path, LOST)
    nodes[1].script(path, STORED)
    with open_client([node.url for node in nodes]) as client:
        assert write(client.session()).vc == [1, 0, 0]
    [first, again], [elsewhere], [] = ids(nodes, path)
    assert first == again == elsewhere


@pytest.mark.parametrize("name", STAYING)
def test_what_counts_twice_or_fails_by_its_own_effect_stays_at_its_node(
    nodes: list[ScriptedNode], open_client: OpenClient, name: str
) -> None:
    """Only the node whose answer was lost can tell what became of it."""
    path, write, done = STAYING[name]
    nodes[0].script(path, LOST, LOST, unavailable(), LOST, done)
    with open_client([node.url for node in nodes]) as client:
        assert write(client.session()).vc == [1, 0, 0]
    at_first, *elsewhere = ids(nodes, path)
    assert (len(at_first), len(set(at_first)), elsewhere) == (5, 1, [[], []])


@pytest.mark.parametrize("name", STAYING)
def test_it_ends_unknown_when_its_node_stays_away(
    nodes: list[ScriptedNode], open_client: OpenClient, name: str
) -> None:
    """However long that takes: another node would write it again."""
    path, write, done = STAYING[name]
    nodes[0].script(path, LOST)
    nodes[1].script(path, done)
    with (
        open_client([node.url for node in nodes], timeout_seconds=1.0) as client,
        pytest.raises(OutcomeUnknownError, match="may or may not have been applied"),
    ):
        write(client.session())
    at_first, *elsewhere = ids(nodes, path)
    assert len(at_first) > 1
    assert elsewhere == [[], []]


@pytest.mark.parametrize("name", STAYING)
def test_it_goes_elsewhere_while_no_answer_was_lost(
    nodes: list[ScriptedNode], open_client: OpenClient, dead_url: str, name: str
) -> None:
    """A node that refuses, or cannot be reached, has applied nothing."""
    path, write, done = STAYING[name]
    nodes[0].script(path, unavailable())
    nodes[1].script(path, done)
    with open_client([dead_url, nodes[0].url, nodes[1].url]) as client:
        assert write(client.session()).vc == [1, 0, 0]


def test_a_node_that_never_answers_leaves_time_to_ask_it_again(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """A lost answer may leave the connection open: the first attempt does not use up the time."""
    nodes[0].script("/counter/incr", STALLED, COUNTED)
    with open_client([nodes[0].url], timeout_seconds=6.0) as client:
        assert client.session().incr("hits").value == 3
    assert len(nodes[0].requests("/counter/incr")) == 2


def test_a_precondition_that_is_judged_after_a_lost_answer_is_certain(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """A node that had applied it would have given its first answer again."""
    nodes[0].script("/put", LOST, PRESENT)
    with open_client([node.url for node in nodes]) as client, pytest.raises(PreconditionFailedError) as told:
        client.session().put("x", "7", if_absent=True)
    assert told.value.current is not None
    assert (told.value.key, told.value.current.value, told.value.current.vc) == ("x", "5", [1, 0, 0])


def test_a_refusal_elsewhere_does_not_make_a_lost_write_certain(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """What another node says tells nothing of the one whose answers were lost."""
    nodes[0].script("/put", LOST)
    nodes[1].script("/put", answer({"error": "the value is too large"}, status_code=413))
    with (
        open_client([node.url for node in nodes]) as client,
        pytest.raises(OutcomeUnknownError, match=r"gave no answer.*too large"),
    ):
        client.session().put("x", "5")


def test_two_writes_have_different_ids_and_a_given_one_is_kept(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """A program that was restarted can repeat a write under the id that it noted."""
    nodes[0].script("/put", STORED)
    with open_client([nodes[0].url]) as client:
        session = client.session()
        session.put("x", "5")
        session.put("x", "5")
        session.put("x", "5", request_id="order 66")
    [[first, second, given], _, _] = ids(nodes, "/put")
    assert first != second
    assert given == "order 66"


@pytest.mark.parametrize("request_id", ["", "x" * 129])
def test_an_id_that_no_node_takes_is_refused_before_anything_is_sent(
    nodes: list[ScriptedNode], open_client: OpenClient, request_id: str
) -> None:
    """The caller learns it at once."""
    with open_client([nodes[0].url]) as client, pytest.raises(InvalidRequestError, match="1 to 128"):
        client.session().put("x", "5", request_id=request_id)
    assert not nodes[0].seen


def test_a_precondition_that_nobody_can_meet_is_refused(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """A version that is there, and none, at the same time."""
    with open_client([nodes[0].url]) as client, pytest.raises(InvalidRequestError, match="exclude each other"):
        client.session().put("x", "5", if_vc=[1], if_absent=True)


def test_a_key_without_a_version_fails_a_precondition_with_none(
    nodes: list[ScriptedNode], open_client: OpenClient
) -> None:
    """The current version is that there is none."""
    nodes[0].script("/delete", answer({"error": "gone", "key": "x", "missing": True}, status_code=409))
    with open_client([nodes[0].url]) as client, pytest.raises(PreconditionFailedError) as told:
        client.session().delete("x", if_vc=[1, 0, 0])
    assert (told.value.key, told.value.current) == ("x", None)


def test_a_text_is_not_taken_for_its_characters(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """It is iterable, and hardly meant so."""
    with open_client([nodes[0].url]) as client:
        session = client.session()
        for call in (session.mget, lambda text: session.sadd("s", text), lambda text: session.srem("s", text)):
            with pytest.raises(InvalidRequestError, match="use a list"):
                call("red")
    assert not nodes[0].seen
