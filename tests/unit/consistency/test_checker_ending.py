"""The checker on the end of a run, and on tokens."""

from __future__ import annotations

import pytest

from client.consistency.history import Outcome
from client.consistency.violations import ViolationKind
from tests.unit.consistency.told import Told


@pytest.fixture
def told() -> Told:
    """An empty history."""
    return Told()


def test_nodes_that_show_different_siblings_are_found(told: Told) -> None:
    """Convergence."""
    told.put("a", "x", "x1", at=(1, 2))
    told.put("b", "x", "x2", at=(1, 2))
    told.finally_("x", "x1", "x2", nodes=("node1", "node2"))
    told.finally_("x", "x1", nodes=("node3",))
    assert ViolationKind.CONVERGENCE in told.found()


def test_nodes_that_choose_different_winners_are_found(told: Told) -> None:
    """Convergence: the same siblings, in another order."""
    told.put("a", "x", "x1", at=(1, 2))
    told.put("b", "x", "x2", at=(1, 2))
    told.finally_("x", "x1", "x2", nodes=("node1", "node2"))
    told.finally_("x", "x2", "x1", nodes=("node3",))
    assert told.found() == {ViolationKind.CONVERGENCE}


def test_an_acknowledged_put_that_is_gone_is_found(told: Told) -> None:
    """Lost."""
    told.put("a", "x", "x1")
    told.finally_("x")
    assert told.found() == {ViolationKind.LOST}


def test_an_acknowledged_put_that_an_older_value_stands_for_is_found(told: Told) -> None:
    """Lost: what is there was over before it began."""
    told.put("a", "x", "x1")
    told.put("b", "x", "x2", node="node2")
    told.finally_("x", "x1")
    assert told.found() == {ViolationKind.LOST}


def test_a_sibling_that_is_gone_is_found_by_its_token(told: Told) -> None:
    """Lost: it may have come after it in time, but the token of what is there does not cover it."""
    told.put("a", "x", "x1", at=(1, 2), clock={"node1~i": 1})
    told.put("b", "x", "x2", at=(1, 3), clock={"node2~i": 1}, node="node2")
    told.finally_("x", "x2")
    assert told.found() == {ViolationKind.LOST}


def test_a_put_that_its_node_covered_unseen_is_not_lost(told: Told) -> None:
    """A node's later write of a key replaces what the node had, whether its client had read that or not."""
    told.put("a", "x", "x1", at=(1, 2), clock={"node1~i": 1})
    told.put("b", "x", "x2", at=(3, 4), clock={"node1~i": 1, "node2~i": 1}, node="node2")
    told.finally_("x", "x2")
    assert told.found() == set()


def test_a_put_of_unknown_outcome_may_be_gone_or_there(told: Told) -> None:
    """Nobody was promised anything."""
    told.put("a", "x", "x1", outcome=Outcome.UNKNOWN)
    told.put("a", "y", "y1", outcome=Outcome.UNKNOWN)
    told.finally_("x")
    told.finally_("y", "y1")
    assert told.found() == set()


def test_a_put_of_unknown_outcome_that_was_shown_may_not_be_gone(told: Told) -> None:
    """Lost: somebody has acted on it."""
    told.put("a", "x", "x1", outcome=Outcome.UNKNOWN)
    told.get("b", "x", "x1")
    told.finally_("x")
    assert told.found() == {ViolationKind.LOST}


def test_a_refused_put_that_is_there_is_found(told: Told) -> None:
    """Thin air."""
    told.put("a", "x", "x1", outcome=Outcome.FAILED)
    told.finally_("x", "x1")
    assert told.found() == {ViolationKind.THIN_AIR}


@pytest.mark.parametrize("is_delete", [False, True])
def test_an_overwritten_value_that_is_back_is_found(told: Told, is_delete: bool) -> None:  # noqa: FBT001  # a case
    """Resurrected: its reader replaced or deleted it."""
    told.put("a", "x", "x1", node="node2")
    told.get("b", "x", "x1")
    if is_delete:
        told.delete("b", "x")
        told.finally_("x", "x1")
    else:
        told.put("b", "x", "x2")
        told.finally_("x", "x2", "x1")
    assert told.found() == {ViolationKind.RESURRECTED}


def test_an_overwritten_value_that_is_back_alone_is_a_lost_write_too(told: Told) -> None:
    """What replaced it is gone."""
    told.put("a", "x", "x1")
    told.put("a", "x", "x2")
    told.finally_("x", "x1")
    assert told.found() == {ViolationKind.RESURRECTED, ViolationKind.LOST}


def test_a_put_concurrent_with_a_delete_may_survive_it(told: Told) -> None:
    """The delete removed what its node had, no more."""
    told.put("a", "x", "x1")
    told.put("b", "x", "x2", node="node2", at=(3, 4))
    told.delete("a", "x", at=(3, 4))
    told.finally_("x", "x2")
    assert told.found() == set()


def test_a_token_that_forgets_what_the_session_had_seen_is_found(told: Told) -> None:
    """Tokens grow along happened-before."""
    told.put("a", "x", "x1", clock={"node1~i": 1})
    told.put("a", "y", "y1", clock={"node2~i": 1}, node="node2")
    assert told.found() == {ViolationKind.TOKEN}


def test_a_dot_that_is_used_twice_is_found(told: Told) -> None:
    """A node that went back in its counting names two writes alike."""
    told.put("a", "x", "x1", clock={"node1~i": 1})
    told.put("b", "y", "y1", clock={"node1~i": 1})
    assert told.found() == {ViolationKind.TOKEN}


def test_a_node_that_starts_as_a_new_replica_uses_no_dot_twice(told: Told) -> None:
    """Its counting starts anew under another incarnation."""
    told.put("a", "x", "x1", clock={"node1~i": 1})
    told.put("b", "y", "y1", clock={"node1~j": 1})
    assert told.found() == set()
