"""What happens to a replica (events), and what its caller must do about it (effects).

The caller's contract, numbered; the guarantees rest on it:

1. Give events to ``Replica.step`` one after the other, from one thread.
2. Collect the effects of as many steps as you like in one transaction of the state; end it with
   ``EndOfTransaction``, which saves the replica's position and packs what waits; commit it durably.
3. Only after the commit carry out the effects, in order. A crash between any two of them is safe.
4. When a commit fails, carry out none of the effects and rebuild the replica from what is saved;
   answer the local writes with the failure, give ``PublisherUp`` if the link is up, and the other events again.
   A rebuilt replica numbers its messages from 1: no outcome of an earlier one's message may reach it.
5. ``Publish`` in the order given; tell every confirmation by ``Confirmed``. When the transport refuses a message
   or loses the link, give ``PublisherDown``; after the next ``PublisherUp`` everything unconfirmed is offered again.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.dot import Dot
    from node.core.vector_clock import SequenceRange, VectorClock
    from node.core.write import Operation, Write

# ----------------------------------------------------------------------------------------- events


class LocalWrite(NamedTuple):
    """A client's request to write; ``request`` is the caller's own handle, returned in the answer.

    ``context`` is what the client has seen: the write happens after all of it.
    """

    request: Any
    operations: tuple[Operation, ...]
    context: VectorClock
    now_ms: int


class Received(NamedTuple):
    """A message with these writes came out of this node's queue; ``delivery`` is the caller's handle."""

    delivery: Any
    writes: Sequence[Write]
    now_ms: int


class Echoed(NamedTuple):
    """A message of this very replica came back from the fanout, naming its own writes by their sequence numbers."""

    delivery: Any
    seqs: Sequence[int]


class PublisherUp(NamedTuple):
    """Publishing is possible (again)."""


class PublisherDown(NamedTuple):
    """Publishing is impossible; what became of unconfirmed messages is unknown."""


class Confirmed(NamedTuple):
    """The transport holds these messages durably for every member."""

    publish_ids: Sequence[int]


class EndOfTransaction(NamedTuple):
    """All events of this transaction are in: save the position; pack and publish what waits."""


Event = LocalWrite | Received | Echoed | PublisherUp | PublisherDown | Confirmed | EndOfTransaction

# ---------------------------------------------------------------------------------------- effects


class Accepted(NamedTuple):
    """A local write is applied and in the outbox: answer the client."""

    request: Any
    write: Write


class RefusalReason(enum.Enum):
    """Why a local write was not accepted."""

    CONTEXT_NOT_REACHED = "context not reached"
    OUTBOX_FULL = "outbox full"


class RefusedWrite(NamedTuple):
    """A local write was not accepted; nothing changed. ``missing`` says what the context lacks here."""

    request: Any
    reason: RefusalReason
    missing: dict[str, SequenceRange]


class Publish(NamedTuple):
    """Send these own writes as one message; ``entries`` as the state's history gave them."""

    publish_id: int
    first_seq: int
    last_seq: int
    entries: Sequence[object]


class Applied(NamedTuple):
    """A received write took effect; ``held_since_ms`` is when it began to wait, None if it did not."""

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


class PublishConfirmed(NamedTuple):
    """Own writes ``first_seq`` to ``last_seq`` are in every member's queue."""

    first_seq: int
    last_seq: int


class Acknowledge(NamedTuple):
    """What the delivery contained is durable here: the queue may forget it."""

    delivery: Any


class Reject(NamedTuple):
    """The delivery cannot be what it claims to be: put it where operators look."""

    delivery: Any
    reason: str


Effect = Accepted | RefusedWrite | Publish | Applied | HeldBack | Dropped | PublishConfirmed | Acknowledge | Reject
