"""Counters, sets, and versions that end: in whatever order causality allows, and however states are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from node.core.effects import ConflictArisen, ConflictResolved
from node.core.hybrid_clock import ZERO
from node.core.places import CounterPlace, MemberPlace
from node.core.versions import counted
from node.core.write import AddMembers, Delete, Expire, Increment, Operation, Put, RemoveMembers, Write
from tests.support.dict_state import DictState
from tests.support.strategies import KEYS, History, causal_orders, closed_parts, histories
from tests.unit.core.builders import Bench

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.core.dot import Dot
    from node.core.places import Place
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions

MEMBERS = ('"a"', '"b"')


@st.composite
def all_types(draw: st.DrawFn) -> History:
    """A history whose writes have operations of every type; expiries name puts that their writer has seen."""
    history = draw(histories())
    writes: list[Write] = []
    for index, write in enumerate(history.writes):
        seen = sorted(history.past[index])
        put_before = [
            (operation.key, writes[cause].dot)
            for cause in seen
            for operation in writes[cause].operations
            if isinstance(operation, Put)
        ]
        operations = draw(st.lists(_operations(index, put_before), min_size=1, max_size=3).map(tuple))
        writes.append(write._replace(operations=operations))
    return history._replace(writes=tuple(writes))


def _operations(number: int, put_before: list[tuple[str, Dot]]) -> st.SearchStrategy[Operation]:
    keys = st.sampled_from(KEYS)
    members = st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=2).map(tuple)
    kinds: list[st.SearchStrategy[Operation]] = [
        st.builds(lambda key, ttl_ms: Put(key, str(number).encode(), ttl_ms), keys, st.sampled_from([0, 7])),
        st.builds(Delete, keys),
        st.builds(Increment, keys, st.integers(-3, 3)),
        st.builds(AddMembers, keys, members),
        st.builds(RemoveMembers, keys, members),
    ]
    if put_before:
        kinds.append(st.sampled_from(put_before).map(lambda named: Expire(*named)))
    return st.one_of(kinds)


def _disk(history: History, order: Iterable[int]) -> DictState:
    bench = Bench("observer")
    bench.receive(*(history.writes[index] for index in order))
    return bench.disk


@given(all_types(), st.data())
def test_every_causal_order_gives_the_same_bytes(history: History, data: st.DataObject) -> None:
    """Counters, members, siblings, and the times of versions."""
    one, other = (_disk(history, data.draw(causal_orders(history))) for _ in range(2))
    assert one.fingerprint() == other.fingerprint()
    assert one.expiries == other.expiries


@given(all_types(), st.sampled_from(KEYS), st.data())
def test_a_counter_stands_at_the_sum_of_all_increments(history: History, key: str, data: st.DataObject) -> None:
    """None is lost, and none is counted twice; there is a share for each replica that incremented."""
    part = data.draw(closed_parts(history))
    shares = _disk(history, part).versions(CounterPlace(key))
    increments = [
        (history.writes[index].dot.replica, operation.by)
        for index in part
        for operation in history.writes[index].operations
        if isinstance(operation, Increment) and operation.key == key
    ]
    assert counted(shares) == sum(by for _, by in increments)
    assert {share.dot.replica: int(share.value) for share in shares} == {
        replica: sum(by for name, by in increments if name == replica) for replica, _ in increments
    }


@given(all_types(), st.sampled_from(KEYS), st.sampled_from(MEMBERS), st.data())
def test_a_member_is_in_a_set_when_an_addition_was_not_followed(
    history: History, key: str, member: str, data: st.DataObject
) -> None:
    """By a removal, in the same write or in one that happened after it: an addition wins over concurrent removals."""
    part = data.draw(closed_parts(history))
    place = MemberPlace(key, member)
    last = {
        index: [operation for operation in history.writes[index].operations if place in operation.places][-1]
        for index in part
        if any(place in operation.places for operation in history.writes[index].operations)
    }
    removed = set().union(*(history.past[index] for index, what in last.items() if isinstance(what, RemoveMembers)))
    is_in = any(isinstance(what, AddMembers) and index not in removed for index, what in last.items())
    assert bool(_disk(history, part).versions(place)) == is_in


# ----------------------------------------------------------------------------------------- merging


class State(NamedTuple):
    """Versions by place, and the clock of exactly the writes that they come from."""

    clock: VectorClock
    places: dict[Place, Versions]


def _state(history: History, part: list[int]) -> State:
    disk = _disk(history, part)
    return State(disk.clock, dict(disk.values))


def _merge(here: State, there: State) -> State:
    disk = DictState("observer")
    disk.values = dict(here.places)
    disk.stage_snapshot(list(there.places.items()), is_first=True)
    disk.adopt_snapshot(here.clock, there.clock)
    return State(here.clock.merge(there.clock), dict(disk.values))


@given(all_types(), st.data())
def test_merging_two_states_of_any_types_is_applying_the_writes_of_both(history: History, data: st.DataObject) -> None:
    """No share twice, no removed member back, no version that has ended: nothing but the clocks tells of them."""
    one, other = data.draw(closed_parts(history)), data.draw(closed_parts(history))
    assert _merge(_state(history, one), _state(history, other)) == _state(history, sorted({*one, *other}))


@given(all_types(), st.data())
def test_merging_states_of_any_types_is_commutative_associative_and_idempotent(
    history: History, data: st.DataObject
) -> None:
    """It does not matter who takes whose snapshot, in which order, and how often."""
    a, b, c = (_state(history, data.draw(closed_parts(history))) for _ in range(3))
    assert _merge(a, b) == _merge(b, a)
    assert _merge(_merge(a, b), c) == _merge(a, _merge(b, c))
    assert _merge(a, a) == a
    assert _merge(_merge(a, b), b) == _merge(a, b)


@given(all_types(), st.data())
def test_writes_go_on_after_a_merge_as_if_they_had_all_come_one_by_one(history: History, data: st.DataObject) -> None:
    """What is delivered to merged shares and members finds them as it would have found the others."""
    one, other = data.draw(closed_parts(history)), data.draw(closed_parts(history))
    union = sorted({*one, *other})
    rest = [index for index in range(len(history.writes)) if index not in union]
    merged = _merge(_state(history, one), _state(history, other))
    bench = Bench("observer")
    bench.disk.values, bench.disk.clock = dict(merged.places), merged.clock
    bench.disk.timestamp = max((history.writes[index].timestamp for index in union), default=ZERO)
    bench.restart()
    bench.receive(*(history.writes[index] for index in rest))
    assert bench.disk.fingerprint() == _disk(history, range(len(history.writes))).fingerprint()


@given(all_types(), st.data())
def test_conflicts_that_arose_less_those_resolved_are_the_keys_with_several_versions(
    history: History, data: st.DataObject
) -> None:
    """After every write, in whatever order they come: what is counted can be believed."""
    bench = Bench("observer")
    in_conflict: set[str] = set()
    for index in data.draw(causal_orders(history)):
        for effect in bench.receive(history.writes[index]):
            if isinstance(effect, ConflictArisen):
                assert effect.key not in in_conflict
                in_conflict.add(effect.key)
            elif isinstance(effect, ConflictResolved):
                in_conflict.remove(effect.key)
        assert in_conflict == {key for key in KEYS if len(bench.disk.versions(key)) > 1}
