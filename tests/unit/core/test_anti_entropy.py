"""Clocks told, heard and waited for, and who is a member, through ``Replica.step``."""

from __future__ import annotations

import pytest

from node.core.anti_entropy import AntiEntropyLimits
from node.core.control import ClockTold, MemberChange
from node.core.dot import Dot
from node.core.effects import (
    Distrusted,
    IncarnationTaken,
    MembersChanged,
    PeerTold,
    Publish,
    RemovalAnswered,
    Tell,
    TwinSeen,
)
from node.core.events import AskEverybody, Confirmed, ControlUp, Heard, PublisherUp, Received, RemoveMember, Tick
from node.core.replica import ReplicaLimits
from tests.unit.core.builders import Bench, clock, only, put, told, write

FOUNDING = ("a", "b", "c")


def _told_by(bench: Bench, *, after_ms: int) -> list[tuple[str | None, ClockTold]]:
    tells = only(bench.tick(after_ms), Tell)
    return [(tell.target, tell.message) for tell in tells if isinstance(tell.message, ClockTold)]


# ---------------------------------------------------------------------------------------- telling


def test_a_replica_tells_its_clock_once_a_second_to_everybody() -> None:
    """However often time passes."""
    bench = Bench("a", founding=FOUNDING)
    times = [len(_told_by(bench, after_ms=250)) for _ in range(9)]
    assert times == [1, 0, 0, 0, 1, 0, 0, 0, 1]


def test_what_is_told_is_what_is_applied_and_kept() -> None:
    """With the process that tells it, its address, its wall clock, and the changes of membership."""
    bench = Bench("a", founding=FOUNDING)
    bench.write(put("x", "5"))
    removal = MemberChange("c", 10, is_member=False)
    bench.hear(told("b", changes=(removal,)))
    assert _told_by(bench, after_ms=70) == [
        (None, ClockTold("a", bench.session, clock("a=1"), clock(), (removal,), "http://a", 70))
    ]


def test_when_control_messages_pass_again_everybody_is_asked_for_its_clock() -> None:
    """A node that comes back learns at once what it lacks."""
    bench = Bench("a")
    (tell,) = only(bench.step(ControlUp()), Tell)
    assert tell.target is None
    assert isinstance(tell.message, ClockTold)
    assert tell.message.asks == clock()


def test_a_write_that_must_be_everywhere_is_asked_for_at_once() -> None:
    """Nobody waits for the next tick."""
    bench = Bench("a")
    bench.write(put("x", "5"))
    (tell,) = only(bench.step(AskEverybody(Dot(bench.replica.replica, 1), 70)), Tell)
    assert isinstance(tell.message, ClockTold)
    assert (tell.target, tell.message.asks, tell.message.wall_ms) == (None, clock("a=1"), 70)


def test_who_asks_is_answered_at_once_when_all_is_applied() -> None:
    """It alone."""
    bench = Bench("a")
    bench.receive(write("b:1"))
    assert [tell.target for tell in only(bench.hear(told("b", "b=1", asks="b=1")), Tell)] == ["b"]
    assert [tell.target for tell in only(bench.hear(told("c", "b=1", asks="")), Tell)] == ["c"]


def test_who_asks_for_what_is_not_here_yet_is_answered_when_it_is_applied() -> None:
    """In the very transaction, once, and only who waits for no more than that."""
    bench = Bench("a")
    assert only(bench.hear(told("b", asks="b=1")), Tell) == []
    assert only(bench.hear(told("c", asks="b=2")), Tell) == []
    (answer,) = only(bench.receive(write("b:1")), Tell)
    assert answer.target == "b"
    assert isinstance(answer.message, ClockTold)
    assert answer.message.clock == clock("b=1")
    assert [tell.target for tell in only(bench.receive(write("b:2")), Tell)] == ["c"]
    assert only(bench.receive(write("b:3")), Tell) == []


def test_those_who_wait_for_an_answer_are_bounded() -> None:
    """Those beyond learn it from the next clock that is told to everybody."""
    bench = Bench("a", ReplicaLimits(anti_entropy=AntiEntropyLimits(awaiting_max=2)))
    for node in "bcd":
        bench.hear(told(node, asks="e=1"))
    assert [tell.target for tell in only(bench.receive(write("e:1")), Tell)] == ["b", "c"]


