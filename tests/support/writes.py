"""Small builders of core values, for tests that need a write and do not care which."""

from __future__ import annotations

from node.core.dot import Dot
from node.core.hybrid_clock import HybridTimestamp
from node.core.vector_clock import VectorClock
from node.core.write import Delete, Operation, Put, Write

NODE1 = "node1~aaaaaa"
NODE2 = "node2~bbbbbb"
NODE3 = "node3~cccccc"


def put_write(replica: str, seq: int, key: str = "x", value: bytes = b'"5"', **seen: int) -> Write:
    """A write of one put; ``seen`` names other replicas by node: ``node2=3`` means three writes of NODE2."""
    return write_of(replica, seq, (Put(key, value),), **seen)


def delete_write(replica: str, seq: int, key: str = "x", **seen: int) -> Write:
    """A write of one delete."""
    return write_of(replica, seq, (Delete(key),), **seen)


def write_of(replica: str, seq: int, operations: tuple[Operation, ...], **seen: int) -> Write:
    """A write with these operations."""
    others = {"node1": NODE1, "node2": NODE2, "node3": NODE3}
    clock = VectorClock({**{others[node]: count for node, count in seen.items()}, replica: seq})
    return Write(Dot(replica, seq), clock, HybridTimestamp(1_700_000_000_000 + seq, 0), operations)
