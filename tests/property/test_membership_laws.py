"""Membership: everybody who talks agrees, whatever was changed where and in whatever order it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from node.core.members import MemberLimits, Members
from tests.support.strategies import REPLICAS, member_changes
from tests.unit.core.builders import told

if TYPE_CHECKING:
    from node.core.control import MemberChange

CHANGES = st.lists(member_changes(), max_size=8)


def _members(*changes: MemberChange) -> Members:
    members = Members("a", REPLICAS, (), MemberLimits(), 0)
    for change in changes:
        members.change(change)
    return members


def _known(members: Members) -> frozenset[MemberChange]:
    return frozenset(members.changes)


def _merge(pupil: Members, teacher: Members) -> Members:
    return _members(*pupil.changes, *teacher.changes)


@given(CHANGES, st.data())
def test_neither_order_nor_repetition_of_changes_matters(changes: list[MemberChange], data: st.DataObject) -> None:
    """All nodes know the same members in the end."""
    again = data.draw(st.permutations([*changes, *changes]))
    assert _known(_members(*again)) == _known(_members(*changes))
    assert set(_members(*again).nodes) == set(_members(*changes).nodes)


@given(CHANGES, CHANGES, CHANGES)
def test_merging_memberships_is_a_semilattice(
    one: list[MemberChange], other: list[MemberChange], third: list[MemberChange]
) -> None:
    """Commutative, associative, idempotent; and the same as having heard of all changes."""
    a, b, c = _members(*one), _members(*other), _members(*third)
    assert _known(_merge(a, b)) == _known(_merge(b, a)) == _known(_members(*one, *other))
    assert _known(_merge(_merge(a, b), c)) == _known(_merge(a, _merge(b, c)))
    assert _known(_merge(a, a)) == _known(a)


@given(CHANGES, CHANGES)
def test_two_nodes_that_tell_each_other_agree(one: list[MemberChange], other: list[MemberChange]) -> None:
    """Each says whether it learned something; when both have told, there is nothing left to learn."""
    a, b = _members(*one), _members(*other)
    before = _known(a)
    has_changed = a.heard(told("b", changes=b.changes), 0, 0)
    assert has_changed == (_known(a) != before)
    b.heard(told("a", changes=a.changes), 0, 0)
    assert _known(a) == _known(b)
    assert not a.heard(told("b", changes=b.changes), 0, 0)


@given(CHANGES)
def test_of_each_node_the_latest_change_holds_and_at_a_tie_the_removal(changes: list[MemberChange]) -> None:
    """Said again without the code: nobody who was removed last is a member, everybody else is."""
    out = set()
    for node in REPLICAS:
        times = {is_member: [0] for is_member in (True, False)}
        for change in changes:
            if change.node == node:
                times[change.is_member].append(change.at_ms)
        if max(times[False]) and max(times[False]) >= max(times[True]):
            out.add(node)
    assert set(_members(*changes).nodes) == set(REPLICAS) - out
