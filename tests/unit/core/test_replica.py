from __future__ import annotations

import pytest

from node.core.effects import (
    Accepted,
    Acknowledge,
    Applied,
    Dropped,
    HeldBack,
    IncarnationTaken,
    Publish,
    PublishConfirmed,
    RefusalReason,
    RefusedWrite,
    Reject,
    Resumed,
)
from node.core.events import Confirmed, Echoed, LocalWrite, PublisherDown, PublisherUp, Received
from node.core.hybrid_clock import HybridTimestamp
from node.core.local_writes import LocalWriteLimits
from node.core.replica import ReplicaLimits
from node.core.vector_clock import SequenceRange, VectorClock
from node.core.write import Delete
from tests.unit.core.builders import Bench, clock, dot, only, put, write

# ------------------------------------------------------------------------------------ local writes


def test_a_local_write_is_applied_and_named_by_the_next_dot() -> None:
    """The answer carries the write with its clock, own write included."""
    bench = Bench("a")
    (first,) = only(bench.write(put("x", "5")), Accepted)
    (second,) = only(bench.write(put("x", "6")), Accepted)
    assert (first.request, first.write.dot, first.write.clock) == ("request", dot("a:1"), clock("a=1"))
    assert (second.write.dot, second.write.clock) == (dot("a:2"), clock("a=2"))
    assert bench.values("x") == ["6"]


def test_a_local_write_happens_after_all_that_the_replica_has_applied() -> None:
    """Its clock says so, and its timestamp too, with a wall clock that stands at zero."""
    bench = Bench("a")
    bench.receive(write("b:1", put("x", "theirs"), ms=9_000))
    (accepted,) = only(bench.write(put("y", "mine"), now_ms=0), Accepted)
    assert accepted.write.clock == clock("a=1 b=1")
    assert accepted.write.timestamp == HybridTimestamp(9_000, 1)


def test_the_operations_of_a_write_take_effect_together() -> None:
    """Puts and deletes of one request, in order."""
    bench = Bench()
    bench.write(put("x", "old"))
    bench.write(put("y", "1"), Delete("x"), put("y", "2"))
    assert bench.values("x") == []
    assert bench.values("y") == ["2"]


def test_deleting_an_absent_key_is_a_write_that_leaves_nothing() -> None:
    """No tombstone; the dot counts."""
    bench = Bench("a")
    bench.write(Delete("x"))
    assert "x" not in bench.disk.values
    assert bench.replica.clock == clock("a=1")


def test_a_write_whose_context_is_ahead_is_refused_and_changes_nothing() -> None:
    """The refusal names exactly what is missing here."""
    bench = Bench("a")
    (refused,) = only(bench.write(put("x", "5"), context="b=2"), RefusedWrite)
    assert refused.reason is RefusalReason.CONTEXT_NOT_REACHED
    assert refused.missing == {"b": SequenceRange(1, 2)}
    assert bench.replica.clock == clock()
    assert bench.disk.kept == {}


def test_a_write_whose_context_is_reached_is_accepted() -> None:
    """What the client has seen happened before it."""
    bench = Bench("a")
    bench.receive(write("b:1", put("x", "1")))
    (accepted,) = only(bench.write(put("y", "2"), context="b=1"), Accepted)
    assert accepted.write.clock == clock("a=1 b=1")


def test_a_full_outbox_refuses_writes_until_there_is_room() -> None:
    """Nothing is lost at the limit: the client is told, and a confirmation lets the next one in."""
    bench = Bench(limits=ReplicaLimits(local_writes=LocalWriteLimits(outbox_max_writes=1)))
    bench.step(PublisherUp())
    (sent,) = only(bench.write(put("x", "1")), Publish)
    (refused,) = only(bench.write(put("x", "2")), RefusedWrite)
    assert refused.reason is RefusalReason.OUTBOX_FULL
    bench.step(Confirmed([sent.publish_id]))
    assert only(bench.write(put("x", "2")), Accepted)


# ---------------------------------------------------------------------------------------- delivery


def test_a_deliverable_write_is_applied_and_then_acknowledged() -> None:
    """In this order: the delivery may be forgotten only when its content is durable."""
    bench = Bench("a")
    made = write("b:1", put("x", "5"))
    assert bench.receive(made) == [Applied(made, None), Acknowledge("delivery")]
    assert bench.values("x") == ["5"]


def test_a_write_without_its_cause_is_held_saved_and_acknowledged() -> None:
    """It does not show, and it names the dot that it waits for."""
    bench = Bench("a")
    made = write("c:1", put("x", "10"), after="b=1")
    assert bench.receive(made, now_ms=7) == [HeldBack(made, dot("b:1")), Acknowledge("delivery")]
    assert bench.values("x") == []
    assert [held.dot for held in bench.replica.held] == [made.dot]
    assert bench.disk.held[made.dot].since_ms == 7