def test_nobody_waits_for_an_answer_for_ever() -> None:
    """What was asked for may never come, and those who ask next need the room."""
    limits = AntiEntropyLimits(awaiting_max=1, awaiting_ms=60_000)
    bench = Bench("a", ReplicaLimits(anti_entropy=limits))
    bench.hear(told("b", asks="never=1"))
    bench.tick(59_999)
    bench.hear(told("c", asks="e=1"))
    bench.tick(1)
    bench.hear(told("d", asks="e=1"))
    assert [tell.target for tell in only(bench.receive(write("e:1")), Tell)] == ["d"]


def test_who_waits_is_answered_although_the_position_was_saved_in_between() -> None:
    """A tick in the same transaction saves it."""
    bench = Bench("a")
    bench.step(PublisherUp())
    (sent,) = only(bench.write(put("x", "5")), Publish)
    bench.hear(told("b", asks="b=1"))
    effects = bench.step(Received("delivery", [write("b:1")], 0), Confirmed([sent.publish_id]), Tick(0, 0))
    assert "b" in [tell.target for tell in only(effects, Tell)]


# ---------------------------------------------------------------------------------------- hearing


def test_a_clock_that_is_heard_is_known_of_its_node() -> None:
    """And somebody may be waiting for it."""
    bench = Bench("a", founding=FOUNDING)
    assert bench.hear(told("b", "b=3")) == [PeerTold("b")]
    assert bench.replica.members.peers["b"].clock == clock("b=3")


def test_a_clock_that_names_too_many_replicas_is_not_believed() -> None:
    """What its members made up would end up in requests, and in the end in this replica's own clock."""
    bench = Bench("a", ReplicaLimits(clock_max_entries=2), founding=FOUNDING)
    (distrusted,) = bench.hear(told("b", "b=1 c=1 d=1"))
    assert isinstance(distrusted, Distrusted)
    assert distrusted.sender == "b"
    assert bench.replica.members.peers == {}


def test_own_messages_that_come_back_mean_nothing() -> None:
    """Everybody hears everything that is told to everybody."""
    bench = Bench("a")
    assert bench.hear(told("a", "a=7", session=bench.session)) == []
    assert bench.replica.replica == "a"


def test_another_process_under_the_same_name_is_seen_and_left_the_name() -> None:
    """Both take another one, for both hear each other: no dot is used twice."""
    bench = Bench("a")
    effects = bench.hear(told("a", session="of the other one"))
    assert effects[0] == TwinSeen("a")
    (taken,) = only(effects, IncarnationTaken)
    assert (taken.former, bench.replica.replica) == ("a", taken.replica)
    (tell,) = only(effects, Tell)
    assert tell.message.sender == taken.replica


def test_another_process_under_the_same_node_id_is_seen() -> None:
    """On a data directory of its own it has a name of its own: both may go on, and an operator is told."""
    bench = Bench("a~1")
    assert bench.hear(told("a~2", session="of the other one")) == [TwinSeen("a~2")]
    assert bench.replica.replica == "a~1"


# ---------------------------------------------------------------------------------------- members


def test_a_node_that_joins_is_a_member_and_saved_as_such() -> None:
    """In the transaction in which it is heard of; the caller declares its queue."""
    bench = Bench("a", founding=FOUNDING)
    (changed,) = only(bench.hear(told("d")), MembersChanged)
    assert changed == MembersChanged(["a", "b", "c", "d"])
    bench.restart()
    assert bench.replica.members.nodes == ["a", "b", "c", "d"]


def test_what_is_learned_of_members_is_saved_now_and_then() -> None:
    """How long each was silent must survive a restart."""
    bench = Bench("a", founding=FOUNDING)
    bench.tick(59_999)
    assert not bench.disk.members
    bench.tick(1)
    assert {(saved.node, saved.silent_ms) for saved in bench.disk.members} == {("a", 0), ("b", 60_000), ("c", 60_000)}


def _remove(node: str, *, forced: bool = False, wall_ms: int = 50) -> RemoveMember:
    return RemoveMember("request", node, forced, 0, wall_ms)


