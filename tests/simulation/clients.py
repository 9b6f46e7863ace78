"""Clients: they write and read a few keys, carry their causal context from node to node, and remember.

The token is made as a real client makes it, by merging the clocks in answers; beside it the client keeps
what it truly saw, for the oracle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.conditions import IfAbsent, IfShown
from node.core.effects import RefusalReason
from node.core.vector_clock import VectorClock
from tests.simulation.coverage import Seen
from tests.simulation.invariants import Invariant, ViolationError
from tests.simulation.plan_actions import Requires
from tests.simulation.requests import WriteRequest, shown_clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.conditions import Condition
    from node.core.dot import Dot
    from node.core.places import Place
    from node.core.write import Write
    from tests.simulation.plan_actions import Action
    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.world import World

TRIES_MAX = 8
"""A client gives an operation up after so many refusals or failures: every run ends."""
RETRY_MAX_US = 20_000
ACK_TIMEOUT_US = 100_000

_REFUSALS = {
    RefusalReason.OUTBOX_FULL: Seen.OUTBOX_FULL,
    RefusalReason.CONTEXT_NOT_REACHED: Seen.CONTEXT_NOT_REACHED,
    RefusalReason.CONDITION_NOT_MET: Seen.CONDITION_NOT_MET,
    RefusalReason.REQUESTS_FULL: Seen.REQUESTS_FULL,
}


class Client:
    """One client; it has one operation under way at a time."""

    def __init__(self, number: int, actions: Sequence[Action], *, keeps_session: bool, world: World) -> None:
        self._number = number
        self._actions = list(actions)
        self._keeps_session = keeps_session
        self._world = world
        self._random = world.stream(f"client{number}")
        self._node = world.nodes[0]
        self._tries = self._repeats = 0
        self._condition: Condition | None = None
        self._asked_process = 0
        """Which process of a node was asked first for the write under way; 0: none yet."""
        self._answers: dict[str, Dot] = {}
        """What the write under way came to, by node."""
        self._context = VectorClock()
        self._saw = 0
        self._awaits: Dot | None = None
        self.acknowledged: list[Write] = []
        """The writes that this client was told are stored: they must never be lost."""

    @property
    def done(self) -> bool:
        """Whether this client asks for nothing more."""
        return not self._actions

    def start(self) -> None:
        """Begin with the first operation."""
        self._think()

    def _think(self) -> None:
        if self._actions:
            self._world.scheduler.after(self._actions[0].think_us, self._begin)

    def _begin(self) -> None:
        self._tries, self._repeats = 0, self._actions[0].repeats
        self._condition, self._asked_process = None, 0
        self._answers.clear()
        if not self._keeps_session:
            self._context, self._saw = VectorClock(), 0
        moves_to = self._actions[0].moves_to
        if moves_to is not None or self._node.is_gone:
            self._move(moves_to or 0)
        self._try()

    def _move(self, where: int) -> None:
        members = self._world.members()
        former, self._node = self._node, members[where % len(members)]
        if self._node is not former and self._context:
            self._world.coverage[Seen.CLIENT_MOVED] += 1

    def _next(self) -> None:
        del self._actions[0]
        self._think()

    def _retry(self) -> None:
        self._tries += 1
        if self._tries >= TRIES_MAX:
            self._next()
            return
        # Whoever does not know what became of a named request asks where it was taken.
        is_bound = bool(self._asked_process) and self._actions[0].is_named
        if (self._tries % 3 == 0 and not is_bound) or self._node.is_gone:
            self._move(self._random.randrange(100))
        self._world.scheduler.after(self._random.randint(1, RETRY_MAX_US), self._try)

    def _try(self) -> None:
        action = self._actions[0]
        if self._node.replica is None:
            self._retry()
        elif action.reads is not None:
            self._read(action.reads)
        else:
            self._ask(action)

    def _ask(self, action: Action) -> None:
        if not self._asked_process:
            self._asked_process, self._condition = self._node.process, self._draw_condition(action)
        request_id = f"client{self._number}.{len(self._actions)}" if action.is_named else ""
        self._node.write(WriteRequest(self, action.operations, self._context, self._saw, request_id, self._condition))

    def _draw_condition(self, action: Action) -> Condition | None:
        if action.requires is Requires.NOTHING:
            return None
        key = action.operations[0].key
        found = self._node.disk.versions.get(key, ())
        if action.requires is Requires.ABSENT or not found:
            return IfAbsent(key)
        return IfShown(key, shown_clock(found[0].clock), shown_clock)

    # -------------------------------------------------------------------------------- writing

    def accepted(self, node: SimulatedNode, write: Write) -> None:
        """The write is stored."""
        self._world.coverage[Seen.WRITTEN_TWICE] += bool(self._answers)
        self._answered(node, write)

    def repeated(self, node: SimulatedNode, write: Write) -> None:
        """The write was stored when it was asked for before."""
        coverage = self._world.coverage
        coverage[Seen.REPEATED] += 1
        coverage[Seen.REPEATED_AFTER_RESTART] += node.process != self._asked_process
        coverage[Seen.REPEATED_ELSEWHERE] += bool(self._answers) and node.name not in self._answers
        if self._answers.get(node.name, write.dot) != write.dot:
            raise ViolationError(
                Invariant.EXACTLY_ONCE, f"{node.name} answers {write.dot} after {self._answers[node.name]}"
            )
        self._answered(node, write)

    def _answered(self, node: SimulatedNode, write: Write) -> None:
        self._answers[node.name] = write.dot
        self.acknowledged.append(write)
        self._remember(write.clock, self._world.oracle.seen_with(write.dot))
        if self._repeats:
            # As when the answer had been lost on its way to the client.
            self._repeats -= 1
            if self._actions[0].repeats_elsewhere:
                self._move(self._random.randrange(100))
            self._world.scheduler.after(self._random.randint(1, RETRY_MAX_US), self._try)
            return
        if not self._actions[0].ack_all:
            self._next()
            return
        self._awaits = write.dot
        node.waiting_for_all.add(self, write)
        self._world.scheduler.after(ACK_TIMEOUT_US, lambda: self.is_everywhere(write.dot))

    def is_everywhere(self, dot: Dot) -> None:
        """Every member has the write, or the client waits no longer."""
        if self._awaits == dot:
            self._awaits = None
            self._next()

    def _remember(self, clock: VectorClock, saw: int) -> None:
        self._context = self._context.merge(clock)
        self._saw |= saw

    def refused(self, reason: RefusalReason) -> None:
        """The node cannot take the write now, or not at all."""
        self._world.coverage[_REFUSALS[reason]] += 1
        if reason is RefusalReason.CONDITION_NOT_MET:
            self._next()
        else:
            self._retry()

    def failed(self) -> None:
        """The node could not store the write: nothing of it exists."""
        self._retry()

    def answer_lost(self) -> None:
        """The connection broke: the write exists or not, and this client has seen nothing of it."""
        if self._actions[0].is_named:
            if self._actions[0].repeats_elsewhere:
                self._move(self._random.randrange(100))
            self._retry()
        else:
            self._next()

    # -------------------------------------------------------------------------------- reading

    def _read(self, place: Place) -> None:
        answer = self._node.read(place, self._context)
        if answer is None:
            self._world.coverage[Seen.READ_NOT_REACHED] += 1
            self._retry()
            return
        self._world.checks.shown(self._node.disk, self._saw)
        if not answer.versions:
            # A miss may come from any write that the node has applied: the token covers them all.
            self._remember(answer.clock, self._node.disk.applied)
        shown = answer.versions if self._random.random() < 0.5 else answer.versions[:1]
        for version in shown:
            self._remember(version.clock, self._world.oracle.seen_with(version.dot))
        self._next()


def choose_clients(world: World) -> list[Client]:
    """The clients of a run; the first ones keep no session, as a bare ``curl`` does."""
    numbers = sorted({action.client for action in world.plan.actions})
    return [
        Client(
            number,
            [action for action in world.plan.actions if action.client == number],
            keeps_session=number >= world.plan.sessionless_clients,
            world=world,
        )
        for number in numbers
    ]
