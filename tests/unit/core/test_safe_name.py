"""A replica that starts from a disk asks whether its name is safe before it writes, through ``Replica.step``."""

from __future__ import annotations

from node.core.control import HelloSeen, MemberChange
from node.core.dot import Dot
from node.core.effects import (
    Accepted,
    Acknowledge,
    IncarnationTaken,
    Postponed,
    Resumed,
    SayHello,
    Tell,
)
from node.core.events import Heard, HelloReceived, LocalWrite, PublisherUp, Tick
from node.core.replica import ReplicaLimits
from node.core.vector_clock import VectorClock
from tests.unit.core.builders import Bench, only, put, told, write

FOUNDING = ("a", "b", "c")
WRITE = LocalWrite("request", (put("x", "5"),), VectorClock(), 0)


def _from_disk(writes: int = 0) -> Bench:
    """A replica that has made some writes and starts again."""
    bench = Bench("a", founding=FOUNDING)
    for number in range(writes):
        bench.write(put("x", str(number)))
    bench.restart(is_new=False)
    return bench


def _answer(bench: Bench, sender: str, seen: int = 0) -> HelloSeen:
    return HelloSeen(sender, bench.session, "a", seen)


def _let_all_tell(bench: Bench) -> None:
    for sender in "bc":
        bench.hear(told(sender))


# ----------------------------------------------------------------------------------------- asking


def test_a_write_is_postponed_until_the_name_is_safe() -> None:
    """It is not refused: it is made when all members have answered that they know no more."""
    bench = _from_disk(writes=2)
    _let_all_tell(bench)
    assert bench.step(WRITE) == [Postponed(WRITE)]
    assert bench.hear(_answer(bench, "b", seen=2)) == []
    assert bench.hear(_answer(bench, "c", seen=1)) == [Resumed()]
    (accepted,) = only(bench.step(WRITE), Accepted)
    assert accepted.write.dot == ("a", 3)


def test_a_member_that_only_the_others_know_must_answer_too() -> None:
    """The disk may be older than a member's joining: the answers count once everybody has told who belongs."""
    bench = _from_disk()
    bench.hear(_answer(bench, "b"))
    assert bench.hear(_answer(bench, "c")) == []
    bench.hear(told("b", changes=(MemberChange("d", 10, is_member=True),)))
    assert Resumed() not in bench.hear(told("c"))
    assert Resumed() not in bench.hear(told("d"))
    assert bench.hear(_answer(bench, "d")) == [Resumed()]


def test_a_new_name_needs_no_question() -> None:
    """Neither is anything said, nor does a write wait."""
    bench = Bench("a", founding=FOUNDING)
    assert only(bench.step(PublisherUp()), SayHello) == []
    assert only(bench.step(WRITE), Accepted)


def test_the_question_goes_out_when_publishing_is_possible_and_is_repeated() -> None:
    """Behind everything that was published, once a second; not at all while nothing can be published."""
    bench = _from_disk()
    assert only(bench.tick(5_000), SayHello) == []
    assert only(bench.step(PublisherUp()), SayHello) == [SayHello("a", bench.session)]
    said = [len(only(bench.tick(500), SayHello)) for _ in range(5)]
    assert said == [0, 1, 0, 1, 0]


def test_answers_to_another_question_do_not_count() -> None:
    """Of a former start of this process, or about another replica."""
    bench = _from_disk()
    for sender in "bc":
        bench.hear(_answer(bench, sender)._replace(session="a former start"))
        bench.hear(_answer(bench, sender)._replace(replica="a~other"))
    assert not bench.replica.anti_entropy.naming.identity.is_sure


def test_when_a_member_knows_more_another_name_is_taken() -> None:
    """The disk is an old copy: the next number was given to another write already."""
    bench = _from_disk(writes=2)
    bench.step(WRITE)
    taken, resumed = bench.hear(_answer(bench, "b", seen=3))
    assert isinstance(taken, IncarnationTaken)
    assert "a:3 exists" in taken.reason
    assert resumed == Resumed()
    (accepted,) = only(bench.step(WRITE), Accepted)
    assert accepted.write.dot == (taken.replica, 1)


def test_when_a_member_does_not_answer_another_name_is_taken_for_a_write() -> None:
    """After the limit and not before; the reason names who is silent."""
    bench = _from_disk()
    bench.hear(_answer(bench, "b"))
    bench.step(WRITE)
    assert only(bench.tick(2_999), IncarnationTaken) == []
    effects = bench.tick(1)
    (taken,) = only(effects, IncarnationTaken)
    assert "c did not say" in taken.reason
    assert Resumed() in effects


def test_without_a_write_the_name_is_kept_however_long_the_others_are_silent() -> None:
    """A new name at each start would make clocks grow for nothing."""
    bench = _from_disk()
    assert only(bench.tick(10**9), IncarnationTaken) == []