def test_a_removed_node_is_out_for_good_and_everybody_is_told() -> None:
    """At once; and the node itself, should it live, learns it like everybody."""
    bench = Bench("a", founding=FOUNDING)
    changed, answered, tell = bench.step(_remove("c"))
    assert changed == MembersChanged(["a", "b"], "c")
    assert answered == RemovalAnswered("request", None)
    assert isinstance(tell, Tell)
    assert isinstance(tell.message, ClockTold)
    assert (tell.target, tell.message.changes) == (None, (MemberChange("c", 50, is_member=False),))
    bench.restart()
    assert bench.replica.members.nodes == ["a", "b"]


@pytest.mark.parametrize(
    ("node", "reason"), [("a", "cannot remove itself"), ("d", "is no member"), ("b", "b is alive")]
)
def test_a_removal_that_cannot_be_meant_is_refused(node: str, reason: str) -> None:
    """Oneself, somebody unknown, somebody who is alive: with the reason, and nothing changes."""
    bench = Bench("a", founding=FOUNDING)
    bench.hear(told("b"))
    (answered,) = bench.step(_remove(node))
    assert isinstance(answered, RemovalAnswered)
    assert reason in (answered.refusal or "")
    assert bench.replica.members.nodes == ["a", "b", "c"]


def test_a_living_node_is_removed_by_force() -> None:
    """An operator may know better."""
    bench = Bench("a", founding=FOUNDING)
    bench.hear(told("b"))
    assert only(bench.step(_remove("b", forced=True)), RemovalAnswered) == [RemovalAnswered("request", None)]
    assert bench.replica.members.nodes == ["a", "c"]


def test_a_removal_holds_against_a_wall_clock_that_is_behind() -> None:
    """It is later than what it changes, whatever the clocks say."""
    bench = Bench("a", founding=FOUNDING)
    bench.hear(told("b", changes=(MemberChange("d", 9_000, is_member=True),)))
    bench.step(_remove("d", wall_ms=50))
    assert bench.replica.members.nodes == ["a", "b", "c"]


def test_a_node_with_a_new_data_directory_joins_although_its_predecessor_was_removed() -> None:
    """It learns of the removal, and says that it is there; all others learn that from it."""
    bench, other = Bench("c", founding=FOUNDING, is_new=True), Bench("a", founding=FOUNDING)
    removal = MemberChange("c", 50, is_member=False)
    other.hear(told("b", changes=(removal,)))
    (changed,) = only(bench.hear(told("a", changes=(removal,))), MembersChanged)
    assert "c" in changed.nodes
    ((_, said),) = _told_by(bench, after_ms=0)
    other.hear(said)
    assert "c" in other.replica.members.nodes


def test_a_removed_node_that_comes_back_as_it_was_stays_out() -> None:
    """Its queue is gone; an operator took it out on purpose."""
    bench = Bench("c", founding=FOUNDING, is_new=False)
    bench.hear(told("a", changes=(MemberChange("c", 50, is_member=False),)))
    assert bench.replica.members.nodes == ["a", "b"]


# --------------------------------------------------------------------- a commit that fails


def test_a_change_of_members_that_was_not_saved_is_learned_again() -> None:
    """Its effects were not carried out: they must come with the event when it is given again."""
    bench = Bench("a", founding=FOUNDING)
    joins = Heard(told("d"), 0, 0)
    bench.fail(joins)
    assert "d" not in bench.replica.members.nodes
    assert only(bench.step(joins), MembersChanged) == [MembersChanged(["a", "b", "c", "d"])]


def test_a_removal_that_was_not_saved_can_be_made_again() -> None:
    """The first attempt was answered with the failure."""
    bench = Bench("a", founding=FOUNDING)
    bench.fail(_remove("c"))
    assert only(bench.step(_remove("c")), RemovalAnswered) == [RemovalAnswered("request", None)]


def test_what_peers_told_is_still_known_after_a_commit_that_failed() -> None:
    """It was true, and stays so: nobody counts as silent because a disk was full."""
    bench = Bench("a", founding=FOUNDING)
    bench.now_ms = 4_000
    bench.hear(told("b", "b=3"))
    bench.fail()
    assert bench.replica.members.peers["b"].clock == clock("b=3")
    assert bench.replica.members.is_alive("b", 8_000)
