"""The checker on single reads: each guarantee broken once, and what looks like a break but is none."""

from __future__ import annotations

import math

import pytest

from client.consistency.checker import check
from client.consistency.history import Outcome
from client.consistency.violations import ViolationKind
from tests.unit.consistency.told import Told


@pytest.fixture
def told() -> Told:
    """An empty history."""
    return Told()


def test_an_empty_history_is_sound(told: Told) -> None:
    """Nothing was done, nothing is wrong."""
    assert told.found() == set()


def test_a_session_that_reads_what_its_own_write_replaced_is_found(told: Told) -> None:
    """Read your writes."""
    told.put("a", "x", "x1")
    told.put("a", "x", "x2")
    told.get("a", "x", "x1")
    assert told.found() == {ViolationKind.READ_YOUR_WRITES}


def test_a_session_that_does_not_find_its_own_write_is_found(told: Told) -> None:
    """Read your writes: a miss that no delete explains."""
    told.put("a", "x", "x1")
    told.get("a", "x")
    assert told.found() == {ViolationKind.READ_YOUR_WRITES}


def test_a_session_whose_reads_go_back_is_found(told: Told) -> None:
    """Monotonic reads."""
    told.put("a", "x", "x1")
    told.put("a", "x", "x2")
    told.get("b", "x", "x2")
    told.get("b", "x", "x1")
    assert told.found() == {ViolationKind.MONOTONIC_READS}


def test_a_session_that_no_longer_finds_what_it_read_is_found(told: Told) -> None:
    """Monotonic reads: a miss that no delete explains."""
    told.put("a", "x", "x1")
    told.get("b", "x", "x1")
    told.get("b", "x")
    assert told.found() == {ViolationKind.MONOTONIC_READS}


def test_a_later_write_of_a_session_shown_without_its_earlier_one_is_found(told: Told) -> None:
    """Monotonic writes, across keys."""
    told.put("a", "x", "x1")
    told.put("a", "y", "y1")
    told.get("b", "y", "y1")
    told.get("b", "x")
    assert told.found() == {ViolationKind.MONOTONIC_WRITES}


def test_an_answer_shown_without_what_it_answers_is_found(told: Told) -> None:
    """Writes follow reads: who sees the reaction sees the cause."""
    told.put("a", "x", "question")
    told.get("b", "x", "question")
    told.put("b", "y", "answer")
    told.get("c", "y", "answer")
    told.get("c", "x")
    assert told.found() == {ViolationKind.WRITES_FOLLOW_READS}


def test_a_cause_missed_over_three_sessions_and_keys_is_found(told: Told) -> None:
    """Causal order is transitive."""
    told.put("a", "x", "x1")
    told.put("a", "x", "x2")
    told.get("b", "x", "x2")
    told.put("b", "y", "y1")
    told.get("c", "y", "y1")
    told.put("c", "z", "z1")
    told.get("d", "z", "z1")
    told.get("d", "x", "x1")
    assert told.found() == {ViolationKind.CAUSAL_ORDER}


def test_a_violation_names_the_operations(told: Told) -> None:
    """Who reads the report finds the three requests in the logs."""
    told.put("a", "x", "x1")
    told.put("a", "y", "y1")
    told.get("b", "y", "y1")
    told.get("b", "x")
    (violation,) = check(told.history)
    assert str(violation).startswith("monotonic writes: [b#1 get x -> nothing at node1, ok, 4.000 to 4.500 s] did not")
    assert "[a#0 put x=x1 " in violation.message
    assert [str(each.kind) for each in violation.operations] == ["get", "put", "put"]


def test_a_value_that_nobody_wrote_is_found(told: Told) -> None:
    """Thin air."""
    told.get("a", "x", "whose?")
    assert told.found() == {ViolationKind.THIN_AIR}


def test_a_value_of_a_write_that_certainly_failed_is_found(told: Told) -> None:
    """Thin air: the client was told that nothing was done."""
    told.put("a", "x", "x1", outcome=Outcome.FAILED)
    told.get("b", "x", "x1")
    assert told.found() == {ViolationKind.THIN_AIR}


def test_a_value_under_another_key_is_found(told: Told) -> None:
    """Thin air: it was never written there."""
    told.put("a", "x", "x1")
    told.get("b", "y", "x1")
    assert ViolationKind.THIN_AIR in told.found()


def test_a_value_read_before_it_was_asked_for_is_found(told: Told) -> None:
    """Thin air: nobody knew it yet."""
    told.get("b", "x", "x1")
    told.put("a", "x", "x1")
    assert told.found() == {ViolationKind.THIN_AIR}


def test_happened_before_in_a_circle_is_found(told: Told) -> None:
    """Two sessions that each read what the other writes afterwards."""
    told.get("a", "y", "y1", at=(0, 9))
    told.put("a", "x", "x1", at=(0, 9))
    told.get("b", "x", "x1", at=(0, 9))
    told.put("b", "y", "y1", at=(0, 9))
    assert told.found() == {ViolationKind.CYCLE}


def test_a_covered_sibling_is_found(told: Told) -> None:
    """Values shown side by side must be concurrent."""
    told.put("a", "x", "x1")
    told.put("a", "x", "x2")
    told.get("b", "x", "x2", "x1")
    assert told.found() == {ViolationKind.CAUSAL_ORDER}


