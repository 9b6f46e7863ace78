"""Who ends the time of a version, when, and what becomes of what is kept in mind of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.core.control import SnapshotGiven
from node.core.effects import Accepted
from node.core.events import LocalWrite, Tick
from node.core.expiry import ExpiryLimits
from node.core.hybrid_clock import HybridTimestamp
from node.core.local_writes import LocalWriteLimits
from node.core.replica import ReplicaLimits
from node.core.versions import Version
from node.core.write import Expire, Put
from tests.unit.core.builders import Bench, clock, dot, only, put, told, write
from tests.unit.core.exchange import Exchange

if TYPE_CHECKING:
    from node.core.effects import Effect

ENDS = Put("x", b'"1"', 500)
GRACE_MS = 10_000


def _limits(expiry: ExpiryLimits | None = None, outbox_max_writes: int = 1_000) -> ReplicaLimits:
    return ReplicaLimits(local_writes=LocalWriteLimits(outbox_max_writes, expiry=expiry or ExpiryLimits()))


def _ended(effects: list[Effect]) -> list[list[Expire]]:
    """The expiries among the writes that nobody asked for, write by write."""
    own = [effect.write for effect in only(effects, Accepted) if effect.request is None]
    return [[operation for operation in made.operations if isinstance(operation, Expire)] for made in own]


def _alive(bench: Bench, *names: str) -> None:
    for name in names:
        bench.hear(told(name))


# --------------------------------------------------------------------------------------- own versions


def test_the_node_that_took_the_put_ends_its_version_by_its_wall_clock_and_not_before() -> None:
    """By a write of its own that nobody asked for."""
    bench = Bench("a")
    bench.write(ENDS, now_ms=1_000)
    assert _ended(bench.step(Tick(0, 1_499))) == []
    assert bench.values("x") == ["1"]
    assert _ended(bench.step(Tick(0, 1_500))) == [[Expire("x", dot("a:1"))]]
    assert bench.disk.values == {}
    assert bench.disk.expiries == {}
    assert bench.replica.clock == clock("a=2")


def test_an_expiry_is_issued_once() -> None:
    """What has been seen to is kept in mind no longer."""
    bench = Bench("a")
    bench.write(ENDS)
    assert len(_ended(bench.step(Tick(0, 9_000), Tick(10, 9_010)))) == 1
    assert _ended(bench.step(Tick(20, 9_020))) == []


def test_an_expiry_survives_a_restart_and_a_failed_commit() -> None:
    """It is on the disk, and gone from there only with the write that ends the version."""
    bench = Bench("a")
    bench.write(ENDS)
    bench.fail(Tick(0, 9_000))
    assert bench.values("x") == ["1"]
    bench.restart()
    assert len(_ended(bench.step(Tick(0, 9_000)))) == 1


def test_versions_that_a_former_self_put_are_this_nodes_to_end() -> None:
    """The node is the same, whatever the name that it writes under now."""
    bench = Bench("n~old1")
    bench.write(ENDS)
    bench.disk.replica = "n~new1"
    bench.restart()
    assert _ended(bench.step(Tick(0, 9_000))) == [[Expire("x", dot("n~old1:1"))]]


def test_a_version_that_was_overwritten_is_forgotten_without_a_write() -> None:
    """There is nothing to end."""
    bench = Bench("a")
    bench.write(ENDS)
    bench.write(put("x", "for good"))
    assert _ended(bench.step(Tick(0, 9_000))) == []
    assert bench.disk.expiries == {}
    assert bench.values("x") == ["for good"]


@pytest.mark.parametrize(("last_ttl_ms", "ends_ms"), [(0, None), (5_000, 6_000), (100, 1_100)])
def test_of_several_puts_of_a_key_in_one_write_the_time_of_the_last_counts(
    last_ttl_ms: int, ends_ms: int | None
) -> None:
    """They have one dot: its name alone does not say which of the puts stands."""
    bench = Bench("a")
    bench.write(ENDS, Put("x", b'"2"', last_ttl_ms), now_ms=1_000)
    for wall_ms in (1_100, 1_500, 6_000):
        bench.step(Tick(0, wall_ms))
        assert bench.values("x") == ([] if ends_ms is not None and wall_ms >= ends_ms else ["2"])
    assert bench.disk.expiries == {}


def test_several_keys_of_one_write_end_together() -> None:
    """Each of them."""
    bench = Bench("a")
    bench.write(*(Put(key, b"1", 500) for key in "xyz"))
    assert _ended(bench.step(Tick(0, 9_000))) == [[Expire(key, dot("a:1")) for key in "xyz"]]


def test_many_at_once_end_in_writes_of_bounded_size() -> None:
    """And a bounded number of them at a tick; the next ticks go on."""
    bench = Bench("a", _limits(ExpiryLimits(look_max=5, write_max_operations=2)))
    bench.write(*(Put(f"key{number}", b"1", 500) for number in range(7)))
    assert [len(part) for part in _ended(bench.step(Tick(0, 9_000)))] == [2, 2, 1]
    bench.step(Tick(10, 9_010), Tick(20, 9_020))
    assert bench.disk.values == {}
    bench.step(Tick(30, 9_030))
    assert bench.disk.expiries == {}


def test_a_full_outbox_lets_versions_wait_and_is_never_overfilled() -> None:
    """Time is not what a node may lose writes for."""
    bench = Bench("a", _limits(ExpiryLimits(write_max_operations=1), outbox_max_writes=3))
    bench.write(ENDS, Put("y", b"1", 500), Put("z", b"1", 500))
    assert len(_ended(bench.step(Tick(0, 9_000)))) == 2
    assert bench.replica.outbox_writes == 3
    assert _ended(bench.step(Tick(10, 9_010))) == []
    assert len(bench.disk.values) == len(bench.disk.expiries) == 1


def test_no_version_ends_while_the_name_is_in_question() -> None:
    """An expiry is a write as any other, with a dot that must be new."""
    bench = Bench("a")
    bench.write(ENDS)
    asking = Bench("a", founding=("a", "b"), is_new=False, disk=bench.disk)
    assert _ended(asking.step(Tick(0, 9_000))) == []
    assert asking.values("x") == ["1"]


def test_a_wall_clock_at_the_beginning_of_time_ends_nothing() -> None:
    """As a machine without a battery has it."""
    bench = Bench("a")
    bench.write(ENDS, now_ms=1_000)
    assert _ended(bench.step(Tick(0, 0))) == []


# ------------------------------------------------------------------------------ versions of others


def test_the_versions_of_a_living_node_are_left_to_it() -> None:
    """However late it is by this node's clock."""
    bench = Bench("b", founding=("a", "b"))
    bench.receive(write("a:1", ENDS))
    _alive(bench, "a")
    assert _ended(bench.step(Tick(0, 1_000_000))) == []
    assert bench.values("x") == ["1"]


