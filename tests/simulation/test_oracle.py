from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from node.core.expiry import ExpiryLimits
from node.core.hybrid_clock import ZERO
from node.core.local_writes import LocalWriteLimits
from node.core.places import CounterPlace, MemberPlace, Place
from node.core.requests import RequestLimits
from node.core.write import AddMembers, Delete, Expire, Increment, Operation, RemoveMembers
from tests.simulation.checks import Checks
from tests.simulation.coverage import Coverage
from tests.simulation.durable_state import DurableState
from tests.simulation.final_checks import FinalChecks
from tests.simulation.invariants import Invariant, ViolationError
from tests.simulation.links import Hello
from tests.simulation.local_checks import LocalChecks
from tests.simulation.oracle import Oracle
from tests.simulation.oracle_places import members
from tests.simulation.requests import WriteRequest
from tests.unit.core.builders import clock, dot, put, write

if TYPE_CHECKING:
    from tests.simulation.requests import Waiting

X, Y = put("x", "1"), put("y", "1")


def _oracle(*writes: tuple[str, Operation, set[int], set[int]]) -> Oracle:
    """(dot, operation, what its node had applied, what its client had seen), in order of acceptance."""
    oracle = Oracle()
    for name, operation, applied, saw in writes:
        oracle.record(write(name, operation), _bits(applied), _bits(saw))
    return oracle


def _bits(indexes: set[int]) -> int:
    return sum(1 << index for index in indexes)


def test_a_set_of_writes_lists_its_members() -> None:
    """Ascending."""
    assert list(members(0b10110)) == [1, 2, 4]
    assert list(members(0)) == []


def test_what_a_client_saw_brings_its_own_past_along() -> None:
    """Happened-before is transitive: also through a client that moves."""
    oracle = _oracle(("a:1", X, set(), set()), ("a:2", X, {0}, set()), ("b:1", Y, set(), {1}))
    assert set(members(oracle.past[2])) == {0, 1}
    assert set(members(oracle.seen_with(dot("b:1")))) == {0, 1, 2}


def test_writes_of_two_nodes_that_know_nothing_of_each_other_are_concurrent() -> None:
    """Neither is in the past of the other, whatever the order of acceptance."""
    oracle = _oracle(("a:1", X, set(), set()), ("b:1", X, set(), set()))
    assert oracle.past == [0, 0]
    assert [str(made.dot) for made in oracle.holds("x", _bits({0, 1}))] == ["b:1", "a:1"]


def test_siblings_are_judged_by_what_is_applied() -> None:
    """A write that covers another does so only where it is applied."""
    oracle = _oracle(("a:1", X, set(), set()), ("a:2", Delete("x"), {0}, set()))
    assert [str(made.dot) for made in oracle.holds("x", _bits({0}))] == ["a:1"]
    assert oracle.holds("x", _bits({0, 1})) == ()


def _checked(oracle: Oracle, replica: str, *names: str) -> DurableState:
    disk = DurableState(replica)
    checks = Checks(oracle, Coverage(), LocalWriteLimits())
    for name in names:
        transaction = disk.begin()
        index = oracle.index_of(dot(name))
        transaction.append_history(oracle.writes[index] if index is not None else write(name, X))
        transaction.save(disk.clock.merge(clock(name.replace(":", "="))), ZERO, 0)
        for key in oracle.places:
            applied = disk.applied | (0 if index is None else 1 << index)
            transaction.set_versions(key, oracle.holds(key, applied))
        transaction.commit()
        checks.applied(disk, transaction, {})
    return disk


@pytest.mark.parametrize(
    ("applied", "invariant"),
    [
        (("b:1",), Invariant.CAUSAL_ORDER),
        (("a:1", "a:1"), Invariant.EXACTLY_ONCE),
        (("z:1",), Invariant.IDENTITY),
    ],
)
def test_the_checks_name_the_invariant_that_is_violated(applied: tuple[str, ...], invariant: Invariant) -> None:
    """An effect without its cause, a duplicate, a write that nobody made."""
    oracle = _oracle(("a:1", X, set(), set()), ("b:1", Y, {0}, set()))
    with pytest.raises(ViolationError) as caught:
        _checked(oracle, "c", *applied)
    assert caught.value.invariant is invariant


