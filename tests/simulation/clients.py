"""Clients: they write and read a few keys, carry their causal context from node to node, and remember.

The token is made as a real client makes it, by merging the clocks in answers; beside it the client keeps
what it truly saw, for the oracle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.events import RefusalReason
from node.core.vector_clock import VectorClock
from node.core.write import Delete, Operation, Put
from tests.simulation.coverage import Seen
from tests.simulation.simulated_node import WriteRequest

if TYPE_CHECKING:
    from node.core.write import Write
    from tests.simulation.world import World

TRIES_MAX = 8
"""A client gives an operation up after so many refusals or failures: every run ends."""
RETRY_MAX_US = 20_000


class Client:
    """One client; it has one operation under way at a time."""

    def __init__(self, name: str, *, keeps_session: bool, world: World) -> None:
        self._name = name
        self._keeps_session = keeps_session
        self._world = world
        self._random = world.random
        self._node = self._random.choice(world.nodes)
        self._operations_left = world.plan.load.operations_per_client
        self._values = 0
        self._tries = 0
        self._writing: tuple[Operation, ...] = ()
        self._context = VectorClock()
        self._saw = 0
        self.acknowledged: list[Write] = []
        """The writes that this client was told are stored: they must never be lost."""

    @property
    def done(self) -> bool:
        """Whether this client asks for nothing more."""
        return self._operations_left <= 0

    def start(self) -> None:
        """Begin with the first operation."""
        self._think()

    def _think(self) -> None:
        self._world.scheduler.after(self._random.randint(1, self._world.plan.load.think_max_us), self._begin)

    def _begin(self) -> None:
        self._tries = 0
        if not self._keeps_session:
            self._context, self._saw = VectorClock(), 0
        if self._random.random() < self._world.plan.load.move_chance:
            self._move()
        if self._random.random() < 0.3:
            self._read()
        else:
            self._writing = self._draw_operations()
            self._try_to_write()

    def _move(self) -> None:
        former, self._node = self._node, self._random.choice(self._world.nodes)
        if self._node is not former and self._context:
            self._world.coverage[Seen.CLIENT_MOVED] += 1

    def _next(self) -> None:
        self._operations_left -= 1
        if not self.done:
            self._think()

    def _retry(self) -> None:
        self._tries += 1
        if self._tries >= TRIES_MAX:
            self._next()
            return
        if self._tries % 3 == 0:
            self._move()
        again = self._try_to_write if self._writing else self._read
        self._world.scheduler.after(self._random.randint(1, RETRY_MAX_US), again)

    # -------------------------------------------------------------------------------- writing

    def _draw_operations(self) -> tuple[Operation, ...]:
        count = self._random.choice((1, 1, 1, 3))
        return tuple(self._draw_operation() for _ in range(count))

    def _draw_operation(self) -> Operation:
        key = self._draw_key()
        if self._random.random() < 0.25:
            return Delete(key)
        self._values += 1
        return Put(key, f'"{self._name}.{self._values}"'.encode())

    def _draw_key(self) -> str:
        return f"key{self._random.randrange(self._world.plan.load.keys)}"

    def _try_to_write(self) -> None:
        if self._node.replica is None:
            self._retry()
        else:
            self._node.write(WriteRequest(self, self._writing, self._context, self._saw))

    def accepted(self, write: Write) -> None:
        """The write is stored."""
        self.acknowledged.append(write)
        self._remember(write.clock, self._world.oracle.seen_with(write.dot))
        self._end_of_write()

    def _remember(self, clock: VectorClock, saw: int) -> None:
        self._context = self._context.merge(clock)
        self._saw |= saw

    def _end_of_write(self) -> None:
        self._writing = ()
        self._next()

    def refused(self, reason: RefusalReason) -> None:
        """The node cannot take the write now."""
        outbox_full = reason is RefusalReason.OUTBOX_FULL
        self._world.coverage[Seen.OUTBOX_FULL if outbox_full else Seen.CONTEXT_NOT_REACHED] += 1
        self._retry()

    def failed(self) -> None:
        """The node could not store the write: nothing of it exists."""
        self._retry()

    def answer_lost(self) -> None:
        """The connection broke: the write exists or not, and this client has seen nothing of it."""
        self._end_of_write()

    # -------------------------------------------------------------------------------- reading

    def _read(self) -> None:
        key = self._draw_key()
        answer = self._node.read(key, self._context)
        if answer is None:
            if self._node.replica is not None:
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
    load = world.plan.load
    return [
        Client(f"client{number}", keeps_session=number > load.sessionless_clients, world=world)
        for number in range(1, load.clients + 1)
    ]
