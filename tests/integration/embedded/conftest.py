"""Embedded replicas over the in-process fanout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from node import Replica
from node.faults import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIMEOUT_SECONDS = 15.0


@pytest.fixture
def make(tmp_path: Path, cluster_name: str) -> Callable[..., Replica]:
    """Make a replica of a cluster of node1 and node2, not started; any setting may be given."""

    def replica(name: str = "node1", **settings: Any) -> Replica:
        common = {"nodes": ("node1", "node2"), "amqp_url": "memory://", "cluster": cluster_name}
        return Replica(name, **{**common, "data_dir": tmp_path / name, **settings})

    return replica


@pytest.fixture
def replica(make: Callable[..., Replica]) -> Iterator[Replica]:
    """One replica that runs alone."""
    with make(nodes=("node1",)) as running:
        yield running


@pytest.fixture
def pair(make: Callable[..., Replica]) -> Iterator[tuple[Replica, Replica]]:
    """Two replicas of one cluster in this process, with faults on."""
    with make("node1", faults=True) as one, make("node2", faults=True) as two:
        one.wait_ready(TIMEOUT_SECONDS)
        two.wait_ready(TIMEOUT_SECONDS)
        yield one, two


def delay(replica: Replica, node: str, seconds: float) -> None:
    """What comes from a node arrives late at a replica."""
    _change_faults(replica, Change(delay={node: seconds}))


def release(replica: Replica) -> None:
    """Let it all through."""
    _change_faults(replica, Change(clear=True))


def _change_faults(replica: Replica, change: Change) -> None:
    assert replica._engine is not None
    assert replica._engine.faults is not None
    replica._engine.faults.change(change)
