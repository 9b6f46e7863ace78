"""A data directory that a node filled long ago, made without running the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.clocks import steady_ms
from node.core.anti_entropy import AntiEntropyLimits
from node.core.effects import Publish
from node.core.events import Confirmed, EndOfTransaction, LocalWrite, PublisherUp
from node.core.local_writes import LocalWriteLimits
from node.core.naming import Start
from node.core.replica import Replica, ReplicaLimits
from node.core.vector_clock import VectorClock
from node.core.write import Put
from node.store import Store
from node.store.identity import new_name

if TYPE_CHECKING:
    from pathlib import Path

STORE_MAX_BYTES = 64 * 2**30
WRITES_IN_A_TRANSACTION = 10_000


def fill_store(path: Path, *, cluster: str, node: str, keys: int, published: bool = True) -> None:
    """Make ``node`` have written this many keys; ``published``: and have told everybody, long ago."""
    store = Store(path, cluster=cluster, node=node, max_bytes=STORE_MAX_BYTES)
    limits = ReplicaLimits(
        local_writes=LocalWriteLimits(outbox_max_writes=keys + 1),
        pack_max_writes=WRITES_IN_A_TRANSACTION,
        pack_max_bytes=2**30,
        anti_entropy=AntiEntropyLimits(history_keep_writes=keys),
    )
    start = Start("filled", (node,), is_new=True, url="", steady_ms=steady_ms(), new_name=new_name)
    replica = Replica(store.load(), limits, start)
    with store.transaction() as transaction:
        if published:
            replica.step(PublisherUp(), transaction)
    empty = VectorClock()
    for begin in range(0, keys, WRITES_IN_A_TRANSACTION):
        with store.transaction() as transaction:
            for n in range(begin, min(begin + WRITES_IN_A_TRANSACTION, keys)):
                put = Put(f"key{n:09}", b'"value-%d"' % n)
                replica.step(LocalWrite(None, (put,), empty, 1_700_000_000_000), transaction)
            effects = replica.step(EndOfTransaction(), transaction)
            replica.step(Confirmed([e.publish_id for e in effects if isinstance(e, Publish)]), transaction)
            replica.step(EndOfTransaction(), transaction)
    store.close()
