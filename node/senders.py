"""Whether a message comes from the sender that it names: the broker's word for who published it decides.

The broker lets nobody set the property ``user_id`` to another name than that of the connection's user. So where each
node has a broker user of its own, named as the node, a message without it or with another one proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from node.core.dot import node_id_of
from node.errors import MessageRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterable

USER_MAX_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class SenderRule:
    """Who may speak for whom.

    ``node_users``: the members' names; a broker user of such a name speaks for that node alone, always.
    ``proof_required``: each node has a broker user of its own, so that nobody is believed without it.
    ``trusted_users``: those who are believed all the same, whomever they name.
    """

    node_users: frozenset[str] = frozenset()
    proof_required: bool = False
    trusted_users: frozenset[str] = frozenset()

    def with_members(self, nodes: Iterable[str]) -> SenderRule:
        """The same rule with these members."""
        return replace(self, node_users=frozenset(nodes))

    def check(self, sender: str, user_id: str | None) -> None:
        """Raise MessageRejectedError unless this broker user (None: not told) may speak for replica ``sender``."""
        node = node_id_of(sender)
        if user_id == node:
            return
        if not self.proof_required:
            # A shared user (guest) proves nothing, and passes.
            if user_id in self.node_users:
                raise _another(user_id, sender)
            return
        if user_id in self.trusted_users:
            return
        if user_id is None:
            raise MessageRejectedError(
                f"names {sender} as its sender without a proof: each node has a broker user of its own, so publish as "
                f"user {node}, with the property user_id"
            )
        raise _another(user_id, sender)


# Where nothing can be proved: over the in-process fanout, in tests.
ANYBODY = SenderRule()


def _another(user_id: str | None, sender: str) -> MessageRejectedError:
    return MessageRejectedError(
        f"published by user {str(user_id)[:USER_MAX_CHARACTERS]}, but names {sender} as its sender"
    )
