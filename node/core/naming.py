"""Asking whether this replica's name is safe, telling others of theirs, and noticing a second process under it.

``identity.py`` says why and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.control import ClockTold, HelloSeen
from node.core.delivery import CausalDelivery
from node.core.dot import node_id_of
from node.core.effects import Acknowledge, Effect, Resumed, SayHello, Tell, TwinSeen
from node.core.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.control import ControlMessage
    from node.core.events import HelloReceived
    from node.core.identity import IdentityLimits
    from node.core.members import Members
    from node.core.replica import Replica
    from node.core.state import ReplicaState


class Start(NamedTuple):
    """What is true of this process alone.

    ``session`` is random. ``is_new``: the data directory was made just now, so that its name was never used.
    ``is_restored``: an operator says that it is an old copy, and that nobody may be left who knows better.
    ``new_name`` makes random names, as an incarnation is made of. ``delivery``: another one than
    the causal one is for finding out whether that is noticed (``unsafe_delivery.py``).
    """

    session: str
    founding: tuple[str, ...]
    is_new: bool
    url: str
    steady_ms: int
    new_name: Callable[[], str]
    delivery: type[CausalDelivery] = CausalDelivery
    is_restored: bool = False


class Naming:
    """The part of a replica that cares for its name."""

    def __init__(self, replica: Replica, members: Members, limits: IdentityLimits, start: Start) -> None:
        self._replica = replica
        self._members = members
        self._start = start
        self.identity = Identity(limits, start.steady_ms, is_sure=start.is_new)
        self._publisher_is_up = False
        self._must_resume = False
        self._now_ms = start.steady_ms

    def learn_from(self, other: Naming, *, is_same: bool) -> None:
        """Take over what another object knew; ``is_same``: its replica wrote under the same name."""
        if is_same:
            self.identity = other.identity
            # It may have become sure in the transaction that failed: nobody was told, and writes wait for it.
            self._must_resume = self.identity.is_sure
        else:
            # Another name was being taken, which is not saved: this one is not to be written under.
            self.identity.doubt()

    # -------------------------------------------------------------------------------- asking

    def publisher_up(self) -> list[Effect]:
        """Publishing is possible: ask at once whether the name is safe."""
        self._publisher_is_up = True
        return self._hello()

    def _hello(self) -> list[Effect]:
        if not self._publisher_is_up or not self.identity.is_time_for_hello(self._now_ms):
            return []
        return [SayHello(self._replica.replica, self._start.session)]

    def pursue(self, now_ms: int, state: ReplicaState) -> list[Effect]:
        """Ask again, or give up asking and take another name, as far as it is time."""
        effects: list[Effect] = [Resumed()] if self._must_resume else []
        self._must_resume, self._now_ms = False, now_ms
        identity, others = self.identity, self._members.others
        if identity.is_sure:
            return effects
        if self._start.is_restored:
            return effects + self._replica.take_new_incarnation("its data directory is an old copy", state)
        if identity.writes_wait and not others:
            reason = "there is nobody who could say whether its name is safe"
            return effects + self._replica.take_new_incarnation(reason, state)
        if identity.is_overdue(now_ms):
            silent = ", ".join(sorted(set(others) - identity.answered_by))
            reason = f"a write waits, and {silent} did not say whether its name is safe"
            return effects + self._replica.take_new_incarnation(reason, state)
        return effects + self._hello()

    def hear_answer(self, message: HelloSeen, state: ReplicaState) -> list[Effect]:
        """A member came to the hello in its queue."""
        if message.session != self._start.session or message.replica != self._replica.replica or self.identity.is_sure:
            return []
        effects = self._replica.note_own(message.seen, state)
        if effects:
            return effects
        self.identity.answered(node_id_of(message.sender))
        return self.settle_if_answered()

    def settle_if_answered(self) -> list[Effect]:
        """The name is safe when all members said so, those included that only the others know by now."""
        others = self._members.others
        have_told = all(node in self._members.peers for node in others)
        if self.identity.is_sure or not have_told or not self.identity.is_answered_by(others):
            return []
        self.identity.settle()
        return [Resumed()]

    # ------------------------------------------------------------------------------ answering

    def hello(self, event: HelloReceived, state: ReplicaState) -> list[Effect]:
        """A replica asks whether its name is safe: by now, all that it published before is here."""
        del state
        delivery, node = self._replica.delivery, node_id_of(event.replica)
        acknowledge = Acknowledge(event.delivery)
        if node == node_id_of(self._replica.replica) or delivery.has_shelf:
            # What stands on the shelf may name more of its writes; the hello is repeated.
            return [acknowledge]
        answer = HelloSeen(self._replica.replica, event.session, event.replica, delivery.known(event.replica))
        return [Tell(node, answer), acknowledge]

    # --------------------------------------------------------------------------------- twins

    def hear_twin(self, message: ControlMessage, state: ReplicaState) -> list[Effect]:
        """What this very process told comes back; anything else was told by another one under the same node id."""
        if not isinstance(message, ClockTold) or message.session == self._start.session:
            return []
        effects: list[Effect] = [TwinSeen(message.sender)]
        if message.sender == self._replica.replica:
            effects += self._replica.take_new_incarnation("another process writes under the same name", state)
        return effects
