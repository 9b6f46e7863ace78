"""What a replica's caller must do, once what it rests on is durable; the contract stands in ``events.py``."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.control import ControlMessage, RepairWanted, SnapshotWanted
    from node.core.dot import Dot
    from node.core.events import LocalWrite
    from node.core.vector_clock import SequenceRange, VectorClock
    from node.core.versions import Versions
    from node.core.write import Write


class Accepted(NamedTuple):
    """A local write is applied and in the outbox: answer the client.

    ``request`` is None when no client asked for it: the time of versions was over.
    """

    request: Any
    write: Write


class RefusalReason(enum.Enum):
    """Why a local write was not accepted."""

    CONTEXT_NOT_REACHED = "context not reached"
    OUTBOX_FULL = "outbox full"
    CONDITION_NOT_MET = "condition not met"
    REQUEST_ID_REUSED = "request id reused"
    REQUESTS_FULL = "requests full"


class RefusedWrite(NamedTuple):
    """A local write was not accepted; nothing changed.

    ``missing`` says what the context lacks here; ``current`` are the siblings for which the condition is not met.
    """

    request: Any
    reason: RefusalReason
    missing: dict[str, SequenceRange]
    current: Versions = ()


class Repeated(NamedTuple):
    """A request that was carried out before came again: answer the client as then; nothing changed."""

    request: Any
    write: Write


class Postponed(NamedTuple):
    """A local write cannot be made yet: whether this replica's name is safe is being asked."""

    write: LocalWrite


class Resumed(NamedTuple):
    """This replica's name is safe: give again what was postponed, in its order."""


class Publish(NamedTuple):
    """Send these writes of ``replica`` (this one, or a former incarnation) as one message.

    ``entries`` as the state's history gave them.
    """

    publish_id: int
    replica: str
    first_seq: int
    last_seq: int
    entries: Sequence[object]


class SayHello(NamedTuple):
    """Publish a hello, behind everything that was published."""

    replica: str
    session: str


class Tell(NamedTuple):
    """Send a control message to one node, or (None) to everybody; best effort."""

    target: str | None
    message: ControlMessage


class GiveRepair(NamedTuple):
    """Send these writes, as the state's history gave them, to the node that asked for them."""

    target: str
    wanted: RepairWanted
    entries: Sequence[object]


class GiveSnapshot(NamedTuple):
    """Send this part of a snapshot to the node that asked for it."""

    target: str
    wanted: SnapshotWanted


class Applied(NamedTuple):
    """A received write took effect; ``held_since_ms`` (wall clock) is when it began to wait, None if it did not."""

    write: Write
    held_since_ms: int | None


class HeldBack(NamedTuple):
    """A received write waits in the causal buffer, now for ``waits_for``."""

    write: Write
    waits_for: Dot


class Dropped(NamedTuple):
    """Received writes change nothing: they were applied or held already, or are own echoes.

    ``dot`` names the last of ``writes``, which follow each other when there are several.
    """

    dot: Dot
    own_echo: bool
    writes: int = 1


class ConflictArisen(NamedTuple):
    """Since write ``dot`` the key holds several versions, which it did not before: they are concurrent."""

    key: str
    dot: Dot


class ConflictResolved(NamedTuple):
    """Since write ``dot`` the key holds one version at most, and held several before."""

    key: str
    dot: Dot


class RepairAsked(NamedTuple):
    """These writes are missing here, and ``peer`` was asked for them."""

    peer: str
    wanted: RepairWanted


class Repaired(NamedTuple):
    """Node ``peer`` gave these missing writes of ``origin``."""

    peer: str
    origin: str
    seqs: Sequence[int]


class PublishConfirmed(NamedTuple):
    """The writes ``first_seq`` to ``last_seq`` of ``replica`` are in every member's queue."""

    replica: str
    first_seq: int
    last_seq: int


class Acknowledge(NamedTuple):
    """What the delivery contained is durable here: the queue may forget it."""

    delivery: Any


class Reject(NamedTuple):
    """The delivery cannot be what it claims to be: put it where operators look."""

    delivery: Any
    reason: str


class Distrusted(NamedTuple):
    """A control message of ``sender`` was dropped: it cannot be true, or nobody asked for it."""

    sender: str
    reason: str


class PeerTold(NamedTuple):
    """A node told its clock."""

    node: str


class TwinSeen(NamedTuple):
    """Another process runs under this node's id; ``replica`` is its replica id."""

    replica: str


class IncarnationTaken(NamedTuple):
    """From now on this node writes as ``replica``: to go on as ``former`` would not have been safe."""

    former: str
    replica: str
    reason: str


class MembersChanged(NamedTuple):
    """The members are now these; ``removed`` is the node that was taken out here and now, if any."""

    nodes: Sequence[str]
    removed: str | None = None


class RemovalAnswered(NamedTuple):
    """What became of ``RemoveMember``: ``refusal`` says why not, None: the node is out."""

    request: Any
    refusal: str | None


class SnapshotBegun(NamedTuple):
    """History does not reach back to what is missing here: ``peer`` was asked for a snapshot."""

    peer: str


class SnapshotStaged(NamedTuple):
    """Another part of the snapshot is stored."""

    peer: str
    parts: int
    keys: int


class SnapshotAdopted(NamedTuple):
    """The snapshot is merged: everything in ``clock`` is applied here."""

    peer: str
    keys: int
    clock: VectorClock


class SnapshotRefused(NamedTuple):
    """What ``peer`` sent is no sound snapshot: it is dropped, and another peer is asked."""

    peer: str
    reason: str


Effect = (
    Accepted
    | RefusedWrite
    | Repeated
    | Postponed
    | Resumed
    | Publish
    | SayHello
    | Tell
    | GiveRepair
    | GiveSnapshot
    | Applied
    | HeldBack
    | Dropped
    | ConflictArisen
    | ConflictResolved
    | RepairAsked
    | Repaired
    | PublishConfirmed
    | Acknowledge
    | Reject
    | Distrusted
    | PeerTold
    | TwinSeen
    | IncarnationTaken
    | MembersChanged
    | RemovalAnswered
    | SnapshotBegun
    | SnapshotStaged
    | SnapshotAdopted
    | SnapshotRefused
)