def test_the_first_living_member_ends_the_versions_of_a_node_that_stays_away() -> None:
    """After a grace, so that a node which is only late is not forestalled."""
    bench = Bench("b", founding=("a", "b", "c"))
    bench.receive(write("a:1", ENDS, ms=1_000))
    _alive(bench, "c")
    assert _ended(bench.step(Tick(2_000, 1_500 + GRACE_MS - 1))) == []
    assert _ended(bench.step(Tick(4_000, 1_500 + GRACE_MS))) == [[Expire("x", dot("a:1"))]]


def test_a_member_behind_a_living_one_leaves_it_to_that_one_until_it_is_silent_too() -> None:
    """Mostly one acts; when that one stays away as well, the next does."""
    bench = Bench("c", founding=("a", "b", "c"))
    bench.receive(write("a:1", ENDS, ms=1_000))
    _alive(bench, "b")
    assert _ended(bench.step(Tick(2_000, 1_000_000))) == []
    assert _ended(bench.step(Tick(60_000, 1_060_000))) == [[Expire("x", dot("a:1"))]]


def test_what_another_node_has_ended_is_forgotten_without_a_write() -> None:
    """Also by a member that would not be the one to act."""
    bench = Bench("c", founding=("a", "b", "c"))
    bench.receive(write("a:1", ENDS), write("a:2", Expire("x", dot("a:1")), ms=2_000))
    _alive(bench, "a", "b")
    assert _ended(bench.step(Tick(0, 1_000_000))) == []
    assert bench.disk.expiries == {}


