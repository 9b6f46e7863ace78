"""What the node does with messages once they are durable: duplicates, echoes, poison, gaps, and what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from node.codec import encode_message, encode_write
from node.core.effects import Effect, SayHello
from node.core.events import Confirmed
from tests.support.writes import NODE2, NODE3, put_write
from tests.unit.shell.messages import SENDER, body_of, valid_message, valid_write
from tests.unit.shell.running import RunningReplica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningReplica]:
    """A replica that is connected."""
    with RunningReplica(tmp_path) as replica:
        yield replica.start()


def settled(running: RunningReplica) -> None:
    """Wait until everything that was sent is dealt with."""
    running.wait(lambda: running.unacknowledged == 0, "all acknowledged")


def test_duplicates_in_any_order_change_nothing(running: RunningReplica) -> None:
    """At-least-once delivery is made exactly-once."""
    writes = [put_write(NODE2, seq, "x", b"%d" % seq) for seq in range(1, 6)]
    for write in writes:
        running.receive(write)
    running.wait(lambda: running.service.clock[NODE2] == 5, "all applied")
    before = running.service.reading.read("x", running.service.clock, 0)
    for write in (writes[2], writes[0], writes[4], writes[4], writes[1]):
        running.receive(write)
    settled(running)
    assert running.service.reading.read("x", running.service.clock, 0) == before
    assert running.sample("writes_applied_total", origin="node2") == 5
    assert running.sample("duplicates_dropped_total") == 5


def test_own_echoes_change_nothing(running: RunningReplica) -> None:
    """The fanout brings back what this node published; so may anybody later."""
    for number in range(5):
        running.put("x", b"%d" % number)
    running.wait(lambda: running.sample("own_echoes_total") == 5, "the echoes came")
    settled(running)
    assert running.value("x") == b"4"
    assert running.sample("writes_applied_total", origin="node1") == 0
    assert not running.fanout.rejected


def test_a_write_of_this_very_replica_that_it_never_made_makes_it_take_a_new_name(running: RunningReplica) -> None:
    """Its data is an old copy, or somebody uses its name: to go on under it could make two writes of one dot."""
    own = running.service.replica
    running.put()
    settled(running)
    running.receive(put_write(own, 2, "x", b'"made before"'))
    running.wait(lambda: running.service.replica != own, "a new name")
    settled(running)
    assert running.value("x") == b'"made before"'
    write = running.put("y")
    assert (write.dot.replica, write.dot.seq) == (running.service.replica, 1)
    assert write.clock[own] == 2
    assert not running.fanout.rejected


def test_a_write_under_the_own_name_that_comes_too_early_is_held(running: RunningReplica) -> None:
    """What lies between is asked for as any other gap is."""
    own = running.service.replica
    running.put()
    settled(running)
    running.receive(put_write(own, 99, "x", b'"much later"'))
    running.wait(lambda: running.service.held_count == 1, "held")
    settled(running)
    assert running.value("x") == b"1"
    assert running.put().dot.replica != own


def test_an_echo_counts_by_its_name_alone(running: RunningReplica) -> None:
    """What a message says about a write that is here already changes nothing."""
    own = running.service.replica
    running.put()
    settled(running)
    running.receive(put_write(own, 1, "x", b'"something else"'))
    running.wait(lambda: running.sample("own_echoes_total") == 2, "the echoes came")
    assert running.value("x") == b"1"
    assert running.put().dot == (own, 2)


def test_a_held_write_is_shown_and_counted_until_its_cause_arrives(running: RunningReplica) -> None:
    """It is acknowledged at once: it is on disk."""
    cause, effect = put_write(NODE2, 1, "a"), put_write(NODE3, 1, "b", node2=1)
    running.receive(effect)
    running.wait(lambda: running.service.held_count == 1, "held")
    settled(running)
    assert running.value("b") is None
    report = running.service.held(10)[0]
    assert (report.held.dot, report.waits_for, report.missing) == (effect.dot, cause.dot, [cause.dot])
    running.receive(cause)
    running.wait(lambda: running.service.held_count == 0, "released")
    assert running.value("b") == b'"5"'
    # Metrics follow what is shown.
    running.wait(lambda: running.sample("held_seconds_count") == 1, "it is measured")
    assert running.sample("writes_held_back_total") == 1


def test_good_messages_between_poisonous_ones_are_applied(running: RunningReplica) -> None:
    """Each on its own, also when they come in one transaction."""
    for seq in range(1, 101):
        running.receive_body(b"\xff" * seq)
        running.receive(put_write(NODE2, seq))
    running.wait(lambda: running.service.clock[NODE2] == 100, "all applied")
    running.wait(lambda: len(running.fanout.rejected) == 100, "all rejected")
    settled(running)


def test_one_bad_write_in_a_pack_rejects_the_pack(running: RunningReplica) -> None:
    """Nothing of it is applied, so that what is put right and sent again is no duplicate."""
    first, second = valid_write(1), valid_write(2) | {"seq": 3}
    for write in (first, second):
        write["vector_clock"] = {SENDER: 1 if write is first else 2}
    running.receive_body(body_of(valid_message(first, second)))
    running.wait(lambda: len(running.fanout.rejected) == 1, "rejected")
    assert running.service.clock[SENDER] == 0
    good = [encode_write(put_write(SENDER, seq)) for seq in (1, 2)]
    running.receive_body(encode_message(SENDER, good))
    running.wait(lambda: running.service.clock[SENDER] == 2, "applied")


def test_confirmations_of_hellos_confirm_no_writes(running: RunningReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have numbers of their own, in each generation."""
    runner = running.thread._effects
    confirmed: list[int] = []
    monkeypatch.setattr(running.node._link, "publish_confirmed", confirmed.extend)  # what the transport calls
    runner._say_hello(SayHello("node1~hello1", "a session"))
    runner.new_generation()
    runner._say_hello(SayHello("node1~hello1", "a session"))
    running.wait(lambda: len(confirmed) == 2, "both are confirmed")
    assert runner.confirmed(Confirmed(confirmed)) == Confirmed([])


