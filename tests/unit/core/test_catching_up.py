"""Repair and snapshots as a whole: replicas that talk until nothing is missing."""

from __future__ import annotations

from node.core.anti_entropy import AntiEntropyLimits
from node.core.control import ClockTold, RepairGiven, RepairWanted, SnapshotGiven, SnapshotWanted
from node.core.effects import (
    Applied,
    Distrusted,
    GiveRepair,
    RepairAsked,
    Repaired,
    SnapshotAdopted,
    SnapshotBegun,
    SnapshotRefused,
    SnapshotStaged,
    Tell,
)
from node.core.hybrid_clock import HybridTimestamp
from node.core.repair import RepairLimits
from node.core.replica import ReplicaLimits
from node.core.vector_clock import SequenceRange
from node.core.write import Write
from tests.unit.core.builders import Bench, clock, dot, only, put, told, write
from tests.unit.core.exchange import Exchange

FOUNDING = ("a", "b", "c")


def _bench(replica: str, **repair: int) -> Bench:
    upkeep = AntiEntropyLimits(history_keep_writes=0, repair=RepairLimits(**repair))
    return Bench(replica, ReplicaLimits(anti_entropy=upkeep), founding=FOUNDING)


def _writes(replica: str, count: int, first: int = 1) -> list[Write]:
    return [write(f"{replica}:{seq}", put(f"{replica}{seq}", "v")) for seq in range(first, first + count)]


# -------------------------------------------------------------------------------- repair: asking


def test_missing_writes_are_asked_for_named_and_given() -> None:
    """The effects say which were missing and who gave them; each is given once."""
    here, there = _bench("a"), _bench("b")
    there.receive(*_writes("c", 3))
    here.receive(*_writes("c", 1, first=2))
    exchange = Exchange(here, there)
    exchange.pass_time(4_000)
    (asked,), (repaired,) = only(exchange.effects["a"], RepairAsked), only(exchange.effects["a"], Repaired)
    assert (asked.peer, asked.wanted.origin, asked.wanted.ranges) == ("b", "c", ((1, 1), (3, 3)))
    assert repaired == ("b", "c", [1, 3])
    assert exchange.writes_given == [dot("c:1"), dot("c:3")]
    assert here.disk.fingerprint() == there.disk.fingerprint()
    assert here.disk.held == {}


def test_an_idle_cluster_exchanges_clocks_and_nothing_else() -> None:
    """Repairs stop when there is nothing left to repair."""
    here, there = _bench("a"), _bench("b")
    there.receive(*_writes("c", 3))
    exchange = Exchange(here, there)
    exchange.pass_time(4_000)
    exchange.sent.clear()
    exchange.pass_time(60_000)
    assert {type(message) for message in exchange.sent} == {ClockTold}
    assert len(exchange.sent) == 2 * 60


def test_a_long_gap_closes_answer_by_answer_without_pauses() -> None:
    """Each answer is bounded; the next part is asked for at once."""
    here, there = _bench("a", request_max_writes=10), _bench("b")
    there.receive(*_writes("c", 95))
    exchange = Exchange(here, there)
    exchange.pass_time(3_500)
    assert here.replica.clock == clock("c=95")
    assert exchange.writes_given == [dot(f"c:{seq}") for seq in range(1, 96)]
    assert len(only(exchange.effects["a"], RepairAsked)) == 10


def test_what_the_asked_peer_cannot_give_another_one_gives() -> None:
    """Its messages get lost; nothing needs a person."""
    here, silent, helpful = _bench("a"), _bench("b"), _bench("c")
    for bench in (silent, helpful):
        bench.receive(*_writes("d", 2))
    exchange = Exchange(here, silent, helpful)
    exchange.pass_time(1_000)
    exchange.is_lost.add("b")
    exchange.pass_time(5_000)
    assert [asked.peer for asked in only(exchange.effects["a"], RepairAsked)] == ["b", "c"]
    assert here.replica.clock == clock("d=2")


def test_writes_that_nobody_asked_for_are_not_applied() -> None:
    """Whoever sends them is named."""
    here = _bench("a")
    (distrusted,) = here.hear(RepairGiven("b", "guessed", "c", tuple(_writes("c", 1))))
    assert isinstance(distrusted, Distrusted)
    assert distrusted.sender == "b"
    assert here.replica.clock == clock()


# -------------------------------------------------------------------------------- repair: giving


def _give(bench: Bench, *ranges: tuple[int, int], origin: str = "c") -> list[int]:
    wanted = RepairWanted("d", "request", origin, tuple(SequenceRange(*each) for each in ranges))
    given = only(bench.hear(wanted), GiveRepair)
    assert all((each.target, each.wanted) == ("d", wanted) for each in given)
    return [entry.dot.seq for each in given for entry in each.entries if isinstance(entry, Write)]