def test_a_missing_sibling_is_found(told: Told) -> None:
    """A read of all siblings may not drop one that the session knew."""
    told.put("a", "x", "x1", at=(1, 2))
    told.put("b", "x", "x2", at=(1, 2), node="node2")
    told.get("c", "x", "x1", "x2")
    told.put("d", "x", "x3", at=(0.1, 0.2))
    told.get("c", "x", "x3", lists_siblings=True)
    assert told.found() == {ViolationKind.MONOTONIC_READS}


def test_sessions_that_see_the_winner_change_back_and_forth_are_found(told: Told) -> None:
    """Two sessions have both writes, and each is shown the other one: no order explains it."""
    told.put("a", "x", "x1", at=(1, 2))
    told.put("b", "x", "x2", at=(1, 2), node="node2")
    told.get("a", "x", "x2")
    told.get("b", "x", "x1")
    assert told.found() == {ViolationKind.CONFLICT_ORDER}


# ---------------------------------------------------------------------------- what is no violation


def test_sessions_that_know_nothing_of_each_other_may_see_different_states(told: Told) -> None:
    """Causal consistency is no linearizability: an old value, or none, is fine for who has seen nothing newer."""
    told.put("a", "x", "x1")
    told.put("a", "x", "x2")
    told.get("b", "x")
    told.get("b", "x", "x1")
    told.get("c", "x", "x2")
    assert told.found() == set()


def test_concurrent_siblings_are_fine(told: Told) -> None:
    """In any order with the winner first, and the winner alone as well."""
    told.put("a", "x", "x1", at=(1, 2))
    told.put("b", "x", "x2", at=(1, 2), node="node2")
    told.get("a", "x", "x2", "x1")
    told.get("b", "x", "x2")
    told.get("c", "x", "x2", "x1")
    assert told.found() == set()


def test_a_concurrent_value_instead_of_the_own_one_is_fine(told: Told) -> None:
    """It may have won, or have come after it at the node."""
    told.put("a", "x", "x1", at=(1, 3))
    told.put("b", "x", "x2", at=(2, 4), node="node2")
    told.get("a", "x", "x2")
    assert told.found() == set()


def test_a_miss_after_a_delete_is_fine(told: Told) -> None:
    """By the session itself, or by somebody it knows nothing of."""
    told.put("a", "x", "x1")
    told.delete("a", "x")
    told.get("a", "x")
    told.put("a", "y", "y1")
    told.delete("b", "y")
    told.get("a", "y")
    assert told.found() == set()


def test_a_miss_that_only_an_older_delete_could_explain_is_found(told: Told) -> None:
    """A delete that was over before the put began, or that the put's session had made, removed something else."""
    told.delete("b", "x")
    told.delete("a", "x")
    told.put("a", "x", "x1")
    told.get("a", "x")
    assert told.found() == {ViolationKind.READ_YOUR_WRITES}


def test_a_delete_of_unknown_outcome_explains_a_miss(told: Told) -> None:
    """It may have taken effect late."""
    told.delete("b", "x", outcome=Outcome.UNKNOWN, at=(0, math.inf))
    told.put("a", "x", "x1")
    told.get("a", "x")
    assert told.found() == set()


def test_a_delete_that_was_refused_explains_nothing(told: Told) -> None:
    """It certainly had no effect."""
    told.put("a", "x", "x1")
    told.delete("b", "x", outcome=Outcome.FAILED)
    told.get("a", "x")
    assert told.found() == {ViolationKind.READ_YOUR_WRITES}


def test_a_write_of_unknown_outcome_may_show_or_not(told: Told) -> None:
    """Its session carries no token of it, so that even the session itself may miss it, and find it later."""
    told.put("a", "x", "x1")
    told.put("a", "x", "x2", outcome=Outcome.UNKNOWN)
    told.get("a", "x", "x1")
    told.get("a", "x", "x2")
    told.put("a", "y", "y1", outcome=Outcome.UNKNOWN)
    told.get("a", "y")
    assert told.found() == set()


def test_a_write_of_unknown_outcome_that_was_read_binds_its_reader(told: Told) -> None:
    """It took effect, behind all that its session had seen."""
    told.put("a", "x", "x1")
    told.put("a", "y", "y1", outcome=Outcome.UNKNOWN)
    told.get("b", "y", "y1")
    told.get("b", "x")
    assert told.found() == {ViolationKind.MONOTONIC_WRITES}


def test_a_delete_may_let_a_smaller_sibling_win(told: Told) -> None:
    """A winner that was deleted gives way to one that the delete did not know."""
    told.put("a", "x", "small", at=(1, 2))
    told.put("b", "x", "great", at=(1, 2), node="node2")
    told.get("a", "x", "great", "small")
    told.delete("b", "x", node="node2", at=(3, 4))
    told.get("a", "x", "small", at=(5, 6))
    assert told.found() == set()


def test_two_puts_of_one_value_are_refused(told: Told) -> None:
    """A read of it would not say which of them it saw."""
    told.put("a", "x", "same")
    told.put("b", "x", "same")
    with pytest.raises(ValueError, match="a value of its own"):
        check(told.history)
