"""The checker on whole runs of a small store: silent where the store is right, not where it is wrong."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.consistency.checker import check
from client.consistency.history import History, Kind, Operation
from client.consistency.violations import ViolationKind
from tests.unit.consistency.toy_store import Defect, Run

OPERATIONS = 120
RUNS = 150
LONG_OPERATIONS = 50_000
MUST_BE_CALLED = {
    Defect.NO_BUFFER: {ViolationKind.READ_YOUR_WRITES, ViolationKind.MONOTONIC_WRITES},
    Defect.NO_TOKEN: {ViolationKind.READ_YOUR_WRITES, ViolationKind.MONOTONIC_READS, ViolationKind.CAUSAL_ORDER},
    Defect.FORGOTTEN: {ViolationKind.LOST, ViolationKind.READ_YOUR_WRITES},
    Defect.TAKES_REFUSED: {ViolationKind.THIN_AIR},
    Defect.PUT_REPLACES_ALL: {ViolationKind.CONVERGENCE, ViolationKind.LOST},
    Defect.STALE_RETURNS: {ViolationKind.RESURRECTED},
    Defect.LATEST_ARRIVAL_WINS: {ViolationKind.CONVERGENCE, ViolationKind.CONFLICT_ORDER},
    Defect.COUNTS_TWICE: {ViolationKind.TOKEN},
}
"""What a defect must be called; each of these names at least once in all the runs."""
VISIBLE_WITHOUT_TOKENS = [d for d in MUST_BE_CALLED if d is not Defect.COUNTS_TWICE]


def without_tokens(history: History) -> History:
    """The same history as a client would record it who throws the tokens away."""
    bare = History()
    bare.operations = [replace(operation, clock=None) for operation in history.operations]
    bare.finals = history.finals
    return bare


@settings(deadline=None, max_examples=150)
@given(st.integers(min_value=0))
def test_every_run_of_a_causal_store_passes(seed: int) -> None:
    """With siblings, deletes, refusals, and unknown outcomes that took effect or not; with and without tokens."""
    history = Run(seed).play(OPERATIONS)
    assert check(history) == []
    assert check(without_tokens(history)) == []


@pytest.mark.parametrize("defect", MUST_BE_CALLED)
def test_a_defect_is_found_and_called_by_its_names(defect: Defect) -> None:
    """Each of the names that a defect deserves is given in some run."""
    called = {violation.kind for seed in range(RUNS) for violation in check(Run(seed, defect).play(OPERATIONS))}
    assert called >= MUST_BE_CALLED[defect]


@pytest.mark.parametrize("defect", VISIBLE_WITHOUT_TOKENS)
def test_a_defect_is_found_without_any_token(defect: Defect) -> None:
    """The verdict does not rest on the store's own word."""
    runs = (without_tokens(Run(seed, defect).play(OPERATIONS)) for seed in range(RUNS))
    assert any(check(history) for history in runs)


@pytest.mark.timeout(300)
def test_fifty_thousand_operations_are_judged_in_seconds() -> None:
    """As many as a run by force makes: one after the other, over one copy of the data."""
    chosen, history, state = random.Random(1), History(), dict[str, str]()
    indexes: Counter[str] = Counter()
    writes = 0
    for step in range(LONG_OPERATIONS):
        session, key = f"s{chosen.randrange(12)}", f"k{chosen.randrange(8)}"
        kind = chosen.choice((Kind.GET, Kind.GET, Kind.GET, Kind.PUT, Kind.PUT, Kind.DELETE))
        value = f"v{step}" if kind is Kind.PUT else None
        shown = (state[key],) if kind is Kind.GET and key in state else ()
        if kind is not Kind.GET:
            writes += 1
            state.pop(key, None)
        if value is not None:
            state[key] = value
        indexes[session] += 1
        made = Operation(session, indexes[session], "node1", kind, key, step, step + 0.5, value=value, values=shown)
        history.record(replace(made, clock={"node1~i": writes}, lists_siblings=True))
    assert check(history) == []