def test_exactly_what_was_asked_for_is_given() -> None:
    """As far as it is here."""
    there = _bench("b")
    there.receive(*_writes("c", 9))
    assert _give(there, (2, 3), (5, 5), (8, 9)) == [2, 3, 5, 8, 9]
    assert _give(there, (8, 20)) == [8, 9]
    assert _give(there, (10, 20)) == _give(there, (1, 9), origin="e") == []


def test_an_answer_is_bounded_in_writes_and_bytes() -> None:
    """Whatever was asked for: the rest is asked for again."""
    few, small = _bench("b", request_max_writes=4), _bench("b", answer_max_bytes=20)
    for bench in (few, small):
        bench.receive(*_writes("c", 9))
    assert _give(few, (1, 3), (5, 9)) == [1, 2, 3, 5]
    assert _give(few, *[(1, 1)] * 100) == [1] * 4
    assert _give(small, (1, 9)) == [1, 2, 3, 4]


def test_what_is_forgotten_is_not_given() -> None:
    """Nor is what follows it in the request: an answer has no holes that its reader does not know of."""
    there = _bench("b")
    there.receive(*_writes("c", 9))
    for node in ("a", "c"):
        there.hear(told(node, "c=4"))
    there.tick()
    assert there.disk.trimmed == clock("c=4")
    assert _give(there, (4, 6)) == _give(there, (1, 2), (5, 6)) == []
    assert _give(there, (5, 6)) == [5, 6]


def test_requests_that_make_no_sense_are_not_answered() -> None:
    """Numbers below one, and ranges that run backwards."""
    there = _bench("b")
    there.receive(*_writes("c", 9))
    assert _give(there, (0, 3)) == _give(there, (-5, 2)) == _give(there, (5, 4)) == []


# ------------------------------------------------------------------------------------- snapshots


def _trimmed(replica: str, others: str, *writes: Write) -> Bench:
    """A replica that has these writes and keeps no history of them."""
    bench = _bench(replica)
    bench.receive(*writes)
    for node in others:
        bench.hear(told(node, str(bench.replica.clock).replace(",", " ")))
    bench.tick()
    assert bench.disk.trimmed == bench.replica.clock
    return bench


def test_when_history_no_longer_reaches_back_the_state_is_taken() -> None:
    """Part by part, then merged in one step; progress and end are told."""
    here, there = _bench("a"), _trimmed("b", "ac", *_writes("d", 5))
    exchange = Exchange(here, there)
    exchange.pass_time(4_000)
    mine = exchange.effects["a"]
    assert only(mine, SnapshotBegun) == [SnapshotBegun("b")]
    assert only(mine, SnapshotStaged) == [("b", 1, 2), ("b", 2, 4)]
    assert only(mine, SnapshotAdopted) == [("b", 5, clock("d=5"))]
    assert here.disk.fingerprint() == there.disk.fingerprint()
    assert exchange.writes_given == []


def test_own_writes_and_what_came_meanwhile_survive_a_snapshot() -> None:
    """The snapshot is merged: it replaces nothing that its giver did not know."""
    here, there = _bench("a"), _trimmed("b", "ac", *_writes("d", 2))
    here.write(put("mine", "unpublished"))
    here.receive(*_writes("e", 1))
    exchange = Exchange(here, there)
    exchange.pass_time(4_000)
    assert [here.values(key) for key in ("mine", "d2", "e1")] == [["unpublished"], ["v"], ["v"]]
    assert here.replica.clock == clock("a=1 d=2 e=1")
    assert here.replica.outbox_writes == 1


def test_what_the_snapshot_deleted_is_gone() -> None:
    """A delete leaves no tombstone; the clock is enough."""
    old = write("c:1", put("x", "old"))
    here, there = _bench("a"), _trimmed("b", "ac", old, *_writes("d", 1), write("c:2", put("y", "new"), after="d=1"))
    here.receive(old)
    there.disk.set_versions("x", ())
    Exchange(here, there).pass_time(4_000)
    assert (here.values("x"), here.values("y")) == ([], ["new"])


def test_held_writes_are_let_through_by_a_snapshot() -> None:
    """They waited for what came with it."""
    here, there = _bench("a"), _trimmed("b", "ac", *_writes("d", 2))
    here.receive(write("c:1", put("x", "held"), after="d=2"))
    exchange = Exchange(here, there)
    exchange.pass_time(4_000)
    assert [applied.write.dot for applied in only(exchange.effects["a"], Applied)] == [dot("c:1")]
    assert here.values("x") == ["held"]


