"""A causal store in a hundred lines, right by definition, and with defects to choose from; and a run over it.

A replica is the list of writes that it has applied. What a key holds follows from the definition alone: the applied
puts that no other applied write of the key happened after.
"""

from __future__ import annotations

import enum
import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from client.consistency.history import FinalRead, History, Kind, Operation, Outcome
from client.consistency.order import is_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Clock = dict[str, int]

KEYS = ("x", "y", "z")
CHANCE_TO_MOVE = 0.4
CHANCE_TO_DELIVER = 0.5


class Defect(enum.StrEnum):
    """A way in which the toy can be wrong."""

    NONE = "none"
    NO_BUFFER = "writes are applied as they come"
    NO_TOKEN = "nodes do not wait for what their client has seen"  # noqa: S105  # a causal token, no secret
    FORGOTTEN = "an acknowledged write is dropped now and then"
    TAKES_REFUSED = "a refused write takes effect"
    PUT_REPLACES_ALL = "a put drops what it did not know"
    STALE_RETURNS = "what was overwritten stays"
    LATEST_ARRIVAL_WINS = "each node prefers what came last"
    COUNTS_TWICE = "a node names two writes alike"


@dataclass(frozen=True)
class Write:
    """A write with its true past as a clock, its own count included."""

    node: str
    key: str
    value: str | None
    clock: Mapping[str, int]
    time: int

    def covers(self, other: Write) -> bool:
        """Whether ``other`` is this write or happened before it."""
        return self.clock.get(other.node, 0) >= other.clock[other.node]


class Node:
    """One replica of the toy."""

    def __init__(self, name: str, defect: Defect) -> None:
        self.name = name
        self.applied: list[Write] = []
        self.clock: Clock = {}
        self.arriving: list[Write] = []
        self._defect = defect

    def apply(self, write: Write) -> None:
        """Take a write in."""
        self.applied.append(write)
        self.clock = merged(self.clock, {write.node: write.clock[write.node]})

    def deliver(self, chosen: random.Random) -> None:
        """Apply one of the arriving writes whose causes are here."""
        ready = [w for w in self.arriving if self._defect is Defect.NO_BUFFER or self._is_next(w)]
        if ready:
            write = chosen.choice(ready)
            self.arriving.remove(write)
            self.apply(write)

    def _is_next(self, write: Write) -> bool:
        return is_within({**write.clock, write.node: write.clock[write.node] - 1}, self.clock)

    def siblings(self, key: str) -> list[Write]:
        """What the key holds, winner first."""
        touching = [w for w in self.applied if w.key == key]
        if self._defect is Defect.PUT_REPLACES_ALL:
            return [w for w in touching[-1:] if w.value is not None]
        maximal = [w for w in touching if not any(o is not w and o.covers(w) for o in touching)]
        if self._defect is Defect.STALE_RETURNS:
            maximal = touching[-2:]
        if self._defect is Defect.LATEST_ARRIVAL_WINS:
            return [w for w in reversed(maximal) if w.value is not None]
        puts = [w for w in maximal if w.value is not None]
        return sorted(puts, key=lambda w: (w.time, w.node), reverse=True)


@dataclass
class Client:
    """A session of the toy's users."""

    name: str
    node: Node
    index: int = -1


