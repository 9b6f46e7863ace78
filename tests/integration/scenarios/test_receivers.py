"""Nodes that receive late, or not at all for a while: the others go on, and nothing is missing afterwards."""

from __future__ import annotations

import os
import signal
import statistics
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

    Away = Callable[[NodeUnderTest], AbstractContextManager[None]]

pytestmark = pytest.mark.broker

CONTEXT = "X-Causal-Context"
WRITES = 150
CATCH_UP_SECONDS = 20.0
# One put takes about a millisecond; a machine with other things to do is forgiven much, a wait for the peer is not.
SLOWDOWN_MAX = 5.0
LONGEST_PUT_SECONDS = 10.0


@contextmanager
def stopped(node: NodeUnderTest) -> Iterator[None]:
    """The process does nothing inside of the block, and does not know it."""
    os.kill(node.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.pid, signal.SIGCONT)


@contextmanager
def down(node: NodeUnderTest) -> Iterator[None]:
    """The process is ended in order before the block, and started after it."""
    assert node.terminate() == 0
    yield
    node.start()
    node.wait_ready()


def put_seconds(node: NodeUnderTest, count: int) -> list[float]:
    """How long so many puts took, each."""
    durations = []
    for number in range(count):
        started = time.perf_counter()
        node.put(f"key{number % 10}", number).raise_for_status()
        durations.append(time.perf_counter() - started)
    return durations


@pytest.mark.parametrize("away", [stopped, down])
def test_receiver_stopped_while_others_write(cluster: ClusterUnderTest, away: Away) -> None:
    """Two nodes answer each other some hundred times; the third then has it all, in order and to the last one."""
    node1, node2, node3 = cluster
    token = ""
    with away(node3):
        for number in range(WRITES):
            writer = (node1, node2)[number % 2]
            token = writer.put(f"key{number % 10}", number, token).raise_for_status().headers[CONTEXT]
    wait_until(lambda: node3.get("key9", token).status_code == 200, "node3 caught up", CATCH_UP_SECONDS, node3.log_tail)
    assert [node3.get(f"key{place}", token).json()["value"] for place in range(10)] == list(range(WRITES - 10, WRITES))
    cluster.quiesce([f"key{place}" for place in range(10)])


def test_a_slow_node_does_not_slow_the_others_local_writes(cluster: ClusterUnderTest) -> None:
    """A put costs its own node's disk and nothing else: while a peer stands still, it costs the same."""
    node1, _, node3 = cluster
    put_seconds(node1, WRITES)  # warm
    before = put_seconds(node1, WRITES)
    with stopped(node3):
        during = put_seconds(node1, WRITES)
    wait_until(cluster.is_quiet, "the cluster is quiet", CATCH_UP_SECONDS)
    after = put_seconds(node1, WRITES)
    usual = max(statistics.median(before), statistics.median(after))
    # A put that waited for the peer would take as long as it stands still; this machine may just have more to do.
    assert statistics.median(during) <= SLOWDOWN_MAX * usual + 0.1
    assert max(during) < LONGEST_PUT_SECONDS
    cluster.quiesce([f"key{place}" for place in range(10)])