def test_a_held_write_is_applied_right_after_its_cause() -> None:
    """Cause first, then effect, with the time since when it waited; nothing stays behind."""
    bench = Bench("a")
    cause, effect = write("b:1", put("x", "5")), write("c:1", put("x", "10"), after="b=1")
    bench.receive(effect, now_ms=7)
    assert bench.receive(cause)[:2] == [Applied(cause, None), Applied(effect, 7)]
    assert bench.values("x") == ["10"]
    assert bench.disk.held == {}


def test_what_a_held_write_waits_for_moves_on_as_its_causes_arrive() -> None:
    """One dot at a time."""
    bench = Bench("a")
    bench.receive(write("d:1", after="b=1 c=1"))
    (held,) = bench.replica.held
    assert bench.replica.waits_for(held) == dot("b:1")
    bench.receive(write("b:1"))
    assert bench.replica.waits_for(held) == dot("c:1")
    bench.receive(write("c:1"))
    with pytest.raises(ValueError, match="d:1 is not held back by anything"):
        bench.replica.waits_for(held)


def test_an_independent_write_passes_a_held_one() -> None:
    """Holding one write back delays no other."""
    bench = Bench("a")
    bench.receive(write("c:1", put("x", "10"), after="b=1"))
    bench.receive(write("d:1", put("y", "15")))
    assert bench.values("y") == ["15"]


def test_a_line_that_arrives_backwards_in_one_message_is_applied_in_order() -> None:
    """Held and released within one transaction."""
    bench = Bench("a")
    bench.receive(*(write(f"b:{seq}", put("x", str(seq))) for seq in (4, 3, 2, 1)))
    assert list(bench.disk.kept) == [dot(f"b:{seq}") for seq in (1, 2, 3, 4)]
    assert bench.values("x") == ["4"]


def test_a_duplicate_is_dropped_and_acknowledged() -> None:
    """Applied before, or held already."""
    bench = Bench("a")
    applied, held = write("b:1", put("x", "5")), write("c:2", put("x", "6"))
    bench.receive(applied)
    bench.receive(held)
    again = bench.receive(applied, held, delivery="again")
    assert again == [Dropped(applied.dot, own_echo=False), Dropped(held.dot, own_echo=False), Acknowledge("again")]
    assert len(bench.replica.held) == 1


def test_an_own_write_that_the_fanout_brings_back_is_dropped() -> None:
    """It is known to be an echo."""
    bench = Bench("a")
    (accepted,) = only(bench.write(put("x", "5")), Accepted)
    assert bench.receive(accepted.write) == [Dropped(dot("a:1"), own_echo=True), Acknowledge("delivery")]


def test_an_echo_is_dropped_by_its_numbers_alone() -> None:
    """Nothing of an own message needs decoding; it is acknowledged like any other."""
    bench = Bench("a")
    bench.write(put("x", "5"))
    bench.write(put("x", "6"))
    effects = bench.step(Echoed("delivery", dot("a:2"), 2))
    assert effects == [Dropped(dot("a:2"), own_echo=True, writes=2), Acknowledge("delivery")]


def test_a_write_in_this_replicas_name_that_it_never_made_makes_it_take_another_name() -> None:
    """Somebody wrote as this replica: the write is applied like any other, and no dot is used twice."""
    bench = Bench("a")
    bench.write(put("x", "mine"))
    unknown = write("a:2", put("x", "of the lost disk"))
    taken, *others = bench.receive(unknown)
    assert isinstance(taken, IncarnationTaken)
    assert taken[:2] == ("a", "a~name1")
    assert "a:2 exists, of which this node knows the first 1 only" in taken.reason
    assert others == [Resumed(), Applied(unknown, None), Acknowledge("delivery")]
    (accepted,) = only(bench.write(put("x", "mine again")), Accepted)
    assert (accepted.write.dot, accepted.write.clock) == (dot("a~name1:1"), clock("a=2 a~name1=1"))


def test_a_new_name_is_kept_over_a_restart() -> None:
    """It is saved in the transaction in which it is taken."""
    bench = Bench("a")
    bench.receive(write("a:2"))
    bench.restart()
    (accepted,) = only(bench.write(put("x", "5")), Accepted)
    assert accepted.write.dot == dot("a~name1:1")


def test_a_local_write_can_release_a_held_one() -> None:
    """Someone may know of a write of this replica that its restored disk makes again: no write is stuck."""
    bench = Bench("a")
    bench.receive(write("b:1", put("y", "1"), after="a=1"))
    effects = bench.write(put("x", "5"))
    assert [type(effect) for effect in effects] == [Accepted, Applied]


# -------------------------------------------------------------------------------------- publishing


def test_nothing_is_published_while_the_transport_is_down() -> None:
    """Writes are accepted all the same, and wait in the outbox."""
    bench = Bench()
    assert only(bench.write(put("x", "5")), Publish) == []
    assert bench.replica.outbox_writes == 1