class Run:
    """One random run; all its choices follow from the seed."""

    def __init__(self, seed: int, defect: Defect = Defect.NONE) -> None:
        self.history = History()
        self._random = random.Random(seed)
        self._defect = defect
        self._nodes = [Node(f"node{n + 1}", defect) for n in range(3)]
        self._clients = [Client(f"s{n}", self._random.choice(self._nodes)) for n in range(4)]
        self._tokens: dict[str, Clock] = {client.name: {} for client in self._clients}
        self._counts: Counter[str] = Counter()
        self._steps = 0

    def play(self, operations: int) -> History:
        """So many requests, with deliveries in between; then silence, and the final reads."""
        for _ in range(operations):
            self._request(self._random.choice(self._clients))
            for node in self._nodes:
                if self._random.random() < CHANCE_TO_DELIVER:
                    node.deliver(self._random)
        for node in self._nodes:
            for _ in range(len(node.arriving)):
                node.deliver(self._random)
            for key in KEYS:
                self.history.record_final(FinalRead(node.name, key, _values(node.siblings(key))))
        return self.history

    def _request(self, client: Client) -> None:
        if self._random.random() < CHANCE_TO_MOVE:
            client.node = self._random.choice(self._nodes)
        client.index += 1
        self._steps += 1
        key = self._random.choice(KEYS)
        is_here = self._defect is Defect.NO_TOKEN or is_within(self._tokens[client.name], client.node.clock)
        kind = self._random.choice((Kind.GET, Kind.GET, Kind.PUT, Kind.PUT, Kind.DELETE))
        if kind is Kind.GET:
            if is_here:
                self._read(client, key)
        else:
            self._write(client, kind, key, is_here=is_here)

    def _read(self, client: Client, key: str) -> None:
        lists_siblings = self._random.random() < 0.5
        siblings = client.node.siblings(key)
        shown = siblings if lists_siblings else siblings[:1]
        token = self._learn(client, [w.clock for w in shown] or [client.node.clock])
        self._record(client, Kind.GET, key, values=_values(shown), lists_siblings=lists_siblings, clock=token)

    def _write(self, client: Client, kind: Kind, key: str, *, is_here: bool) -> None:
        value = f"v{self._steps}" if kind is Kind.PUT else None
        if not is_here or self._random.random() < 0.1:
            if self._defect is Defect.TAKES_REFUSED:
                self._accept(client, key, value)
            self._record(client, kind, key, value=value, outcome=Outcome.FAILED)
        elif self._random.random() < 0.1:
            if self._random.random() < 0.5:
                self._accept(client, key, value)
            self._record(client, kind, key, value=value, outcome=Outcome.UNKNOWN)
        else:
            clock = self._accept(client, key, value).clock
            self._record(client, kind, key, value=value, clock=self._learn(client, [clock]))

    def _accept(self, client: Client, key: str, value: str | None) -> Write:
        node = client.node
        is_named_twice = self._defect is Defect.COUNTS_TWICE and self._random.random() < 0.1
        self._counts[node.name] += not is_named_twice
        own = {node.name: max(self._counts[node.name], 1)}
        write = Write(node.name, key, value, {**node.clock, **own}, self._steps)
        if self._defect is Defect.FORGOTTEN and self._random.random() < 0.1:
            return write
        node.apply(write)
        for other in self._nodes:
            if other is not node:
                other.arriving.append(write)
        return write

    def _learn(self, client: Client, clocks: Iterable[Mapping[str, int]]) -> Clock:
        token = self._tokens[client.name]
        for clock in clocks:
            token = merged(token, clock)
        self._tokens[client.name] = token
        return token

    def _record(
        self,
        client: Client,
        kind: Kind,
        key: str,
        *,
        value: str | None = None,
        values: tuple[str, ...] = (),
        lists_siblings: bool = False,
        outcome: Outcome = Outcome.OK,
        clock: Clock | None = None,
    ) -> None:
        operation = Operation(
            client.name,
            client.index,
            client.node.name,
            kind,
            key,
            self._steps,
            math.inf if outcome is Outcome.UNKNOWN else self._steps + 0.5,
            outcome=outcome,
            value=value,
            values=values,
            lists_siblings=lists_siblings,
            clock=clock,
        )
        self.history.record(operation)


def merged(clock: Mapping[str, int], other: Mapping[str, int]) -> Clock:
    """The clock that covers both."""
    return {node: max(clock.get(node, 0), other.get(node, 0)) for node in {**clock, **other}}


def _values(writes: Iterable[Write]) -> tuple[str, ...]:
    return tuple(w.value for w in writes if w.value is not None)