def test_every_effect_of_the_core_is_carried_out(running: RunningReplica) -> None:
    """A new one needs its handler."""
    assert set(running.thread._effects._handlers) == set(get_args(Effect))


def test_what_was_confirmed_is_saved_without_a_further_write(running: RunningReplica) -> None:
    """Not at once: with the next write, or when time passes; a crash before that publishes it once more."""
    for number in range(5):
        running.put(f"k{number}")
    running.wait(lambda: running.service.outbox_count == 0, "confirmed")
    running.wait(lambda: running.node.store.load().confirmed_seq == 5, "saved")


def test_confirmations_from_before_a_rebuild_are_not_taken_for_later_ones(running: RunningReplica) -> None:
    """The rebuilt replica numbers its messages from 1 again."""
    effects = running.thread._effects
    first = Confirmed([1, 2, 3])
    assert effects.confirmed(first) == first
    effects.new_generation()
    assert effects.confirmed(first) == Confirmed([])


def test_held_writes_and_the_outbox_are_there_after_a_restart(tmp_path: Path) -> None:
    """Both stand in the store; so do the clock and the incarnation."""
    effect = put_write(NODE3, 1, "b", node2=1)
    with RunningReplica(tmp_path) as running:
        running.start()
        replica = running.service.replica
        running.receive(effect)
        running.wait(lambda: running.service.held_count == 1, "held")
        running.fanout.switch_off()
        running.wait(lambda: running.service.broker_state == "disconnected", "disconnected")
        running.put("x", b"1")
        clock = running.service.clock
    with RunningReplica(tmp_path, cluster=running.cluster) as again:
        assert again.node.store.load().replica == replica
        assert again.service.clock == clock
        assert again.service.held_count == 1
        assert again.service.outbox_count == 1
        again.fanout.switch_on()
        again.start()
        again.receive(put_write(NODE2, 1, "a"))
        again.wait(lambda: again.value("b") == b'"5"', "released")
        again.wait(lambda: again.service.outbox_count == 0, "the outbox drained")
