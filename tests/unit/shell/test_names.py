"""Under which name a node writes after a restart: it asks, and no write is made before it is sure."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from node.codec import HELLO_SUFFIX, encode_hello
from node.core.control import HelloSeen
from node.core.dot import Dot
from node.core.identity import IdentityLimits
from node.errors import UnavailableError
from node.transport.port import OutgoingMessage
from tests.support.writes import NODE2, NODE3, put_write
from tests.unit.shell.peer import Peer
from tests.unit.shell.running import TIMEOUT_SECONDS, RunningReplica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITES = 3


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[RunningReplica]:
    """A node that wrote in an earlier run; built, not started."""
    with RunningReplica(tmp_path) as first:
        first.start()
        for number in range(WRITES):
            first.put(f"k{number}")
        first.wait(lambda: first.service.outbox_count == 0, "published")
    with RunningReplica(tmp_path, cluster=first.cluster) as running:
        yield running


@pytest.fixture
def patient(restarted: RunningReplica) -> RunningReplica:
    """One that keeps a write waiting for its members' answers for as long as a busy machine makes them late."""
    restarted.thread._replica.anti_entropy.naming.identity._limits = IdentityLimits(wait_ms=60_000)
    return restarted


def test_a_new_node_writes_at_once(tmp_path: Path) -> None:
    """Its name was made just now: nobody can know more of it."""
    with RunningReplica(tmp_path) as running:
        name = running.node.store.load().replica
        running.start(connect=False)
        # One that waits for others who say nothing gets another name in the end.
        assert running.put().dot == Dot(name, 1)


def test_a_restarted_node_goes_on_under_its_name_when_all_members_know_no_more(patient: RunningReplica) -> None:
    """The write that had to wait is made then, next in line."""
    name = patient.node.store.load().replica
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(patient, replica)) for replica in (NODE2, NODE3)]
        patient.start()
        waiting = patient.submit("x")
        answered = threading.Event()
        waiting.then(answered.set)
        peers[0].answer_hello(WRITES)
        assert not answered.wait(0.3)
        peers[1].answer_hello(WRITES - 1)
        write = waiting.result(TIMEOUT_SECONDS)
        assert (write.dot.replica, write.dot.seq) == (name, WRITES + 1)
    assert patient.node.store.load().replica == name


def test_a_restarted_node_of_which_a_member_knows_more_takes_a_new_name(patient: RunningReplica) -> None:
    """Its data directory is an old copy: the next number was used already."""
    name = patient.node.store.load().replica
    with Peer(patient, NODE2) as peer:
        patient.start()
        waiting = patient.submit("x")
        peer.answer_hello(WRITES + 1)
        write = waiting.result(TIMEOUT_SECONDS)
    assert write.dot.replica != name
    assert write.dot.seq == 1
    assert write.clock[name] == WRITES
    saved = patient.node.store.load()
    assert saved.replica == write.dot.replica
    former = patient.service.status_details()["healing"]["former_incarnation"]
    assert former["replica"] == name
    assert f"{name}:{WRITES + 1}" in former["reason"]


def test_when_members_are_silent_a_write_waits_a_few_seconds_and_gets_a_new_name(restarted: RunningReplica) -> None:
    """Reads go on meanwhile, and what was written before stays."""
    name = restarted.node.store.load().replica
    restarted.start()
    waiting = restarted.submit("x")
    assert restarted.value("k0") == b"1"
    write = waiting.result(TIMEOUT_SECONDS)
    assert write.dot.replica != name
    assert restarted.value("k0") == b"1"
    restarted.wait(lambda: restarted.service.replica == write.dot.replica, "shown")
    assert restarted.service.incarnation != name.partition("~")[2]
    assert restarted.node.store.identity.incarnation == name.partition("~")[2]


def test_without_a_broker_a_restarted_node_writes_all_the_same(restarted: RunningReplica) -> None:
    """Under a new name, after the same few seconds: a node is available on its own."""
    restarted.start(connect=False)
    assert restarted.submit("x").result(TIMEOUT_SECONDS).dot.seq == 1
    assert restarted.service.outbox_count == 1


def test_writes_that_wait_for_a_sure_name_are_answered_when_the_node_stops(restarted: RunningReplica) -> None:
    """They were not made, and are told so at once."""
    restarted.start(connect=False)
    waiting = [restarted.submit(f"w{number}") for number in range(3)]
    restarted.on_thread(lambda _: None)
    assert restarted.thread.stop(TIMEOUT_SECONDS)
    for submission in waiting:
        with pytest.raises(UnavailableError, match="stopping"):
            submission.result(0)
    assert restarted.value("w0") is None


def test_writes_that_waited_are_made_in_their_order(restarted: RunningReplica) -> None:
    """As they came."""
    restarted.start(connect=False)
    waiting = [restarted.submit("x", b"%d" % number) for number in range(50)]
    assert [submission.result(TIMEOUT_SECONDS).dot.seq for submission in waiting] == list(range(1, 51))
    assert restarted.value("x") == b"49"


# ------------------------------------------------------------------------------------------- hellos


def test_a_restarted_node_says_hello_behind_all_that_it_published(restarted: RunningReplica) -> None:
    """In its name and for this start of it; the message is confirmed without confirming any write."""
    with Peer(restarted, NODE2) as peer:
        restarted.start()
        who, session = peer.wait_hello()
    assert who == restarted.node.store.load().replica
    assert session
    first, *_ = (each.message_id for each in peer.listener.deliveries)
    assert first == f"{who}:1"  # what was published before comes before it
    assert restarted.sample("messages_confirmed_total") == 0


def test_a_node_answers_the_hello_of_another_with_how_many_of_its_writes_it_knows(tmp_path: Path) -> None:
    """To that node alone, once it has dealt with all that came before it in the queue."""
    with RunningReplica(tmp_path) as running, Peer(running, NODE2) as peer, Peer(running, NODE3) as other:
        running.start()
        running.receive(put_write(NODE2, 1), put_write(NODE2, 2))
        running.receive(put_write(NODE2, 9))  # held, and known
        peer.publish(OutgoingMessage(1, f"{NODE2}{HELLO_SUFFIX}", encode_hello(NODE2, "its session"), NODE2))
        (answer,) = peer.wait_heard(HelloSeen)
        assert answer == HelloSeen(running.service.replica, "its session", NODE2, 9)
        running.wait(lambda: running.unacknowledged == 0, "all acknowledged")
        assert other.heard(HelloSeen) == []
