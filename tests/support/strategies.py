"""Hypothesis strategies for clocks, timestamps, and sets of writes as real causality makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from node.core.control import MemberChange
from node.core.dot import Dot
from node.core.hybrid_clock import ZERO, HybridTimestamp, next_local
from node.core.vector_clock import VectorClock
from node.core.write import Delete, Operation, Put, Write

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

REPLICAS = ("a", "b", "c", "d")
KEYS = ("x", "y")


def clocks() -> SearchStrategy[VectorClock]:
    """Clocks over few replicas with small counts, so that equal and ordered ones are common."""
    return st.dictionaries(st.sampled_from(REPLICAS), st.integers(0, 3)).map(VectorClock)


def dots() -> SearchStrategy[Dot]:
    """Dots near the clocks of ``clocks``."""
    return st.builds(Dot, st.sampled_from(REPLICAS), st.integers(1, 4))


def wall_clocks_ms() -> SearchStrategy[int]:
    """What a wall clock may say: anything; small numbers often, so that they coincide."""
    return st.integers(0, 5) | st.integers(0, 1 << 48)


def timestamps() -> SearchStrategy[HybridTimestamp]:
    """Any hybrid timestamp."""
    return st.builds(HybridTimestamp, wall_clocks_ms(), st.integers(0, 5))


class History(NamedTuple):
    """Writes in an order in which they may have been made, and the true past of each.

    ``past[i]`` holds the indexes of the writes that happened before ``writes[i]``: kept as sets, and
    not taken from the clocks.
    """

    writes: tuple[Write, ...]
    past: tuple[frozenset[int], ...]

    def closed_part(self, arrived: set[int]) -> set[int]:
        """The writes among ``arrived`` whose whole past arrived too: what a replica can apply."""
        return {index for index in arrived if self.past[index] <= arrived}

    def maximal_puts(self, key: str) -> set[int]:
        """The siblings of a key by definition: puts of it that no write of the key happened after."""
        touching = [index for index, write in enumerate(self.writes) if key in write.keys]
        covered = frozenset[int]().union(*(self.past[index] for index in touching))
        standing = (index for index in touching if index not in covered)
        return {index for index in standing if isinstance(self._last_operation(index, key), Put)}

    def _last_operation(self, index: int, key: str) -> Operation:
        return [operation for operation in self.writes[index].operations if operation.key == key][-1]


def _operations(number: int) -> SearchStrategy[tuple[Operation, ...]]:
    puts = st.builds(lambda key: Put(key, str(number).encode()), st.sampled_from(KEYS))
    deletes = st.builds(Delete, st.sampled_from(KEYS))
    return st.lists(puts | puts | deletes, min_size=1, max_size=2).map(tuple)


@st.composite
def histories(draw: DrawFn, min_writes: int = 1, max_writes: int = 12) -> History:
    """Each write is made by some replica, which may first learn all that another one knows."""
    known: dict[str, frozenset[int]] = dict.fromkeys(REPLICAS, frozenset())
    writes: list[Write] = []
    past: list[frozenset[int]] = []
    for number in range(draw(st.integers(min_writes, max_writes))):
        author, teacher = draw(st.sampled_from(REPLICAS)), draw(st.sampled_from(REPLICAS))
        causes = known[author] | known[teacher]
        counts = {author: 1}
        for cause in causes:
            replica = writes[cause].dot.replica
            counts[replica] = counts.get(replica, 0) + 1
        latest = max((writes[cause].timestamp for cause in causes), default=ZERO)
        timestamp = next_local(latest, draw(wall_clocks_ms()))
        writes.append(Write(Dot(author, counts[author]), VectorClock(counts), timestamp, draw(_operations(number))))
        past.append(causes)
        known[author] = causes | {number}
    return History(tuple(writes), tuple(past))


@st.composite
def causal_orders(draw: DrawFn, history: History) -> list[int]:
    """The indexes of all writes in some order that contradicts no happened-before."""
    order: list[int] = []
    left = list(range(len(history.writes)))
    while left:
        ready = [index for index in left if history.past[index] <= set(order)]
        chosen = draw(st.sampled_from(ready))
        order.append(chosen)
        left.remove(chosen)
    return order


@st.composite
def arrivals(draw: DrawFn, history: History) -> list[list[int]]:
    """All writes in any order, some of them several times, cut into messages of any size."""
    everything = range(len(history.writes))
    again = draw(st.lists(st.sampled_from(everything), max_size=6))
    order = draw(st.permutations([*everything, *again]))
    messages: list[list[int]] = []
    while order:
        size = draw(st.integers(1, len(order)))
        messages.append(order[:size])
        order = order[size:]
    return messages


@st.composite
def parts(draw: DrawFn, history: History) -> list[int]:
    """Some of the writes, in any order: what one replica of several may have received by now."""
    chosen = draw(st.sets(st.sampled_from(range(len(history.writes)))))
    return draw(st.permutations(sorted(chosen)))


@st.composite
def closed_parts(draw: DrawFn, history: History) -> list[int]:
    """Some of the writes with all that happened before them, in causal order: what a replica may have applied."""
    chosen = draw(st.sets(st.sampled_from(range(len(history.writes))), max_size=4))
    return sorted(chosen.union(*(history.past[index] for index in chosen)))


def member_changes() -> SearchStrategy[MemberChange]:
    """Few nodes and few instants, so that changes contradict each other."""
    return st.builds(MemberChange, st.sampled_from(REPLICAS), st.integers(1, 3), is_member=st.booleans())
