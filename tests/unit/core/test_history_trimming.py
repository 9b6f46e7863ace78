from __future__ import annotations

import pytest

from node.core import history_trimming
from node.core.anti_entropy import AntiEntropyLimits
from node.core.control import MemberChange
from node.core.effects import Publish
from node.core.events import Confirmed, PublisherUp, Tick
from node.core.members import MemberLimits
from node.core.replica import ReplicaLimits
from tests.unit.core.builders import Bench, clock, only, put, told, write

MEMBERS = MemberLimits(alive_ms=5_000, away_ms=60_000)


def _bench(founding: str = "a b", keep_writes: int = 0, max_writes: int = 1_000_000) -> Bench:
    upkeep = AntiEntropyLimits(history_keep_writes=keep_writes, history_max_writes=max_writes, members=MEMBERS)
    return Bench("a", ReplicaLimits(anti_entropy=upkeep), founding=founding.split())


def _write(bench: Bench, writes: int, *, confirmed: int) -> None:
    """Make own writes, of which the first ``confirmed`` are confirmed."""
    bench.step(PublisherUp())
    for number in range(writes):
        (sent,) = only(bench.write(put("x", str(number))), Publish)
        if number < confirmed:
            bench.step(Confirmed([sent.publish_id]))


def _receive(bench: Bench, writes: int, origin: str = "b") -> None:
    bench.receive(*(write(f"{origin}:{seq}") for seq in range(1, writes + 1)))


def _kept(bench: Bench, origin: str) -> list[int]:
    return [dot.seq for dot in bench.disk.kept if dot.replica == origin]


def _rest(bench: Bench) -> None:
    """Nothing comes for a while: what is forgotten at the first tick is taken off the disk at the next ones."""
    for _ in range(6):
        bench.tick()


def test_what_every_member_has_applied_is_forgotten() -> None:
    """And is told to be: nobody may ask for it any more."""
    bench = _bench()
    _receive(bench, 5)
    bench.hear(told("b", "b=3"))
    _rest(bench)
    assert _kept(bench, "b") == [4, 5]
    assert bench.disk.trimmed == bench.replica.anti_entropy.trimming.trimmed == clock("b=3")


def test_nothing_is_forgotten_that_a_member_has_not_said_to_have() -> None:
    """The one that was never heard may lack all of it."""
    bench = _bench("a b c")
    _receive(bench, 5)
    bench.hear(told("b", "b=5"))
    _rest(bench)
    assert _kept(bench, "b") == [1, 2, 3, 4, 5]


def test_own_writes_that_are_not_confirmed_are_kept() -> None:
    """History is the outbox: what is not published stays, whoever has it."""
    bench = _bench()
    _write(bench, 5, confirmed=2)
    bench.hear(told("b", "a=5"))
    _rest(bench)
    assert _kept(bench, "a") == [3, 4, 5]


def test_unpublished_writes_of_a_former_incarnation_are_kept() -> None:
    """They are as much the node's own as the new ones."""
    bench = _bench()
    _write(bench, 3, confirmed=1)
    bench.receive(write("a:4"))
    bench.hear(told("b", "a=4"))
    _rest(bench)
    assert _kept(bench, "a") == [2, 3, 4]


def test_a_former_line_that_was_trimmed_is_published_on_after_a_restart() -> None:
    """How far it is confirmed is not saved with each confirmation; what is forgotten is confirmed in any case."""
    bench = _bench()
    _write(bench, 3, confirmed=0)
    bench.receive(write("a:4"))
    assert bench.disk.former == (("a", 0, 3),)
    bench.step(Confirmed([1]))
    bench.hear(told("b", "a=4"))
    _rest(bench)
    assert _kept(bench, "a") == [2, 3, 4]
    bench.restart()
    assert [pack.first_seq for pack in only(bench.step(PublisherUp()), Publish)] == [2]


def test_the_most_recent_stable_writes_are_kept_all_the_same() -> None:
    """Of each replica so many, for those who want to see what happened."""
    bench = _bench(keep_writes=2)
    _receive(bench, 5)
    bench.hear(told("b", "b=4"))
    _rest(bench)
    assert _kept(bench, "b") == [3, 4, 5]


def test_a_member_that_is_away_for_too_long_holds_nothing_back() -> None:
    """It comes back by a snapshot."""
    bench = _bench("a b c")
    _receive(bench, 5)
    bench.hear(told("c", "b=1"))
    bench.tick(MEMBERS.away_ms - 1)
    bench.hear(told("b", "b=5"))
    _rest(bench)
    assert _kept(bench, "b") == [2, 3, 4, 5]
    bench.tick(1)
    _rest(bench)
    assert _kept(bench, "b") == []


def test_a_removed_member_holds_nothing_back() -> None:
    """Nobody waits for it."""
    bench = _bench("a b c")
    _receive(bench, 5)
    bench.hear(told("b", "b=5", changes=(MemberChange("c", 10, is_member=False),)))
    _rest(bench)
    assert _kept(bench, "b") == []


def test_alone_a_node_keeps_nothing_but_what_is_not_published() -> None:
    """There is nobody who could miss it."""
    bench = _bench("a")
    _write(bench, 3, confirmed=2)
    _rest(bench)
    assert _kept(bench, "a") == [3]


