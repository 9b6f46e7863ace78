"""Dots and replica ids: names that are never used twice."""

from __future__ import annotations

import re
from typing import NamedTuple

NODE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
INCARNATION = re.compile(r"[a-z0-9]{4,16}")
REPLICA_ID = re.compile(rf"({NODE_ID.pattern})~({INCARNATION.pattern})")


class Dot(NamedTuple):
    """(replica id, sequence number): names one write for ever; sequence numbers start at 1, without holes."""

    replica: str
    seq: int

    def __str__(self) -> str:
        return f"{self.replica}:{self.seq}"


def replica_id(node_id: str, incarnation: str) -> str:
    """The replica id of one incarnation of a node, such as ``node1~t5k2m1``.

    The incarnation is made with the data directory: a node that lost its disk is a new replica, so
    that its counter can restart at 1 without naming two writes alike.
    """
    name = f"{node_id}~{incarnation}"
    if not REPLICA_ID.fullmatch(name):
        raise ValueError(f"{name!r} is not a replica id such as node1~t5k2m1")
    return name


def is_replica_id(text: str) -> bool:
    """Whether ``text`` has the form of a replica id."""
    return REPLICA_ID.fullmatch(text) is not None


def node_id_of(replica: str) -> str:
    """The node id inside a replica id: ``node1`` for ``node1~t5k2m1``."""
    return replica.partition("~")[0]


def incarnation_of(replica: str) -> str:
    """The incarnation inside a replica id: ``t5k2m1`` for ``node1~t5k2m1``."""
    return replica.partition("~")[2]
