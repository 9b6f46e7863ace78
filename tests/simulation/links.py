"""What the simulated broker keeps for each node: its publishing connection, its queue, its consumer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from node.core.write import Write


class Ticket(NamedTuple):
    """The sender's name for one publish: which start of its replica made it, and that replica's number for it."""

    generation: int
    publish_id: int


class DeliveryTag(NamedTuple):
    """A delivery's name; one of a former connection means nothing any more."""

    epoch: int
    number: int


class Hello(NamedTuple):
    """The question of a replica whether its name is safe."""

    replica: str
    session: str


Payload = Hello | tuple["Write", ...]


class Member(Protocol):
    """What the network tells a node."""

    def publisher_up(self) -> None:
        """Publishing is possible."""

    def publisher_down(self) -> None:
        """Publishing is not possible; what was not confirmed is unknown."""

    def publish_confirmed(self, ticket: Ticket) -> None:
        """Every queue has the message."""

    def publish_refused(self, ticket: Ticket) -> None:
        """The broker did not take the message."""

    def delivered(self, tag: DeliveryTag, payload: Payload) -> None:
        """A message came out of the node's queue."""

    def queue_deleted(self) -> None:
        """The node's queue is gone, and its consumer with it."""


class Message(NamedTuple):
    """What travels; ``number`` rises with the order of publishing."""

    number: int
    sender: str
    payload: Payload

    @property
    def is_hello(self) -> bool:
        """Whether it must not overtake what its sender published before."""
        return isinstance(self.payload, Hello)


@dataclass(slots=True)
class Transit:
    """A published message on its way into the queues."""

    message: Message
    ticket: Ticket | None
    """None: nobody waits for its confirmation."""
    epoch: int
    awaited: list[str]
    """The queues that do not have it yet."""
    lost: list[str] = field(default_factory=list)
    refused: bool = False


@dataclass(slots=True)
class Link:
    """One node's publishing connection, its queue and its consumer."""

    member: Member
    is_declared: bool = False
    """Whether the queue exists."""
    publisher_up: bool = False
    publisher_silent: bool = False
    """The connection is dead, and nobody has noticed."""
    publisher_epoch: int = 0
    transits: list[Transit] = field(default_factory=list)
    published: set[object] = field(default_factory=set)
    consumer_up: bool = False
    consumer_silent: bool = False
    consumer_epoch: int = 0
    delivery_number: int = 0
    ready: list[tuple[Message, bool]] = field(default_factory=list)
    """(message, whether it was delivered before)."""
    unacked: dict[int, Message] = field(default_factory=dict)
    acks_under_way: list[int] = field(default_factory=list)
    latest: dict[str, int] = field(default_factory=dict)
    """By sender: the greatest message number delivered."""
    arrives_us: dict[str, int] = field(default_factory=dict)
    """By sender: when the last of its copies on the way is in the queue."""
    delivers_us: dict[str, int] = field(default_factory=dict)
    """By sender: when the last of its messages on the way is with the consumer."""

    def empty(self) -> int:
        """Lose everything in the queue; returns how many messages that were."""
        count = len(self.ready) + len(self.unacked)
        self.ready.clear()
        self.unacked.clear()
        self.acks_under_way.clear()
        return count
