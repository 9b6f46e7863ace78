"""Hands for the tests of healing: many writes, lost messages, data directories copied and put back."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pika

from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.broker import PrivateBroker
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

# What the project promises for every kind of loss.
HEAL_SECONDS = 15.0


def put_all(node: NodeUnderTest, prefix: str, count: int) -> list[str]:
    """Put ``prefix0`` and so on, each with its own name as value; returns the keys."""
    keys = [f"{prefix}{number}" for number in range(count)]
    for key in keys:
        node.put(key, key).raise_for_status()
    return keys


def assert_everywhere(cluster: ClusterUnderTest, keys: Iterable[str], timeout_seconds: float = HEAL_SECONDS) -> None:
    """The cluster heals within the time, and every node has these keys with their values."""
    cluster.quiesce((), timeout_seconds)
    for key in keys:
        for node in cluster:
            answer = node.get(key)
            assert answer.status_code == 200, (node.name, key, answer.text)
            assert answer.json()["value"] == key


def messages_in(broker: PrivateBroker, queue: str) -> int:
    """How many messages a queue holds, those on their way to a consumer included."""
    for line in broker.ctl("list_queues", "name", "messages").splitlines():
        name, _, count = line.partition("\t")
        if name == queue:
            return int(count)
    return 0


def delete_message(broker: PrivateBroker, queue: str, position: int) -> bytes:
    """Take one message out of a queue without a consumer, and leave the others; returns its body."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    try:
        channel = connection.channel()
        taken = [channel.basic_get(queue) for _ in range(position + 1)]
        method, _, body = taken[-1]
        assert method is not None, f"{queue} has no message at {position}"
        channel.basic_ack(method.delivery_tag)
        return bytes(body)
    finally:
        connection.close()  # the others go back to their places


def repairs(node: NodeUnderTest) -> list[dict[str, Any]]:
    """What a node says that it was given by its peers."""
    found: list[dict[str, Any]] = node.status()["healing"]["repairs"]
    return found


def metric(node: NodeUnderTest, name: str) -> float:
    """The value of a metric without labels."""
    for line in node.http.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def copy_directory(source: Path, target: Path) -> None:
    """A copy as a backup tool makes it, in place of what is there."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def wait_clock(node: NodeUnderTest, total: int, timeout_seconds: float = HEAL_SECONDS) -> None:
    """Wait until a node has applied this many writes in all."""
    wait_until(
        lambda: sum(node.status()["clock"].values()) >= total,
        f"{node.name} has {total} writes",
        timeout_seconds,
        node.log_tail,
    )