def test_a_node_without_others_takes_another_name_for_its_first_write() -> None:
    """There is nobody to ask, and the disk alone proves nothing."""
    bench = Bench("a", founding=("a",), is_new=False)
    bench.step(WRITE)
    (taken,) = only(bench.tick(), IncarnationTaken)
    assert "nobody who could say" in taken.reason


def test_a_clock_that_shows_more_own_writes_is_as_good_as_an_answer() -> None:
    """Whenever it comes: also when the name counted as safe."""
    bench = Bench("a", founding=FOUNDING)
    (taken,) = only(bench.hear(told("b", "a=1")), IncarnationTaken)
    assert taken.former == "a"


# -------------------------------------------------------------------------------------- answering


def test_a_hello_is_answered_with_what_is_known_of_the_replica() -> None:
    """Applied, held, or named by what is held: each proves that the dot is used."""
    bench = Bench("b", founding=FOUNDING)
    bench.receive(write("a:1"), write("c:1", after="a=4"))
    tell, acknowledge = bench.step(HelloReceived("delivery", "a", "session"))
    assert tell == Tell("a", HelloSeen("b", "session", "a", 4))
    assert acknowledge == Acknowledge("delivery")


def test_who_has_not_looked_through_all_that_it_holds_does_not_answer() -> None:
    """What it has not looked at may prove that the dot is used; the hello is repeated."""
    bench = Bench("b", ReplicaLimits(held_max_writes=1), founding=FOUNDING)
    bench.receive(write("c:2"), write("a:4"))
    bench.receive(write("c:1"))
    assert bench.step(HelloReceived("delivery", "a", "session")) == [Acknowledge("delivery")]
    bench.tick()
    bench.tick()
    (answer, _) = bench.step(HelloReceived("delivery", "a", "session"))
    assert answer == Tell("a", HelloSeen("b", "session", "a", 4))


def test_an_own_hello_is_acknowledged_and_not_answered() -> None:
    """A node cannot vouch for itself."""
    bench = _from_disk()
    assert bench.step(HelloReceived("delivery", "a", bench.session)) == [Acknowledge("delivery")]


# --------------------------------------------------------------------- a commit that fails


def test_what_was_postponed_is_resumed_although_the_commit_failed() -> None:
    """The answers are known; what waits for them must not wait for ever."""
    bench = _from_disk()
    _let_all_tell(bench)
    bench.step(WRITE)
    bench.hear(_answer(bench, "b"))
    bench.fail(Heard(_answer(bench, "c"), 0, 0))
    assert Resumed() in bench.tick()
    assert Resumed() not in bench.tick(1_000)
    assert only(bench.step(WRITE), Accepted)


def test_another_name_that_was_not_saved_is_taken_again() -> None:
    """The former one is not safe: nothing is written under it."""
    bench = _from_disk(writes=2)
    bench.step(WRITE)
    bench.fail(Heard(_answer(bench, "b", seen=3), 0, 0))
    assert bench.replica.replica == "a"
    effects = bench.tick(3_000)
    assert only(effects, IncarnationTaken)
    assert Resumed() in effects


def test_a_new_name_that_proved_unsafe_is_not_written_under_after_a_commit_that_failed() -> None:
    """That the directory was made just now does not outweigh a write that nobody here made."""
    bench = Bench("a", founding=FOUNDING)
    bench.fail(Heard(told("b", "a=1"), 0, 0))
    assert bench.step(WRITE) == [Postponed(WRITE)]
    assert only(bench.tick(3_000), IncarnationTaken)


def test_a_replica_that_is_told_to_be_an_old_copy_takes_a_new_name_without_asking() -> None:
    """All others may be old copies too, and would say that the name is safe."""
    bench = _from_disk(writes=3)
    bench.restart(is_new=False, is_restored=True)
    assert only(bench.step(WRITE), Postponed)
    effects = bench.step(Tick(0, 0))
    assert [taken.former for taken in only(effects, IncarnationTaken)] == ["a"]
    assert only(effects, Resumed)
    (accepted,) = only(bench.step(WRITE), Accepted)
    assert accepted.write.dot == Dot(bench.replica.replica, 1)
    assert accepted.write.dot.replica != "a"
    assert accepted.write.clock["a"] == 3


def test_the_name_that_such_a_replica_took_is_kept_as_long_as_it_runs() -> None:
    """It is taken once for each start, not with each tick."""
    bench = _from_disk(writes=1)
    bench.restart(is_new=False, is_restored=True)
    bench.step(Tick(0, 0))
    name = bench.replica.replica
    assert only(bench.step(Tick(1_000, 1_000)), IncarnationTaken) == []
    assert bench.replica.replica == name