def test_what_waits_goes_out_when_the_transport_comes_up() -> None:
    """In sequence order, packed up to the limit."""
    bench = Bench(limits=ReplicaLimits(pack_max_writes=2))
    bench.step(*(LocalWrite("r", (put("x", str(n)),), VectorClock(), 0) for n in range(5)))
    packs = only(bench.step(PublisherUp()), Publish)
    assert [(pack.first_seq, pack.last_seq) for pack in packs] == [(1, 2), (3, 4), (5, 5)]
    assert [len(pack.entries) for pack in packs] == [2, 2, 1]


def test_a_pack_is_closed_at_its_size_but_never_empty() -> None:
    """A write larger than the limit travels alone."""
    bench = Bench(limits=ReplicaLimits(pack_max_bytes=20))
    large = put("x", "v" * 100)
    small = put("x", "v")
    bench.step(*(LocalWrite("r", (operation,), VectorClock(), 0) for operation in (small, small, large, small)))
    packs = only(bench.step(PublisherUp()), Publish)
    assert [(pack.first_seq, pack.last_seq) for pack in packs] == [(1, 2), (3, 3), (4, 4)]


def test_a_client_is_answered_before_its_write_is_published() -> None:
    """The answer does not wait for the broker."""
    bench = Bench()
    bench.step(PublisherUp())
    assert [type(effect) for effect in bench.write(put("x", "5"))] == [Accepted, Publish]


def test_a_confirmed_write_leaves_the_outbox_for_good() -> None:
    """Also over a restart, once a tick or a write has saved it: it is not sent again."""
    bench = Bench()
    bench.step(PublisherUp())
    (sent,) = only(bench.write(put("x", "5")), Publish)
    assert bench.step(Confirmed([sent.publish_id])) == [PublishConfirmed("a", 1, 1)]
    assert bench.replica.outbox_writes == 0
    bench.tick()
    bench.restart()
    assert bench.step(PublisherUp()) == []


def test_an_unconfirmed_write_is_published_again_after_a_restart() -> None:
    """Whether it was on the wire or not."""
    bench = Bench()
    bench.step(PublisherUp())
    bench.write(put("x", "5"))
    bench.restart()
    (again,) = only(bench.step(PublisherUp()), Publish)
    assert (again.first_seq, again.last_seq) == (1, 1)


def test_an_unconfirmed_write_is_published_again_after_a_lost_connection() -> None:
    """Nothing goes out in between."""
    bench = Bench()
    bench.step(PublisherUp())
    bench.write(put("x", "5"))
    bench.step(PublisherDown())
    assert bench.replica.unconfirmed_messages == 0
    assert only(bench.write(put("x", "6")), Publish) == []
    (again,) = only(bench.step(PublisherUp()), Publish)
    assert (again.first_seq, again.last_seq) == (1, 2)


# ----------------------------------------------------------------------------------------- restart


def test_a_restarted_replica_goes_on_counting() -> None:
    """No dot is used twice, and the timestamp does not go back with the wall clock."""
    bench = Bench("a")
    (first,) = only(bench.write(put("x", "5"), now_ms=9_000), Accepted)
    bench.restart()
    (second,) = only(bench.write(put("x", "6"), now_ms=1), Accepted)
    assert second.write.dot == dot("a:2")
    assert second.write.timestamp > first.write.timestamp


def test_a_held_write_is_still_held_after_a_restart() -> None:
    """Its delivery was acknowledged: nobody will send it again."""
    bench = Bench("a")
    bench.receive(write("c:1", put("x", "10"), after="b=1"), now_ms=7)
    bench.restart()
    effects = bench.receive(write("b:1", put("x", "5")))
    assert [applied.held_since_ms for applied in only(effects, Applied)] == [None, 7]
    assert bench.values("x") == ["10"]


def test_what_was_not_committed_is_gone_after_a_restart() -> None:
    """A crash before the commit: neither the value nor the dot exists."""
    bench = Bench("a")
    bench.replica.step(LocalWrite("r", (put("x", "lost"),), VectorClock(), 0), bench.disk.copy())
    bench.restart()
    (accepted,) = only(bench.write(put("x", "kept")), Accepted)
    assert accepted.write.dot == dot("a:1")
    assert bench.values("x") == ["kept"]


def test_several_events_share_one_transaction() -> None:
    """A client's write happens after the delivery that came before it in the same transaction."""
    bench = Bench("a")
    theirs = write("b:1", put("x", "theirs"))
    effects = bench.step(Received("d", [theirs], 0), LocalWrite("r", (put("x", "mine"),), VectorClock(), 0))
    (accepted,) = only(effects, Accepted)
    assert accepted.write.clock == clock("a=1 b=1")
    assert bench.values("x") == ["mine"]


def test_writes_of_more_replicas_than_a_clock_may_name_are_rejected() -> None:
    """Peers refuse a larger clock: taking them in would end this replica's own replication."""
    bench = Bench("a", ReplicaLimits(clock_max_entries=2))
    bench.write(put("x", "mine"))
    bench.receive(write("b:1", put("x", "theirs")))
    (rejected,) = only(bench.receive(write("c:1", put("x", "one too many"))), Reject)
    assert "replicas" in rejected.reason
    assert only(bench.receive(write("b:2", put("x", "theirs"))), Applied)
