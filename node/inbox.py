"""What can be put before the replica's thread, beside the events that the core knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.events import AskEverybody, Confirmed, ControlUp, PublisherDown, PublisherUp, Tick
from node.submission import Removal, Submission
from node.transport.port import ControlDelivery, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.replica import Replica


class AfterCommit(NamedTuple):
    """Call this on the replica's thread, once everything that was put before it is durable."""

    function: Callable[[Replica], None]


class Look(NamedTuple):
    """Call this on the replica's thread soon, whether or not anything can be made durable."""

    function: Callable[[Replica], None]


class PublishRefused(NamedTuple):
    """The transport could not place a message: offer again everything unconfirmed, a little later."""

    reason: str


class ControlReceived(NamedTuple):
    """A control message; ``taken`` is to be called when it waits no longer."""

    delivery: ControlDelivery
    taken: Callable[[], None]


Item = (
    Submission
    | Removal
    | Delivery
    | ControlReceived
    | PublisherUp
    | PublisherDown
    | Confirmed
    | PublishRefused
    | ControlUp
    | AskEverybody
    | Tick
    | AfterCommit
    | Look
)
