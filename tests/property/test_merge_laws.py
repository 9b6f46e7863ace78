"""Two states merged are the state of all that either contains: what lets a snapshot be merged into a live replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from node.core.versions import Versions, merged
from tests.support.strategies import KEYS, History, closed_parts, histories
from tests.unit.core.builders import Bench

if TYPE_CHECKING:
    from node.core.vector_clock import VectorClock


class State(NamedTuple):
    """Versions by key, and the clock of exactly the writes that they come from."""

    clock: VectorClock
    versions: tuple[Versions, ...]


def _state(history: History, part: list[int]) -> State:
    bench = Bench("observer")
    bench.receive(*(history.writes[index] for index in part))
    return State(bench.replica.clock, tuple(bench.disk.versions(key) for key in KEYS))


def _merge(a: State, b: State) -> State:
    return State(
        a.clock.merge(b.clock),
        tuple(merged(here, a.clock, there, b.clock) for here, there in zip(a.versions, b.versions, strict=True)),
    )


@given(histories(), st.data())
def test_merging_two_states_is_applying_the_writes_of_both(history: History, data: st.DataObject) -> None:
    """Overwritten and deleted versions go, although nothing but the clocks tells of them."""
    one, other = data.draw(closed_parts(history)), data.draw(closed_parts(history))
    union = sorted({*one, *other})
    assert _merge(_state(history, one), _state(history, other)) == _state(history, union)


@given(histories(), st.data())
def test_merging_states_is_commutative(history: History, data: st.DataObject) -> None:
    """It does not matter who takes whose snapshot; siblings in the same order."""
    a, b = (_state(history, data.draw(closed_parts(history))) for _ in range(2))
    assert _merge(a, b) == _merge(b, a)


@given(histories(), st.data())
def test_merging_states_is_associative(history: History, data: st.DataObject) -> None:
    """It does not matter in which order states come together."""
    a, b, c = (_state(history, data.draw(closed_parts(history))) for _ in range(3))
    assert _merge(_merge(a, b), c) == _merge(a, _merge(b, c))


@given(histories(), st.data())
def test_merging_states_is_idempotent(history: History, data: st.DataObject) -> None:
    """Taking the same snapshot again changes nothing; nor does one of an earlier moment."""
    a, b = (_state(history, data.draw(closed_parts(history))) for _ in range(2))
    assert _merge(a, a) == a
    assert _merge(_merge(a, b), b) == _merge(a, b)