def test_the_checks_accept_what_is_right() -> None:
    """Cause, then effect."""
    oracle = _oracle(("a:1", X, set(), set()), ("b:1", Y, {0}, set()))
    assert _checked(oracle, "c", "a:1", "b:1").applied == _bits({0, 1})


def test_a_key_that_lacks_an_applied_write_is_found() -> None:
    """The versions of a key follow from what is applied, and from nothing else."""
    disk = DurableState("c")
    transaction = disk.begin()
    oracle = _oracle(("a:1", X, set(), set()))
    transaction.append_history(oracle.writes[0])
    transaction.set_versions("x", ())
    transaction.save(clock("a=1"), ZERO, 0)
    transaction.commit()
    with pytest.raises(ViolationError, match="maximal") as caught:
        Checks(oracle, Coverage(), LocalWriteLimits()).applied(disk, transaction, {})
    assert caught.value.invariant is Invariant.CONVERGENCE


def test_a_merged_snapshot_counts_as_the_writes_that_its_clock_names() -> None:
    """What it contains is applied; a clock that names a write which nobody made is no snapshot's."""
    oracle = _oracle(("a:1", X, set(), set()), ("b:1", Y, {0}, set()))
    giver = _checked(oracle, "c", "a:1", "b:1")
    for named, is_sound in (("a=1 b=1", True), ("a=2 b=1", False)):
        disk = DurableState("d")
        transaction = disk.begin()
        transaction.stage_snapshot(sorted(giver.versions.items()), is_first=True)
        transaction.adopt_snapshot(clock(), clock(named))
        transaction.save(clock(named), ZERO, 0)
        transaction.commit()
        if is_sound:
            Checks(oracle, Coverage(), LocalWriteLimits()).applied(disk, transaction, {})
            assert disk.applied == giver.applied
        else:
            with pytest.raises(ViolationError, match="nobody made"):
                Checks(oracle, Coverage(), LocalWriteLimits()).applied(disk, transaction, {})


def test_what_is_acknowledged_must_be_on_the_disk() -> None:
    """Applied or held; a hello leaves nothing."""
    oracle = _oracle(("a:1", X, set(), set()), ("a:2", X, {0}, set()))
    disk = _checked(oracle, "c", "a:1")
    checks = Checks(oracle, Coverage(), LocalWriteLimits())
    checks.acknowledges(disk, (oracle.writes[0],))
    checks.acknowledges(disk, Hello("a", "s"))
    checks.acknowledges(disk, None)
    with pytest.raises(ViolationError, match="not on its disk"):
        checks.acknowledges(disk, (oracle.writes[1],))


def _final(oracle: Oracle) -> FinalChecks:
    return FinalChecks(oracle, Checks(oracle, Coverage(), LocalWriteLimits()), Coverage())


def test_at_rest_a_write_that_was_acknowledged_must_be_everywhere() -> None:
    """Also when every node agrees that it never existed."""
    with pytest.raises(ViolationError, match="durable nowhere") as caught:
        _final(_oracle()).disks([DurableState("a"), DurableState("b")], [write("a:1", X)])
    assert caught.value.invariant is Invariant.NOTHING_LOST


def test_at_rest_a_write_that_one_disk_lacks_is_lost() -> None:
    """It is not enough that somebody has it."""
    oracle = _oracle(("a:1", X, set(), set()))
    with pytest.raises(ViolationError, match="lacks a:1") as caught:
        _final(oracle).disks([_checked(oracle, "a", "a:1"), DurableState("b")], [])
    assert caught.value.invariant is Invariant.NOTHING_LOST


def test_at_rest_a_clock_must_name_exactly_the_true_past() -> None:
    """Too much is found as well as too little."""
    oracle = Oracle()
    too_much = write("a:1", X)._replace(clock=clock("a=1 b=1"))
    oracle.record(too_much, 0, 0)
    with pytest.raises(ViolationError) as caught:
        _final(oracle).disks([_checked(oracle, "a", "a:1")], [])
    assert caught.value.invariant is Invariant.EXACT_CLOCKS


def _held(oracle: Oracle, place: Place, applied: set[int]) -> dict[str, str]:
    return {str(version.dot): version.value.decode() for version in oracle.holds(place, _bits(applied))}


