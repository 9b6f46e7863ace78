"""What a node shows of the cluster: members, what is missing here, wall clocks that are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from tests.support.writes import NODE2, NODE3, put_write
from tests.unit.shell.running import RunningReplica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR_MS = 3_600_000


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningReplica]:
    """A node that works, with nobody beside it."""
    with RunningReplica(tmp_path, clock_skew_warn_seconds=5.0) as replica:
        yield replica.start()


def test_what_peers_have_and_this_node_lacks_is_counted_until_it_comes(running: RunningReplica) -> None:
    """Over all origins, each write once, whoever tells of it."""
    running.tell_clock(NODE2, {NODE2: 2, NODE3: 1})
    running.tell_clock(NODE3, {NODE2: 1, NODE3: 3})
    running.wait(lambda: running.service.missing_writes == 5, "both were heard")
    running.receive(put_write(NODE2, 1), put_write(NODE2, 2))
    running.wait(lambda: running.service.missing_writes == 3, "some came")
    running.receive(*(put_write(NODE3, seq) for seq in (1, 2, 3)))
    running.wait(lambda: running.service.missing_writes == 0, "all came")
    assert running.service.history_writes == 5


def test_what_held_writes_wait_for_is_missing_too(running: RunningReplica) -> None:
    """Nobody has told of it otherwise."""
    running.receive(put_write(NODE3, 2, node2=4))
    running.wait(lambda: running.service.missing_writes == 6, "it is known by name")


def test_a_wall_clock_that_is_apart_is_shown_measured_and_warned_about(running: RunningReplica) -> None:
    """Only beyond the limit that the operator set."""
    with structlog.testing.capture_logs() as lines:
        running.node.thread._effects._healing._log = structlog.get_logger("causalkv.healing")
        running.tell_clock(NODE2, {}, wall_ahead_ms=HOUR_MS)
        running.tell_clock(NODE3, {}, wall_ahead_ms=1_000)
        running.wait(lambda: running.sample("peer_wall_ahead_seconds", peer="node3") > 0, "both were heard")
    assert abs(running.sample("peer_wall_ahead_seconds", peer="node2") - 3600) < 5
    assert abs(running.sample("peer_wall_ahead_seconds", peer="node3") - 1) < 5
    shown = {member.node: member.clock_ahead_seconds for member in running.service.members}
    assert shown["node1"] == 0.0
    assert abs((shown["node2"] or 0.0) - 3600) < 5
    assert [line["peer"] for line in lines if "wall clocks" in line["event"]] == ["node2"]


def test_who_says_something_becomes_a_member_and_gets_a_queue(running: RunningReplica) -> None:
    """A node joins by saying where it is."""
    running.tell_clock("node4~dddddd", {})
    running.wait(lambda: [member.node for member in running.service.members][-1:] == ["node4"], "a member")
    running.wait(lambda: "node4" in running.fanout.queues, "its queue is kept")
    running.wait(lambda: "node4" in running.node.thread._decoding.senders.node_users, "nobody else can speak for it")
