"""What happens to a replica; what its caller must do about it stands in ``effects.py``.

The caller's contract, numbered; the guarantees rest on it:

1. Give events to ``Replica.step`` one after the other, from one thread.
2. Collect the effects of as many steps as you like in one transaction of the state; end it with
   ``EndOfTransaction``, which saves the replica's position and packs what waits; commit it durably.
3. Only after the commit carry out the effects, in order. A crash between any two of them is safe.
4. When a commit fails, carry out none of the effects and rebuild the replica (``Replica.rebuilt``) from what is saved;
   answer the local writes with the failure, give ``PublisherUp`` if the link is up, and the other events again.
   A rebuilt replica numbers its messages from 1: no outcome of an earlier one's message may reach it.
5. ``Publish`` in the order given; tell every confirmation by ``Confirmed``. When the transport refuses a message
   or loses the link, give ``PublisherDown``; after the next ``PublisherUp`` everything unconfirmed is offered again.
6. Give ``Tick`` a few times a second. Repair, trimming, and the question whether the name is safe go by it.
7. Keep what was ``Postponed``, and give it again after ``Resumed``.

Two times come in with events: ``wall_ms`` (ms since 1970, may jump) and ``steady_ms`` (never goes back, of this
process alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.conditions import Condition
    from node.core.control import ControlMessage
    from node.core.dot import Dot
    from node.core.vector_clock import VectorClock
    from node.core.write import Operation, Write


class LocalWrite(NamedTuple):
    """A client's request to write; ``request`` is the caller's own handle, returned in the answer.

    ``context`` is what the client has seen: the write happens after all of it. ``request_id`` is the client's name for
    the request, under which it may come again; ``condition`` must be met, or nothing is written.
    """

    request: Any
    operations: tuple[Operation, ...]
    context: VectorClock
    wall_ms: int
    request_id: str = ""
    condition: Condition | None = None


class Received(NamedTuple):
    """A message with these writes came out of this node's queue; ``delivery`` is the caller's handle."""

    delivery: Any
    writes: Sequence[Write]
    wall_ms: int


class Echoed(NamedTuple):
    """A message of this very replica came back from the fanout with writes up to ``last``, which are applied here."""

    delivery: Any
    last: Dot
    writes: int


class HelloReceived(NamedTuple):
    """A hello came out of this node's queue: ``session`` asks how many writes of ``replica`` are known here."""

    delivery: Any
    replica: str
    session: str


class PublisherUp(NamedTuple):
    """Publishing is possible (again)."""


class PublisherDown(NamedTuple):
    """Publishing is impossible; what became of unconfirmed messages is unknown."""


class Confirmed(NamedTuple):
    """The transport holds these messages durably for every member."""

    publish_ids: Sequence[int]


class ControlUp(NamedTuple):
    """Control messages can be sent and heard (again)."""


class Heard(NamedTuple):
    """A control message came; anybody may have made it."""

    message: ControlMessage
    steady_ms: int
    wall_ms: int


class Tick(NamedTuple):
    """Time has passed."""

    steady_ms: int
    wall_ms: int


class AskEverybody(NamedTuple):
    """Somebody waits until all members have applied an own write: let them say so at once."""

    dot: Dot
    wall_ms: int


class RemoveMember(NamedTuple):
    """An operator takes a node out of the cluster for good; ``forced``: also while it is alive."""

    request: Any
    node: str
    forced: bool
    steady_ms: int
    wall_ms: int


class EndOfTransaction(NamedTuple):
    """All events of this transaction are in: save the position; pack and publish what waits."""


Event = (
    LocalWrite
    | Received
    | Echoed
    | HelloReceived
    | PublisherUp
    | PublisherDown
    | Confirmed
    | ControlUp
    | Heard
    | Tick
    | AskEverybody
    | RemoveMember
    | EndOfTransaction
)