def test_of_what_came_as_state_no_history_is_given() -> None:
    """There is none; whoever asks is told so by the clock."""
    here, there = _bench("a"), _trimmed("b", "ac", *_writes("d", 2))
    exchange = Exchange(here, there)
    exchange.pass_time(4_000)
    assert here.disk.trimmed == clock("d=2")
    assert _give(here, (1, 2), origin="d") == []
    exchange.sent.clear()
    exchange.pass_time(2_000)
    last = [message for message in exchange.sent if isinstance(message, ClockTold) and message.sender == "a"][-1]
    assert (last.clock, last.trimmed) == (clock("d=2"), clock("d=2"))


def _asking_for_a_snapshot(*peers: str) -> tuple[Bench, SnapshotWanted]:
    here = _bench("a")
    for node in peers:
        here.hear(told(node, "d=2", trimmed="d=2"))
    here.tick()
    return here, _wanted(here, 2_000)


def _wanted(here: Bench, after_ms: int) -> SnapshotWanted:
    tells = only(here.tick(after_ms), Tell)
    (wanted,) = [tell.message for tell in tells if isinstance(tell.message, SnapshotWanted)]
    return wanted


def _given(wanted: SnapshotWanted, knows: str, *, part: int = 0) -> SnapshotGiven:
    return SnapshotGiven("b", wanted.request, part, clock(knows), HybridTimestamp(1_000, 0), (), is_last=True)


def test_a_snapshot_that_cannot_be_true_is_refused_and_asked_for_elsewhere() -> None:
    """Nothing of it is used; the next one comes from another peer, after a pause."""
    here, wanted = _asking_for_a_snapshot("b", "c")
    flawed = _given(wanted, "d=2")._replace(entries=(("x", ()),))
    (refused,) = here.hear(flawed)
    assert isinstance(refused, SnapshotRefused)
    assert (refused.peer, refused.reason) == ("b", "key 'x': no version")
    assert here.replica.clock == clock()
    effects = here.tick(2_000)
    assert only(effects, SnapshotBegun) == [SnapshotBegun("c")]


def test_a_snapshot_whose_clock_names_too_many_replicas_is_refused() -> None:
    """Adopting it would end this replica's own replication: peers refuse larger clocks."""
    here, wanted = _asking_for_a_snapshot("b")
    names = " ".join(f"r{number}=1" for number in range(2_000))
    (refused,) = only(here.hear(_given(wanted, names)), SnapshotRefused)
    assert "too many replicas" in refused.reason


def test_parts_that_nobody_asked_for_are_dropped() -> None:
    """Made up, late, or of another request."""
    here, wanted = _asking_for_a_snapshot("b")
    for part in (_given(wanted, "d=2", part=1), _given(wanted._replace(request="guessed"), "d=2")):
        assert only(here.hear(part), Distrusted)
    assert here.replica.clock == clock()


def test_a_reader_sees_nothing_of_a_snapshot_before_all_of_it_is_there() -> None:
    """Half a snapshot is no state that ever was."""
    here, wanted = _asking_for_a_snapshot("b")
    (key, versions), *_ = _trimmed("b", "ac", *_writes("d", 1)).disk.values.items()
    first = _given(wanted, "d=2")._replace(entries=((key, versions),), is_last=False)
    (staged, asked) = here.hear(first)
    assert (staged, asked) == (SnapshotStaged("b", 1, 1), Tell("b", wanted._replace(part=1)))
    assert here.disk.values == {}
    assert here.replica.clock == clock()
    here.hear(_given(wanted, "d=2", part=1))
    assert here.disk.values == {key: versions}


def test_while_a_snapshot_is_on_its_way_no_writes_are_asked_for() -> None:
    """What is missing comes with it."""
    here, _ = _asking_for_a_snapshot("b")
    here.hear(told("c", "e=1"))
    assert only(here.tick(2_500), RepairAsked) == []


def test_a_snapshot_is_begun_anew_after_a_restart() -> None:
    """What was staged before is replaced by the first part."""
    here, wanted = _asking_for_a_snapshot("b")
    version = _trimmed("b", "ac", *_writes("d", 1)).disk.values["d1"]
    here.hear(_given(wanted, "d=2")._replace(entries=(("stale", version),), is_last=False))
    here.restart()
    here.hear(told("b", "d=2", trimmed="d=2"))
    here.tick()
    again = _wanted(here, 2_000)
    assert (again.part, again.request != wanted.request) == (0, True)
    here.hear(_given(again, "d=2")._replace(entries=(("fresh", version),)))
    assert list(here.disk.values) == ["fresh"]


def test_a_snapshot_that_shows_unknown_own_writes_means_another_name() -> None:
    """The disk is an old copy: what it wrote before comes back, and no dot is used twice."""
    here, wanted = _asking_for_a_snapshot("b")
    here.hear(_given(wanted, "d=2 a=4"))
    assert here.replica.replica != "a"
    assert here.replica.clock == clock("d=2 a=4")
