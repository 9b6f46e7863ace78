"""Whether a node says that it is ready, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from prometheus_client import CollectorRegistry

from node.core.vector_clock import VectorClock
from node.joining import Joining
from node.link import Link
from node.metrics import NodeMetrics
from node.readiness import Readiness
from tests.support.writes import NODE2, put_write
from tests.unit.shell.running import RunningReplica

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from node.cluster_view import ClusterView

SOME = VectorClock({NODE2: 5})


class View:
    """What readiness looks at of the view on the cluster."""

    was_removed = False


class Start:
    """A node that starts: its link, what it has heard, and the judgement."""

    def __init__(self, *, is_founding: bool = True, is_new: bool = True) -> None:
        self.link = Link(NodeMetrics(CollectorRegistry()), lambda: None, lambda: None)
        self.joining = Joining({"node2"}, is_founding=is_founding, is_new=is_new)
        self.view = View()
        self.readiness = Readiness(self.link, self.joining, cast("ClusterView", self.view))

    def connect(self, backlog_messages: int = 0) -> None:
        """The broker is there."""
        self.link.publisher_up()
        self.link.consumer_up(1, backlog_messages)

    @property
    def why_not(self) -> str:
        """The judgement."""
        return self.readiness.why_not()


def test_the_reasons_follow_each_other_until_the_node_is_ready() -> None:
    """The broker, the backlog, the peers, what is missing: each is named while it is what lacks."""
    start = Start()
    assert start.why_not == "connecting to the broker"
    start.connect(backlog_messages=3)
    assert start.why_not == "catching up: 3 messages of the backlog have not arrived yet"
    start.readiness.backlog_is_in()
    assert start.why_not == "asking the other nodes where they are"
    start.joining.heard("node2", SOME)
    start.joining.progress(VectorClock({NODE2: 3}))
    assert start.why_not == "catching up: 2 writes of the other nodes are missing here"
    start.joining.progress(SOME)
    assert start.why_not == ""


def test_a_node_whose_broker_does_not_answer_serves_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a grace: it is as caught up as it can be."""
    start = Start()
    assert start.why_not
    monkeypatch.setattr("node.readiness.BROKER_GRACE_SECONDS", 0.0)
    assert start.why_not == ""


def test_a_node_that_joins_does_not_serve_without_its_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has nothing of the cluster's; with data of an earlier run it has."""
    monkeypatch.setattr("node.readiness.BROKER_GRACE_SECONDS", 0.0)
    assert Start(is_founding=False).why_not == "joining: waiting for the broker"
    assert Start(is_founding=False, is_new=False).why_not == ""


def test_an_outage_later_does_not_make_a_node_unready() -> None:
    """Reads and writes go on without the broker."""
    start = Start()
    start.connect()
    start.readiness.backlog_is_in()
    start.joining.heard("node2", SOME)
    start.joining.progress(SOME)
    start.link.consumer_down("gone")
    start.link.publisher_down("gone")
    assert start.why_not == ""


def test_a_node_that_was_removed_is_not_ready_whatever_else_it_is() -> None:
    """Load balancers turn away, and the operator reads what to do."""
    start = Start()
    start.connect()
    start.readiness.backlog_is_in()
    start.joining.heard("node2", SOME)
    start.joining.progress(SOME)
    start.view.was_removed = True
    assert start.why_not.startswith("this node was removed from the cluster: stop it")


def test_a_founding_node_alone_is_ready_within_seconds(tmp_path: Path) -> None:
    """With all the real parts: the others do not answer, and need not."""
    with RunningReplica(tmp_path) as running:
        assert not running.service.ready[0]
        running.start()
        running.wait(lambda: running.service.ready[0], "ready", 10)
        assert running.put().dot.seq == 1


def test_a_node_waits_for_what_its_peers_have(tmp_path: Path) -> None:
    """A peer tells its clock; the node is ready when the writes that it names are here."""
    with RunningReplica(tmp_path) as running:
        running.start()
        running.tell_clock(NODE2, {NODE2: 1})
        running.wait(lambda: running.service.missing_writes == 1, "the clock was heard")
        assert running.service.ready == (False, "catching up: 1 writes of the other nodes are missing here")
        running.receive(put_write(NODE2, 1))
        running.wait(lambda: running.service.ready[0], "ready", 10)