def test_a_look_that_has_a_limit_goes_on_behind_what_it_left_to_others() -> None:
    """Or the first ones would hide the others for ever."""
    bench = Bench("c", _limits(ExpiryLimits(look_max=2)), founding=("a", "b", "c"))
    standing = [write(f"a:{seq}", Put(f"key{seq}", b"1", 500)) for seq in (1, 2, 3)]
    bench.receive(*standing, write("a:4", ENDS), write("a:5", put("x", "for good")))
    _alive(bench, "a", "b")
    for number in range(3):
        bench.step(Tick(number * 1_000, 1_000_000))
    assert {expiring.dot for expiring in bench.disk.expiries} == {made.dot for made in standing}


# --------------------------------------------------------------------------------------- snapshots


def _part(part: int, request: str, *, is_last: bool) -> SnapshotGiven:
    made = write("a:1", ENDS)
    entries = (
        ("x", (Version(made.dot, made.clock, made.timestamp, b'"1"', 1_500),)),
        ("y", (Version(dot("b:1"), clock("b=1"), HybridTimestamp(1_000, 0), b'"2"'),)),
    )
    return SnapshotGiven("b", request, part, clock("a=1 b=1"), HybridTimestamp(1_000, 0), (entries[part],), is_last)


def test_what_is_over_while_a_snapshot_comes_in_parts_ends_when_it_is_merged() -> None:
    """Its versions stand nowhere before: that says nothing of their time."""
    limits = ReplicaLimits()
    repair = limits.anti_entropy.repair._replace(snapshot_from_writes=1, after_ms=0)
    bench = Bench("a", limits._replace(anti_entropy=limits.anti_entropy._replace(repair=repair)), founding=("a", "b"))
    bench.disk.replica = "a~new"
    bench.restart()
    bench.hear(told("b", "a=1 b=1"))
    bench.tick(1)
    progress = bench.replica.anti_entropy.catch_up.snapshots
    assert progress.progress is not None, "a snapshot is asked for"
    bench.hear(_part(0, progress._request, is_last=False))
    assert _ended(bench.step(Tick(5, 9_000))) == []
    bench.hear(_part(1, progress._request, is_last=True))
    assert bench.values("x") == ["1"]
    assert _ended(bench.step(Tick(10, 9_010))) == [[Expire("x", dot("a:1"))]]


def test_all_nodes_come_to_the_same_when_two_members_end_a_version_each() -> None:
    """Neither knew of the other: the second one to arrive changes nothing."""
    benches = [Bench(name, founding=("a", "b", "c")) for name in ("b", "c")]
    made = []
    for bench in benches:
        bench.receive(write("a:1", ENDS))
        made += [effect.write for effect in only(bench.step(Tick(60_000, 1_000_000)), Accepted)]
    assert len(made) == 2
    for bench in benches:
        bench.receive(*made)
    assert benches[0].disk.fingerprint() == benches[1].disk.fingerprint()


def test_an_exchange_of_nodes_ends_a_version_once_everywhere() -> None:
    """The node that took the put lives: nobody else acts, and its write reaches the others as all do."""
    benches = [Bench(name, founding=("a", "b")) for name in ("a", "b")]
    benches[0].step(LocalWrite("request", (ENDS,), clock(), 0))
    Exchange(*benches).pass_time(60_000)
    assert [bench.replica.clock for bench in benches] == [clock("a=2")] * 2
    assert all(bench.disk.values == {} and bench.disk.expiries == {} for bench in benches)
