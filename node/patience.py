"""What the replica's thread may let wait for a moment: nobody asks for it, and with what comes next it costs no turn.

At a few hundred writes a second each turn of that thread serves one thing. A write would have three: its own, one for
the broker's confirmation, and one for its message, which the fanout brings back; and the two later ones would stand
in the way of the write that follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.events import Confirmed
from node.transport.port import Delivery

if TYPE_CHECKING:
    from node.core.replica import Replica
    from node.inbox import Item


def can_wait(item: Item, replica: Replica, window_messages: int, *, is_asked: bool) -> bool:
    """Whether nothing is held up while this stays in the inbox.

    ``window_messages`` may be unconfirmed at a time; ``is_asked``: some request waits until its write is confirmed.
    """
    if is_asked:
        return False  # what is acknowledged soon, the broker confirms soon
    if isinstance(item, Confirmed):
        return replica.unconfirmed_messages < window_messages
    # A message that only says to be this replica's own is read a moment later, like any other.
    return isinstance(item, Delivery) and (item.message_id or "").startswith(f"{replica.replica}:")
