"""The replica's thread: group commit, order, stopping, and what it does when it cannot go on."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest

from node.errors import (
    CausalKVError,
    ContextNotReachedError,
    LimitReachedError,
    OutcomeUnknownError,
    ReplicaFailedError,
    StoreCorruptedError,
    UnavailableError,
)
from node.inbox import AfterCommit, Look
from node.store.records import version_key
from tests.support.writes import NODE2, put_write
from tests.unit.shell.running import EMPTY, TIMEOUT_SECONDS, RunningReplica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.core.replica import Replica
    from node.submission import Submission

# Far below the time that a request waits for its commit: whoever is forgotten shows.
AT_ONCE_SECONDS = 5.0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningReplica]:
    """A replica that is built and not started."""
    with RunningReplica(tmp_path) as replica:
        yield replica


def test_what_has_gathered_is_committed_in_one_transaction(running: RunningReplica) -> None:
    """One sync serves all the writes that waited for it."""
    submissions = [running.submit(f"k{n}") for n in range(100)]
    running.start(connect=False)
    seqs = [submission.result(TIMEOUT_SECONDS).dot.seq for submission in submissions]
    assert seqs == list(range(1, 101))
    assert running.sample("commit_items_count") == 1
    assert running.sample("commit_items_sum") == 100


def test_a_node_with_nothing_to_do_counts_no_commits(running: RunningReplica) -> None:
    """Time passes for it several times a second, which writes nothing; in the metrics it would hide the real ones."""
    ticks: list[bool] = []
    running.thread._ticked = lambda _: ticks.append(True)
    running.start(connect=False)
    running.wait(lambda: len(ticks) >= 3, "time passes")
    assert running.sample("commit_items_count") == 0
    running.put()
    assert (running.sample("commit_items_count"), running.sample("commit_items_sum")) == (1, 1)


def test_a_transaction_takes_no_more_than_its_limit(tmp_path: Path) -> None:
    """A burst is cut into transactions of the configured size."""
    with RunningReplica(tmp_path, commit_max_writes=10) as running:
        submissions = [running.submit(f"k{n}") for n in range(100)]
        running.start(connect=False)
        submissions[-1].result(TIMEOUT_SECONDS)
        running.wait(lambda: running.sample("commit_items_count") == 10, "ten transactions")


def test_a_request_is_answered_only_when_its_write_can_be_read(running: RunningReplica) -> None:
    """The value is in the store, and the clock that waiters and tokens see covers it."""
    running.start()
    for number in range(200):
        write = running.put("x", b"%d" % number)
        assert write.clock <= running.service.clock
        assert running.value("x") == b"%d" % number


def test_after_commit_is_called_when_all_before_it_is_durable(running: RunningReplica) -> None:
    """It finds in the store what was put before it, whatever comes behind it."""
    seen: list[tuple[bytes | None, int]] = []

    def look(replica: Replica) -> None:
        seen.append((running.value("k9"), replica.clock[running.service.replica]))

    for number in range(10):
        running.submit(f"k{number}", b"%d" % number)
    running.thread.put(AfterCommit(look))
    last = running.submit("later")
    running.start(connect=False)
    last.result(TIMEOUT_SECONDS)
    running.wait(lambda: bool(seen), "called")
    value, seq = seen[0]
    assert value == b"9"
    assert seq >= 10


def test_a_write_whose_context_is_not_reached_is_refused_and_the_others_are_not(running: RunningReplica) -> None:
    """One refused write in a transaction leaves no trace in it."""
    ahead = put_write(NODE2, 3).clock
    first, refused, last = running.submit("a"), running.submit("b", context=ahead), running.submit("c")
    running.start(connect=False)
    assert first.result(TIMEOUT_SECONDS).dot.seq == 1
    with pytest.raises(ContextNotReachedError) as error:
        refused.result(TIMEOUT_SECONDS)
    assert error.value.missing == EMPTY.missing(ahead)
    assert last.result(TIMEOUT_SECONDS).dot.seq == 2
    assert running.value("b") is None


def test_a_full_outbox_refuses_writes_until_the_broker_confirms(tmp_path: Path) -> None:
    """The limit is counted, and the same write succeeds later."""
    with RunningReplica(tmp_path, outbox_max_writes=3) as running:
        running.start(connect=False)
        for _ in range(3):
            running.put()
        with pytest.raises(LimitReachedError, match="CAUSALKV_OUTBOX_MAX_WRITES"):
            running.put()
        assert running.sample("limits_reached_total", limit="outbox_max_writes") == 1
        running.connect()
        running.wait(lambda: running.service.outbox_count == 0, "the outbox drained")
        assert running.put().dot.seq == 4


# ----------------------------------------------------------------------------------------- publishing


def test_refused_messages_are_offered_again_until_they_are_placed(tmp_path: Path) -> None:
    """A broker that takes nothing delays the writes and loses none."""
    with RunningReplica(tmp_path, pack_max_writes=1) as running:
        running.start()
        running.fanout.refuse("no room")
        for number in range(20):
            running.put(f"k{number}")
        running.wait(lambda: running.sample("messages_refused_total") > 0, "something was refused")
        assert running.service.outbox_count == 20
        running.fanout.refuse(None)
        running.wait(lambda: running.service.outbox_count == 0, "the outbox drained")
        running.wait(lambda: running.sample("writes_published_total") == 20, "all are counted")


def test_what_was_not_confirmed_is_published_after_an_outage(running: RunningReplica) -> None:
    """Writes that were made without a broker reach every queue, in their order, once it is there."""
    running.start()
    running.fanout.switch_off()
    running.wait(lambda: running.service.broker_state == "disconnected", "disconnected")
    for number in range(50):
        running.put(f"k{number}")
    assert running.service.outbox_count == 50
    running.fanout.switch_on()
    running.wait(lambda: running.service.outbox_count == 0, "the outbox drained")
    with running.fanout.changed:
        names = [waiting.message.message_id for waiting in running.fanout.queues["node2"]]
    assert names == sorted(names, key=lambda name: int(name.rpartition(":")[2]))
    assert names[0] == f"{running.service.replica}:1"


# ----------------------------------------------------------------------------------------- stopping


def test_stop_finishes_what_was_accepted(running: RunningReplica) -> None:
    """Every write that was in the inbox is durable and answered."""
    running.start(connect=False)
    submissions = [running.submit(f"k{n}") for n in range(1000)]
    assert running.thread.stop(TIMEOUT_SECONDS)
    assert [submission.result(0).dot.seq for submission in submissions] == list(range(1, 1001))


def test_a_write_after_stop_is_refused_at_once(running: RunningReplica) -> None:
    """It must not wait for a commit that never comes."""
    running.start(connect=False)
    running.thread.stop(TIMEOUT_SECONDS)
    with pytest.raises(UnavailableError, match="stopping"):
        running.submit().result(0)


def test_every_write_that_races_with_stop_is_answered(tmp_path: Path) -> None:
    """Made or refused, but never left to its timeout."""
    for attempt in range(20):
        with RunningReplica(tmp_path / str(attempt)) as running:
            running.start(connect=False)
            refused: list[bool] = []
            begin = threading.Barrier(5)

            def write(running: RunningReplica = running, begin: threading.Barrier = begin) -> None:
                begin.wait(TIMEOUT_SECONDS)
                with contextlib.suppress(UnavailableError):
                    while is_answered(running.submit()):
                        running.submit().result(AT_ONCE_SECONDS)
                    return
                refused.append(True)  # noqa: B023  # joined within the round

            writers = [threading.Thread(target=write) for _ in range(4)]
            for writer in writers:
                writer.start()
            begin.wait(TIMEOUT_SECONDS)
            running.thread.stop(TIMEOUT_SECONDS)
            for writer in writers:
                writer.join(TIMEOUT_SECONDS)
            assert len(refused) == 4


def test_stop_ends_although_messages_keep_coming(running: RunningReplica) -> None:
    """What arrives behind the stop stays in the queue; peers under load must not keep a node from stopping."""
    rounds = 0

    def come_again(_: Replica) -> None:
        nonlocal rounds
        rounds += 1
        running.thread.put(AfterCommit(come_again))

    # As with the prefetch: whatever is done with makes room for the next.
    for _ in range(20):
        running.thread.put(AfterCommit(come_again))
    running.start(connect=False)
    running.wait(lambda: rounds > 100, "the thread is busy")
    assert running.thread.stop(AT_ONCE_SECONDS)


# ----------------------------------------------------------------------------------------- failing


def is_answered(submission: Submission) -> bool:
    """Whether a write is answered at once, however; not left to its timeout."""
    started = time.monotonic()
    with contextlib.suppress(CausalKVError):
        submission.result(AT_ONCE_SECONDS)
    return time.monotonic() - started < AT_ONCE_SECONDS


def damage(running: RunningReplica, key: str) -> None:
    """Overwrite the record of a key with something else."""
    store = running.node.store
    with store._env.begin(write=True) as transaction:
        transaction.put(version_key(key), b"not a record", db=store._tables.versions)


def test_a_damaged_record_stops_the_node_cleanly(running: RunningReplica) -> None:
    """Who waits is answered, the reason is kept for the operator, and nothing more is accepted."""
    running.start(connect=False)
    running.put("good", b"1")
    running.put("bad", b"1")
    damage(running, "bad")
    with pytest.raises(OutcomeUnknownError):
        running.put("bad", b"2")
    assert running.node.ended.wait(TIMEOUT_SECONDS)
    assert isinstance(running.node.failure, StoreCorruptedError)
    with pytest.raises(UnavailableError):
        running.submit("good").result(0)
    assert running.value("good") == b"1"
    with pytest.raises(StoreCorruptedError):
        running.value("bad")


def test_a_fault_of_the_program_stops_the_node_instead_of_stalling_it(running: RunningReplica) -> None:
    """A thread that ended in silence would leave a node that answers /healthz and nothing else."""

    def fail(_: Replica) -> None:
        raise ZeroDivisionError

    running.start(connect=False)
    running.put()
    running.thread.put(Look(fail))
    late = running.submit("late")
    assert running.node.ended.wait(TIMEOUT_SECONDS)
    assert isinstance(running.node.failure, ReplicaFailedError)
    assert "ZeroDivisionError" in str(running.node.failure)
    assert is_answered(late)
