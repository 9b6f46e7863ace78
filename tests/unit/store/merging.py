"""Small builders for tests of merging a snapshot: a store, versions by name, and what stands in its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from node.core.dot import Dot
from node.core.hybrid_clock import HybridTimestamp
from node.core.places import Place
from node.core.vector_clock import VectorClock
from node.core.versions import Version, Versions
from node.store import Store

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 64 * 1024 * 1024
ENDLESS_KEYS = 1_000_000

State = dict[Place, Versions]
AnyState = Mapping[Place, Versions] | Mapping[str, Versions]


def open_store(path: Path) -> Store:
    """The store of node1 in this directory."""
    return Store(path, cluster="c", node="node1", max_bytes=MAX_BYTES)


def version(dot: Dot) -> Version:
    """The version that this dot names; later writes of a replica win."""
    return Version(dot, VectorClock({dot.replica: dot.seq}), HybridTimestamp(1_000 + dot.seq, 0), f'"{dot}"'.encode())


def versions(*names: str) -> Versions:
    """Siblings by their dots, ``p:3``, winner first."""
    dots = [Dot(replica, int(seq)) for replica, _, seq in (name.partition(":") for name in names)]
    return tuple(
        sorted((version(dot) for dot in dots), key=lambda each: (each.timestamp, each.dot.replica), reverse=True)
    )


def write_state(store: Store, state: AnyState) -> None:
    """Make this the store's content, key by key."""
    with store.transaction() as transaction:
        for key, siblings in state.items():
            transaction.set_versions(key, siblings)


def adopt(
    store: Store,
    there: AnyState,
    known_here: VectorClock,
    known_there: VectorClock,
) -> None:
    """Stage a peer's state, a key a part, each in a transaction of its own, and adopt it with the last."""
    stage(store, there)
    with store.transaction() as transaction:
        transaction.adopt_snapshot(known_here, known_there)


def stage(store: Store, there: AnyState) -> None:
    """Stage a peer's state, a key a part, each in a transaction of its own."""
    parts = [[entry] for entry in there.items()] or [[]]
    for number, part in enumerate(parts):
        with store.transaction() as transaction:
            transaction.stage_snapshot(part, is_first=number == 0)


def shown(store: Store) -> State:
    """Every key with its siblings, as a reader lists them; fails when one is listed twice or reads otherwise."""
    with store.reader() as cut:
        listed = list(cut.entries())
        state = dict(listed)
        assert len(state) == len(listed)
        assert {key: cut.versions(key) for key in state} == state
        return state


def records(store: Store) -> dict[bytes, bytes]:
    """What stands in the table of versions, byte for byte."""
    with store._env.begin() as transaction:
        return dict(transaction.cursor(db=store._tables.versions))


def staged_records(store: Store) -> int:
    """How many records of a snapshot are on the disk."""
    with store._env.begin() as transaction:
        return int(transaction.stat(store._tables.snapshot)["entries"])