def test_a_counter_holds_for_each_replica_the_sum_of_its_applied_increments() -> None:
    """Whatever happened after what."""
    oracle = _oracle(
        ("a:1", Increment("x", 5), set(), set()),
        ("a:2", Increment("x", -7), {0}, set()),
        ("b:1", Increment("x", 10), {0, 1}, set()),
    )
    counter = CounterPlace("x")
    assert _held(oracle, counter, {0, 2}) == {"a:1": "5", "b:1": "10"}
    assert _held(oracle, counter, {0, 1, 2}) == {"a:2": "-2", "b:1": "10"}
    assert oracle.holds("x", _bits({0, 1, 2})) == ()


def test_an_addition_survives_a_removal_that_did_not_happen_after_it() -> None:
    """And falls to one that did."""
    oracle = _oracle(
        ("a:1", AddMembers("s", ("1", "2")), set(), set()),
        ("b:1", AddMembers("s", ("1",)), set(), set()),
        ("c:1", RemoveMembers("s", ("1",)), {0}, set()),
    )
    assert _held(oracle, MemberPlace("s", "1"), {0, 1, 2}) == {"b:1": "null"}
    assert _held(oracle, MemberPlace("s", "2"), {0, 1, 2}) == {"a:1": "null"}
    assert oracle.spared(MemberPlace("s", "1"), _bits({0, 1, 2}))
    assert not oracle.spared(MemberPlace("s", "1"), _bits({0, 2}))


def test_an_expiry_ends_the_version_that_it_names_where_it_is_applied() -> None:
    """Nothing else, and nowhere else; of a key put twice in one write the last time counts."""
    oracle = Oracle()
    oracle.record(write("a:1", X._replace(ttl_ms=9), X._replace(ttl_ms=5), ms=1_000), 0, 0)
    oracle.record(write("b:1", X), 0, 0)
    oracle.record(write("a:2", Expire("x", dot("a:1")), ms=1_005), _bits({0, 1}), 0)
    assert set(_held(oracle, "x", {0, 1})) == {"a:1", "b:1"}
    assert set(_held(oracle, "x", {0, 1, 2})) == {"b:1"}
    assert (oracle.ends_ms("x", dot("a:1")), oracle.ends_ms("x", dot("b:1"))) == (1_005, None)
    assert oracle.last_end_ms == 1_009


def test_a_version_that_ends_before_its_time_is_found() -> None:
    """By the wall clock of the node that ends it; others have to leave it a grace besides."""
    oracle = Oracle()
    oracle.record(write("a:1", X._replace(ttl_ms=5), ms=1_000), 0, 0)
    checks = LocalChecks(oracle, Coverage(), LocalWriteLimits(expiry=ExpiryLimits(grace_ms=10)))
    for node, now_ms, is_early in (("a", 1_004, True), ("a", 1_005, False), ("b", 1_014, True), ("b", 1_015, False)):
        checks.now_ms = now_ms
        made = write(f"{node}:2", Expire("x", dot("a:1")))
        if is_early:
            with pytest.raises(ViolationError, match="before its time"):
                checks.accepted(DurableState(node), made, None)
        else:
            checks.accepted(DurableState(node), made, None)


@pytest.mark.parametrize(("walls_ms", "is_known"), [([5, 9], True), ([5, 15], False), ([50, 5, 14], True)])
def test_a_request_that_was_carried_out_again_is_found_unless_it_was_long_ago(
    walls_ms: list[int], *, is_known: bool
) -> None:
    """By the node's own wall clock, set back or not: ten milliseconds here."""
    checks = LocalChecks(_oracle(), Coverage(), LocalWriteLimits(requests=RequestLimits(remember_ms=10)))
    disk = DurableState("a")
    disk.walls_ms.append(walls_ms[0])
    checks.applied(disk, write("b:1", X)._replace(request_id="r"))
    disk.walls_ms += walls_ms[1:]
    again = write("a:1", X)._replace(request_id="r")
    request = WriteRequest(cast("Waiting", None), (X,), clock(), 0, "r")
    if is_known:
        with pytest.raises(ViolationError, match="repeats request r") as caught:
            checks.accepted(disk, again, request)
        assert caught.value.invariant is Invariant.EXACTLY_ONCE
    else:
        checks.accepted(disk, again, request)
