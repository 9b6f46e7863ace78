"""An adopted snapshot is carried over by the replica's thread: beside the writes, and whatever happens to the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.core.dot import Dot
from node.core.hybrid_clock import HybridTimestamp
from node.core.vector_clock import VectorClock
from node.core.versions import Version, Versions
from node.errors import StoreFullError
from node.replica_thread import ReplicaThread
from tests.support.writes import NODE2
from tests.unit.shell.running import SMALL_STORE_BYTES, RunningReplica
from tests.unit.store.merging import staged_records

if TYPE_CHECKING:
    from pathlib import Path

KEYS = 2_000


def state_of_a_peer(keys: int, value_bytes: int) -> dict[str, Versions]:
    """So many keys, each put by NODE2."""
    value = b'"' + b"v" * value_bytes + b'"'
    return {
        f"k{n:06}": (Version(Dot(NODE2, n + 1), VectorClock({NODE2: n + 1}), HybridTimestamp(1_000 + n, 0), value),)
        for n in range(keys)
    }


def adopt_snapshot(running: RunningReplica, keys: int = KEYS, value_bytes: int = 10) -> None:
    """What a snapshot of a peer leaves in the store of a replica that is not started yet."""
    clock = VectorClock({NODE2: keys})
    store = running.node.store
    with store.transaction() as transaction:
        transaction.stage_snapshot(list(state_of_a_peer(keys, value_bytes).items()), is_first=True)
        transaction.adopt_snapshot(VectorClock(), clock)
        transaction.save(clock, HybridTimestamp(1_000 + keys, 0), 0)


def test_a_snapshot_is_carried_over_while_nothing_else_is_to_do(tmp_path: Path) -> None:
    """Without anybody asking; reads show all of it from the first moment on."""
    with RunningReplica(tmp_path) as running:
        adopt_snapshot(running)
    with RunningReplica(tmp_path, cluster=running.cluster) as running:
        assert running.node.store.merges_snapshot
        running.start(connect=False)
        assert running.value(f"k{KEYS - 1:06}") is not None
        running.wait(lambda: not running.node.store.merges_snapshot, "carried over")
        assert staged_records(running.node.store) == 0
        assert running.service.clock[NODE2] == KEYS
        assert all(running.value(f"k{n:06}") is not None for n in range(0, KEYS, 100))


def test_writes_go_on_while_a_snapshot_is_carried_over(tmp_path: Path) -> None:
    """A turn for each: what they write stands."""
    with RunningReplica(tmp_path) as running:
        adopt_snapshot(running)
        submissions = [running.submit(f"k{n:06}", b"%d" % n) for n in range(0, KEYS, 10)]
        running.start(connect=False)
        for submission in submissions:
            submission.result(10)
        running.wait(lambda: not running.node.store.merges_snapshot, "carried over")
        assert [running.value(f"k{n:06}") for n in range(0, KEYS, 10)] == [b"%d" % n for n in range(0, KEYS, 10)]
        assert running.value("k000001") == b'"' + b"v" * 10 + b'"'


def test_carrying_over_waits_for_room_and_does_not_spin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads show everything meanwhile; it goes on without a restart when there is room again."""
    turns = 0
    carry_over = ReplicaThread._carry_over

    def counted(thread: ReplicaThread) -> None:
        nonlocal turns
        turns += 1
        carry_over(thread)

    monkeypatch.setattr(ReplicaThread, "_carry_over", counted)
    with RunningReplica(tmp_path, store_max_bytes=SMALL_STORE_BYTES) as running:
        adopt_snapshot(running, 110, 100_000)
        running.start(connect=False)
        running.wait(lambda: running.thread._full.retry_at is not None, "there is no room")
        before = turns
        running.wait(lambda: turns > before + 3, "ticks pass")
        # A few turns a second, for ticks and tries; a thread that spins makes thousands.
        assert turns < before + 100
        with pytest.raises(StoreFullError):
            running.put("x", b"1")
        assert running.value("k000109") is not None
        running.make_room()
        running.wait(lambda: not running.node.store.merges_snapshot, "carried over")
        assert running.value("k000109") is not None
        assert staged_records(running.node.store) == 0
        running.wait_out_the_retry()
        assert running.put("x", b"1").dot.seq == 1
