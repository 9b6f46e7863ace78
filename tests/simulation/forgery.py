"""Control messages of a stranger: well formed, plausible, and false."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.control import RepairGiven, SnapshotGiven
from node.core.dot import Dot
from node.core.hybrid_clock import HybridTimestamp
from node.core.versions import Version
from node.core.write import Put, Write

if TYPE_CHECKING:
    from node.core.control import ControlMessage
    from node.core.vector_clock import VectorClock

REQUEST = "guessed"


def forged_messages(origin: str, known: VectorClock) -> list[ControlMessage]:
    """The next write of ``origin``, as if it were a repair, and as if a snapshot contained it."""
    dot = Dot(origin, known[origin] + 1)
    clock = known.advanced_to(dot)
    timestamp = HybridTimestamp(1, 0)
    write = Write(dot, clock, timestamp, (Put("key0", b'"forged"'),))
    entries = (("key0", (Version(dot, clock, timestamp, b'"forged"'),)),)
    return [
        RepairGiven(origin, REQUEST, origin, (write,)),
        SnapshotGiven(origin, REQUEST, 0, clock, timestamp, entries, is_last=True),
    ]
