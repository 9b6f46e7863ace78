"""What a node is asked at every scrape, of a replica that runs: each number moves when the thing happens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from prometheus_client.exposition import generate_latest

from node import ages
from node.clocks import wall_ms
from node.errors import StoreCorruptedError
from tests.support.writes import NODE2, NODE3, put_write
from tests.unit.shell.running import SMALL_STORE_BYTES, RunningReplica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR_MS = 3_600_000


def an_hour_later() -> int:
    """A wall clock that shows later."""
    return wall_ms() + HOUR_MS


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningReplica]:
    """A node that works, and whose peers are what a test sends in their name."""
    with RunningReplica(
        tmp_path, outbox_max_writes=7, history_max_writes=70_000, store_max_bytes=SMALL_STORE_BYTES
    ) as replica:
        yield replica.start()


def test_the_limits_stand_beside_what_they_limit(running: RunningReplica) -> None:
    """So that an alert needs to know no setting."""
    assert running.sample("outbox_limit_writes") == 7
    assert running.sample("history_limit_writes") == 70_000
    assert running.sample("store_limit_bytes") == SMALL_STORE_BYTES
    assert 0 < running.sample("store_used_bytes") < SMALL_STORE_BYTES


def test_replicas_in_the_clock_are_counted_for_good(running: RunningReplica) -> None:
    """Those that have written: a name never leaves the clock."""
    assert running.sample("clock_replicas") == 0
    running.put("x")
    running.wait(lambda: running.sample("clock_replicas") == 1, "its own")
    for number, replica in enumerate((NODE2, NODE3), 2):
        running.receive(put_write(replica, 1))
        running.wait(lambda count=number: running.sample("clock_replicas") == count, "one more")


def test_who_the_node_is_stands_in_one_metric(running: RunningReplica) -> None:
    """The replica id too, which changes when the node takes a new incarnation."""
    own = running.service.replica
    named = {"node_id": "node1", "cluster": running.cluster}
    assert running.sample("node_info", **named, replica=own) == 1
    running.receive(put_write(own, 5))
    running.wait(lambda: running.service.replica != own, "a new name")
    assert running.sample("node_info", **named, replica=own) == 0
    assert running.sample("node_info", **named, replica=running.service.replica) == 1


def test_held_writes_are_counted_and_the_age_of_the_oldest_is_told(
    running: RunningReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one that stays: the histogram of times held knows only those that were let through."""
    assert running.sample("held_oldest_seconds") == 0
    running.receive(put_write(NODE3, 1, "b", node2=1))
    running.wait(lambda: running.sample("held_oldest_seconds") > 0, "it is held, and grows older")
    monkeypatch.setattr(ages, "wall_ms", an_hour_later)
    assert 3600 < running.sample("held_oldest_seconds") < 3700
    assert running.sample("held_writes") == 1
    running.receive(put_write(NODE2, 1, "a"))
    running.wait(lambda: running.sample("held_oldest_seconds") == 0, "it is let through")


def test_held_writes_keep_their_age_over_a_restart(tmp_path: Path) -> None:
    """The buffer stands in order of arrival again, not in that of the names."""
    with RunningReplica(tmp_path) as before:
        before.start()
        for replica in (NODE3, NODE2):
            before.receive(put_write(replica, 2))
            before.wait(lambda: before.unacknowledged == 0, "held")
        arrived = [report.held.dot for report in before.service.held(10)]
        assert [dot.replica for dot in arrived] == [NODE3, NODE2]
    with RunningReplica(tmp_path, cluster=before.cluster) as after:
        after.start(connect=False)
        assert [report.held.dot for report in after.service.held(10)] == arrived
        assert after.sample("held_oldest_seconds") > 0