def test_beyond_the_size_limit_a_member_that_is_not_alive_holds_nothing_back() -> None:
    """Up to the limit it does; who is alive always does."""
    bench = _bench("a b c", max_writes=5)
    _receive(bench, 5)
    bench.hear(told("c", "b=1"))
    bench.tick(MEMBERS.alive_ms)
    bench.hear(told("b", "b=3"))
    _rest(bench)
    assert _kept(bench, "b") == [2, 3, 4, 5]
    bench.receive(write("b:6"), write("b:7"))
    _rest(bench)
    assert _kept(bench, "b") == [4, 5, 6, 7]


@pytest.fixture
def small_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three writes at a time, and as many as came; under load from a backlog of ten on, and at most eight."""
    monkeypatch.setattr(history_trimming, "FIRST_SWEEP_WRITES", 3)
    monkeypatch.setattr(history_trimming, "SWEEP_WRITES", 3)
    monkeypatch.setattr(history_trimming, "BUSY_BACKLOG_WRITES", 10)
    monkeypatch.setattr(history_trimming, "SWEEP_MAX_WRITES", 8)


def _stable(bench: Bench, writes: int) -> None:
    """The first writes of b are here, and everybody has them."""
    first = bench.replica.clock["b"] + 1
    bench.receive(*(write(f"b:{seq}") for seq in range(first, writes + 1)))
    bench.hear(told("b", f"b={writes}"))


@pytest.mark.usefixtures("small_sweeps")
def test_the_disk_is_swept_a_little_with_each_tick() -> None:
    """Nobody may ask for it from the first one on; but a transaction stays short."""
    bench = _bench()
    _stable(bench, 5)
    bench.tick()
    assert bench.disk.trimmed == clock("b=5")
    assert _kept(bench, "b") == [1, 2, 3, 4, 5]
    bench.tick()
    assert _kept(bench, "b") == [4, 5]
    bench.tick()
    assert _kept(bench, "b") == []


def test_the_first_sweep_is_small_and_the_next_ones_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a start and after a commit that failed: a full store has room for little, which makes room for more."""
    monkeypatch.setattr(history_trimming, "FIRST_SWEEP_WRITES", 1)
    monkeypatch.setattr(history_trimming, "SWEEP_WRITES", 4)
    bench = _bench()
    _stable(bench, 20)
    bench.tick()
    kept = []
    for _ in range(5):
        bench.tick()
        kept.append(len(bench.disk.kept))
    assert kept == [19, 17, 13, 9, 5]
    bench.fail(Tick(0, 0))
    bench.tick()
    assert len(bench.disk.kept) == 4


@pytest.mark.usefixtures("small_sweeps")
def test_other_transactions_sweep_nothing() -> None:
    """Deleting needs room: in a full store, what the broker confirms could never be taken note of."""
    bench = _bench()
    _stable(bench, 9)
    for _ in range(2):
        bench.tick()
    kept = _kept(bench, "b")
    assert kept == [4, 5, 6, 7, 8, 9]
    bench.step(PublisherUp())
    bench.step(Confirmed([]))
    bench.hear(told("b", "b=9"))
    bench.receive(write("c:1"))
    assert _kept(bench, "b") == kept


@pytest.mark.usefixtures("small_sweeps")
def test_sweeping_waits_for_a_pause_in_the_load() -> None:
    """Deleting costs what writing costs: it is done when nothing came since the last tick."""
    bench = _bench()
    _stable(bench, 8)
    for seq in range(1, 4):
        bench.tick()
        bench.receive(write(f"c:{seq}"))
    assert _kept(bench, "b") == [1, 2, 3, 4, 5, 6, 7, 8]
    bench.tick()
    bench.tick()
    assert _kept(bench, "b") == [4, 5, 6, 7, 8]


@pytest.mark.usefixtures("small_sweeps")
def test_a_backlog_that_grows_too_large_is_swept_under_load() -> None:
    """More of it than what came meanwhile, so that it shrinks; but no more than a short transaction can hold."""
    bench = _bench()
    _stable(bench, 20)
    bench.tick()
    bench.receive(write("c:1"))
    bench.tick()
    assert _kept(bench, "b") == list(range(5, 21))
    bench.receive(*(write(f"c:{seq}") for seq in range(2, 12)))
    bench.tick()
    assert _kept(bench, "b") == list(range(13, 21))
    bench.receive(write("c:12"))
    bench.tick()
    assert _kept(bench, "b") == list(range(13, 21))


@pytest.mark.usefixtures("small_sweeps")
def test_sweeping_goes_on_after_a_restart() -> None:
    """What is forgotten must not stay on the disk for ever."""
    bench = _bench()
    _stable(bench, 4)
    bench.tick()
    bench.tick()
    assert len(bench.disk.kept) == 1
    bench.restart()
    bench.tick()
    assert bench.disk.kept == {}


@pytest.mark.usefixtures("small_sweeps")
def test_under_a_steady_load_history_levels_off() -> None:
    """However long it goes on, no more is kept than what is recent, what is on its way, and the backlog's limit."""
    bench = _bench(keep_writes=3)
    sizes = []
    for seq in range(1, 200):
        _stable(bench, seq)
        bench.tick()
        sizes.append(len(bench.disk.kept))
    assert 3 < max(sizes) <= 3 + 10
    _rest(bench)
    for _ in range(4):
        bench.tick()
    assert len(bench.disk.kept) == 3
