"""Made-up runs of a cluster, event by event, and what truly happened before what: for tests of traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from hypothesis import strategies as st

from client.node_events import ACCEPTED, DELIVERED, NodeEvent
from client.trace.collecting import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypothesis.strategies import DrawFn

NODES = ("node1", "node2", "node3")
KEYS = ("x", "y")


class Run(NamedTuple):
    """All events in an order in which they may have happened, and for each the indexes of those before it."""

    events: tuple[Found, ...]
    past: tuple[frozenset[int], ...]

    def of(self, node: str) -> list[Found]:
        """The events of one node, in its order."""
        return [found for found in self.events if found.event.node == node]

    def indexes(self, events: Iterable[NodeEvent]) -> list[int]:
        """Which ones they are."""
        places = {(found.event.node, found.event.number): index for index, found in enumerate(self.events)}
        return [places[event.node, event.number] for event in events]


def event_of(node: str, number: int, kind: str, dot: str, *, at_ms: float = 0.0, keys: Iterable[str] = ("x",)) -> Found:
    """One event."""
    replica, _, seq = dot.partition(":")
    event = NodeEvent(
        number=number,
        kind=kind,
        at_ms=at_ms,
        node=node,
        dot=dot,
        replica=replica,
        origin=replica.partition("~")[0],
        seq=int(seq),
        keys=list(keys),
    )
    return Found(event, msgspec.Raw(msgspec.json.encode(event)), f"run-{number}")


@st.composite
def runs(draw: DrawFn, max_steps: int = 15) -> Run:
    """Nodes write, and messages arrive in any order: a write that comes before its cause is held until that is there.

    Wall clocks say anything.
    """
    cluster = _Cluster()
    for _ in range(draw(st.integers(1, max_steps))):
        node = draw(st.sampled_from(NODES))
        on_its_way = [dot for dot in cluster.writes if dot not in cluster.arrived[node]]
        at_ms = float(draw(st.integers(0, 5)))
        comes = draw(st.booleans())
        if comes and on_its_way:
            cluster.arrive(node, draw(st.sampled_from(on_its_way)), at_ms)
        else:
            cluster.write(node, draw(st.sampled_from(KEYS)), at_ms, confirms=draw(st.booleans()))
    return Run(tuple(cluster.events), tuple(cluster.past))


class _Cluster:
    """Causal broadcast by the book: the past of a write as a set of names, no vector clock."""

    def __init__(self) -> None:
        self.events: list[Found] = []
        self.past: list[frozenset[int]] = []
        self.writes: dict[str, tuple[str, frozenset[str]]] = {}
        """Key and causes of each write."""
        self.arrived: dict[str, set[str]] = {node: set() for node in NODES}
        self._applied: dict[str, set[str]] = {node: set() for node in NODES}
        self._known: dict[str, frozenset[int]] = dict.fromkeys(NODES, frozenset())
        self._accepted_at: dict[str, int] = {}

    def write(self, node: str, key: str, at_ms: float, *, confirms: bool) -> None:
        """A node accepts a write."""
        dot = f"{node}~aaaa:{1 + sum(each.startswith(node) for each in self.writes)}"
        self.writes[dot] = (key, frozenset(self._applied[node]))
        self.arrived[node].add(dot)
        self._applied[node].add(dot)
        self._accepted_at[dot] = self._happen(node, ACCEPTED, dot, at_ms)
        self._release(node, at_ms)
        if confirms:
            self._happen(node, "confirmed", dot, at_ms)

    def arrive(self, node: str, dot: str, at_ms: float) -> None:
        """A message comes to a node."""
        self.arrived[node].add(dot)
        self._happen(node, DELIVERED, dot, at_ms)
        if self.writes[dot][1] <= self._applied[node]:
            self._apply(node, dot, at_ms)
            self._release(node, at_ms)
        else:
            self._happen(node, "held", dot, at_ms)

    def _release(self, node: str, at_ms: float) -> None:
        while free := [
            dot for dot in self.arrived[node] - self._applied[node] if self.writes[dot][1] <= self._applied[node]
        ]:
            dot = min(free)
            self._happen(node, "released", dot, at_ms)
            self._apply(node, dot, at_ms)

    def _apply(self, node: str, dot: str, at_ms: float) -> None:
        self._applied[node].add(dot)
        self._happen(node, "applied", dot, at_ms)

    def _happen(self, node: str, kind: str, dot: str, at_ms: float) -> int:
        index = len(self.events)
        before = self._known[node]
        if kind == DELIVERED:
            cause = self._accepted_at[dot]
            before |= self.past[cause] | {cause}
        number = 1 + sum(found.event.node == node for found in self.events)
        keys = () if kind == "confirmed" else (self.writes[dot][0],)
        self.events.append(event_of(node, number, kind, dot, at_ms=at_ms, keys=keys))
        self.past.append(before)
        self._known[node] = before | {index}
        return index


@st.composite
def anything(draw: DrawFn) -> dict[str, list[Found]]:
    """Events by node that no cluster ever made: in any order, effects before causes, circles."""
    dots = [f"{node}~aaaa:{seq}" for node in NODES for seq in (1, 2)]
    kinds = (ACCEPTED, DELIVERED, "held", "applied", "confirmed", "something new")
    said = st.tuples(st.sampled_from(NODES), st.sampled_from(kinds), st.sampled_from(dots))
    lines: dict[str, list[Found]] = {}
    for node, kind, dot in draw(st.lists(said, max_size=20)):
        line = lines.setdefault(node, [])
        line.append(event_of(node, len(line) + 1, kind, dot, at_ms=float(draw(st.integers(-3, 3)))))
    return lines


@st.composite
def looks_at(draw: DrawFn, run: Run) -> list[dict[str, list[Found]]]:
    """Looks at all nodes, one after the other; during a look, which takes its time, each node is asked at some moment.

    The last one comes when all has happened.
    """
    end = len(run.events)
    moments = sorted(draw(st.lists(st.integers(0, end), min_size=0, max_size=3)))
    seen = dict.fromkeys(NODES, 0)
    looks = []
    for begins, ends in [*zip([0, *moments], moments, strict=False), (end, end)]:
        look: dict[str, list[Found]] = {}
        for node in NODES:
            moment = draw(st.integers(begins, ends))
            look[node] = [found for found in run.events[seen[node] : moment] if found.event.node == node]
            seen[node] = max(seen[node], moment)
        looks.append(look)
    return looks


@st.composite
def pieces_of(draw: DrawFn, lines: Mapping[str, Sequence[Found]]) -> list[dict[str, list[Found]]]:
    """The events of each node cut into several looks, at any place: causes may come many looks after their effects."""
    count = draw(st.integers(1, 4))
    cuts = {
        node: [0, *sorted(draw(st.integers(0, len(line))) for _ in range(count - 1)), len(line)]
        for node, line in lines.items()
    }
    return [
        {node: list(line[cuts[node][look] : cuts[node][look + 1]]) for node, line in lines.items()}
        for look in range(count)
    ]
