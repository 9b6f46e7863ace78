"""What can be put before the replica's thread, beside the events that the core knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.events import Confirmed, PublisherDown, PublisherUp
from node.submission import Submission
from node.transport.port import Delivery

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


Item = Submission | Delivery | PublisherUp | PublisherDown | Confirmed | PublishRefused | AfterCommit | Look
