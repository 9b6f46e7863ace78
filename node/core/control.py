"""What replicas tell each other beside their writes: how far they are, who is a member, and what they miss.

Nothing here is needed for safety. Any of it may be lost, late, repeated, or made up; a reader checks what it
uses and asks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.places import Place
    from node.core.vector_clock import SequenceRange, VectorClock
    from node.core.versions import Versions
    from node.core.write import Write


class MemberChange(NamedTuple):
    """Since ``at_ms`` (wall clock of whoever changed it, ms since 1970) ``node`` is a member, or is not.

    Of two changes of one node the later one holds; at the same instant the removal. A removal names the replica that
    was taken out, if it was known: the same node with another data directory may join again.
    """

    node: str
    at_ms: int
    is_member: bool
    replica: str = ""


class ClockTold(NamedTuple):
    """Replica ``sender`` has applied ``clock``, and keeps no history up to ``trimmed``.

    ``session`` is random, made at each start of a process: two of them at a time for one node are two processes.
    ``wall_ms`` is the sender's wall clock. With ``asks``, every reader tells its own clock as soon as it has applied
    that much; the empty clock asks for an answer at once.
    """

    sender: str
    session: str
    clock: VectorClock
    trimmed: VectorClock
    changes: tuple[MemberChange, ...]
    url: str
    wall_ms: int
    asks: VectorClock | None = None


class HelloSeen(NamedTuple):
    """``sender`` came to the hello of ``session`` in its queue, and by then knew ``seen`` writes of ``replica``."""

    sender: str
    session: str
    replica: str
    seen: int


class RepairWanted(NamedTuple):
    """Replica ``sender`` asks for these writes of ``origin``."""

    sender: str
    request: str
    origin: str
    ranges: tuple[SequenceRange, ...]


class RepairGiven(NamedTuple):
    """Writes of ``origin`` that ``sender`` had and somebody missed, in sequence order; not always all of them."""

    sender: str
    request: str
    origin: str
    writes: tuple[Write, ...]


class SnapshotWanted(NamedTuple):
    """Replica ``sender`` asks for part ``part`` (from 0) of a snapshot; part 0 begins it."""

    sender: str
    request: str
    part: int


class SnapshotGiven(NamedTuple):
    """Part ``part`` of the state of ``sender`` at ``clock``: places, each with all of its siblings, none twice."""

    sender: str
    request: str
    part: int
    clock: VectorClock
    timestamp: HybridTimestamp
    entries: tuple[tuple[Place, Versions], ...]
    is_last: bool


ControlMessage = ClockTold | HelloSeen | RepairWanted | RepairGiven | SnapshotWanted | SnapshotGiven