def test_the_oldest_unconfirmed_write_grows_older_while_the_broker_is_away(
    running: RunningReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the first one that counts; later ones do not make it younger."""
    assert running.sample("oldest_unconfirmed_seconds") == 0
    running.fanout.switch_off()
    running.wait(lambda: running.service.broker_state == "disconnected", "no link")
    running.put("x")
    monkeypatch.setattr(ages, "wall_ms", an_hour_later)
    running.wait(lambda: running.sample("oldest_unconfirmed_seconds") > 3600, "the first is noticed")
    running.put("y")
    assert running.sample("oldest_unconfirmed_seconds") > 3600
    running.fanout.switch_on()
    running.wait(lambda: running.sample("oldest_unconfirmed_seconds") == 0, "confirmed")


def test_the_age_of_an_unconfirmed_write_is_known_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """History says when it was made."""
    with RunningReplica(tmp_path) as before:
        before.thread.start()
        before.put("x")
    monkeypatch.setattr(ages, "wall_ms", an_hour_later)
    with RunningReplica(tmp_path, cluster=before.cluster) as after:
        after.start(connect=False)
        after.wait(lambda: after.sample("oldest_unconfirmed_seconds") > 3600, "it is an hour old")


def test_a_timestamp_from_the_future_does_not_hide_that_a_write_stays_unconfirmed(running: RunningReplica) -> None:
    """A node whose clock was ahead has spoken: own timestamps are ahead, too, until the wall clock reaches them."""
    ahead = put_write(NODE2, 1)
    running.receive(ahead._replace(timestamp=ahead.timestamp._replace(physical_ms=wall_ms() + HOUR_MS)))
    running.wait(lambda: running.service.clock[NODE2] == 1, "applied")
    running.fanout.switch_off()
    running.wait(lambda: running.service.broker_state == "disconnected", "no link")
    assert running.put("x").timestamp.physical_ms > wall_ms() + HOUR_MS // 2
    running.wait(lambda: running.sample("oldest_unconfirmed_seconds") > 0.3, "it grows older all the same")


def test_the_stable_lag_is_what_some_member_has_not_applied(
    running: RunningReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until every member has said that it has it."""
    running.tell_clock(NODE2, {})
    running.tell_clock(NODE3, {})
    running.wait(lambda: running.sample("peer_alive", peer="node3") == 1, "both were heard")
    assert (running.sample("stable_lag_writes"), running.sample("stable_lag_seconds")) == (0, 0)
    own = [running.put(f"k{n}").dot for n in range(3)][-1]
    running.wait(lambda: running.sample("stable_lag_writes") == 3, "nobody has them")
    monkeypatch.setattr(ages, "wall_ms", an_hour_later)
    assert 3600 < running.sample("stable_lag_seconds") < 3700
    running.tell_clock(NODE2, {own.replica: 3})
    running.tell_clock(NODE3, {own.replica: 2})
    running.wait(lambda: running.sample("stable_lag_writes") == 1, "node3 lacks one")
    running.wait(lambda: running.sample("peer_lag_writes", peer="node3") == 1, "and is named")
    assert running.sample("peer_lag_writes", peer="node2") == 0
    assert running.sample("peer_holds_back_writes", peer="node3") == 1
    running.tell_clock(NODE3, {own.replica: 3})
    running.wait(lambda: running.sample("stable_lag_writes") == 0, "all have all")
    assert running.sample("stable_lag_seconds") == 0


def test_a_member_that_is_away_keeps_nothing_back_and_is_shown_as_away(tmp_path: Path) -> None:
    """Nobody waits for it: the stable cut goes on without it."""
    with RunningReplica(tmp_path, member_away_seconds=5.0) as running:
        running.start()
        running.put("x")
        assert running.sample("stable_lag_writes") in {0, 1}
        running.wait(lambda: running.sample("peer_away", peer="node2") == 1, "it is away")
        running.wait(lambda: running.sample("stable_lag_writes") == 0, "it is not waited for")
        assert running.sample("peer_alive", peer="node2") == 0
        assert running.sample("peer_silent_seconds", peer="node2") >= 5
        assert running.sample("peer_lag_writes", peer="node2") == 1
        assert running.sample("peer_holds_back_writes", peer="node2") == 0


def test_a_member_that_is_taken_out_leaves_no_gauge_behind(running: RunningReplica) -> None:
    """Its last lag would stand there for ever."""
    running.wait(lambda: running.sample("members") == 3, "all are members")
    assert b'causalkv_peer_lag_writes{peer="node3"}' in generate_latest(running.node.metrics.registry)
    running.service.remove_member("node3", forced=True)
    running.wait(lambda: running.sample("members") == 2, "taken out")
    assert b'peer="node3"' not in generate_latest(running.node.metrics.registry)
    assert b'causalkv_peer_lag_writes{peer="node2"}' in generate_latest(running.node.metrics.registry)


def test_conflicts_are_counted_as_they_come_and_go(running: RunningReplica) -> None:
    """By received writes and by own ones."""
    running.receive(put_write(NODE2, 1, "x"))
    running.receive(put_write(NODE3, 1, "x"))
    running.wait(lambda: running.sample("conflicts_arisen_total") == 1, "two versions")
    assert running.sample("conflicts_resolved_total") == 0
    assert running.sample("conflict_keys") == 1
    running.put("x")
    running.wait(lambda: running.sample("conflicts_resolved_total") == 1, "one version")
    assert running.sample("conflict_keys") == 0
    running.put("x")
    assert running.sample("conflicts_arisen_total") == 1


def test_reads_of_every_kind_are_counted_by_what_they_found(running: RunningReplica) -> None:
    """Each key of several counts; a further page of a set does not."""
    running.put("x")
    reading, clock = running.service.reading, running.service.clock
    reading.read("x", clock, 0)
    reading.read("nothing", clock, 0)
    reading.read_many(["x", "nothing", "neither"], clock, 0)
    reading.counter("x", clock, 0)
    reading.members("x", "", 10, clock, 0)
    reading.members("x", '"a"', 10, clock, 0)
    assert running.sample("reads_total", result="hit") == 2
    assert running.sample("reads_total", result="miss") == 5


def test_an_unreadable_store_makes_an_age_unknown_and_leaves_the_other_metrics(
    running: RunningReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are wanted most when something is wrong."""
    running.fanout.switch_off()
    running.wait(lambda: running.service.broker_state == "disconnected", "no link")
    running.put("x")
    running.wait(lambda: running.sample("oldest_unconfirmed_seconds") > 0, "noticed")

    def damaged() -> None:
        raise StoreCorruptedError("the disk is broken")

    monkeypatch.setattr(running.node.store, "reader", damaged)
    assert math.isnan(running.sample("oldest_unconfirmed_seconds"))
    assert math.isnan(running.sample("conflict_keys"))
    assert running.sample("outbox_writes") == 1
