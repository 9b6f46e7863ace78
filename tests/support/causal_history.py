"""Histories of a small cluster, to test the diagram: the events that its nodes would tell, and what is true.

The simulation delivers causally, by what each node has applied. What happened before what is *not* taken from the
vector clocks that it puts into the events, but found by walking through the events themselves: along a node's own
writes and applications, and from a write to each of its applications. So a clock that is read wrongly is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

START_MS = 1_764_412_345_000.0
# What of one write shares a moment with the event before it on its lane.
SAME_MOMENT = {("delivered", "held"), ("delivered", "applied"), ("released", "applied")}

Event = dict[str, Any]


@dataclass
class Node:
    """One node: what it has applied, what it holds, and what it told."""

    name: str
    replica: str
    clock_offset_ms: float = 0.0
    applied: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    held_since_ms: dict[str, float] = field(default_factory=dict)
    arrived: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)


class History:
    """A cluster that is told what to do next."""

    def __init__(self, size: int = 3, offsets_ms: tuple[float, ...] = ()) -> None:
        offsets = [*offsets_ms, *[0.0] * size]
        self.nodes = [Node(f"node{n + 1}", f"node{n + 1}~{'abcdefgh'[n] * 4}", offsets[n]) for n in range(size)]
        self.now_ms = 0.0
        self.writes: dict[str, Event] = {}

    # -------------------------------------------------------------------------------- what happens

    def write(self, at: int, key: str = "x") -> str:
        """A client writes at a node; returns the dot."""
        node = self.nodes[at]
        clock: dict[str, int] = {}
        for applied in node.applied:
            replica, _, number = applied.rpartition(":")
            clock[replica] = max(clock.get(replica, 0), int(number))
        seq = clock.get(node.replica, 0) + 1
        clock[node.replica] = seq
        dot = f"{node.replica}:{seq}"
        self.writes[dot] = {
            "dot": dot,
            "replica": node.replica,
            "origin": node.name,
            "seq": seq,
            "clock": clock,
            "vc": [clock.get(each.replica, 0) for each in self.nodes],
            "keys": [key],
            "keys_left_out": 0,
            "operations": ["put"],
        }
        node.applied.append(dot)
        node.arrived.add(dot)
        self._tell(node, "accepted", dot)
        return dot

    def confirm(self, dot: str) -> None:
        """The broker confirms a write to its node."""
        node = next(each for each in self.nodes if each.name == self.writes[dot]["origin"])
        self._tell(node, "confirmed", dot)

    def arrive(self, at: int, dot: str) -> None:
        """A message reaches a node; one that it has got before changes nothing."""
        node = self.nodes[at]
        if dot in node.arrived:
            return
        node.arrived.add(dot)
        self._tell(node, "delivered", dot)
        missing = self._missing(node, dot)
        if missing is not None:
            node.held[dot] = missing
            node.held_since_ms[dot] = self.now_ms
            self._tell(node, "held", dot, waits_for=missing)
            return
        self._apply(node, dot)

    def on_the_way(self, at: int) -> list[str]:
        """What has not reached a node, in order of writing."""
        return [dot for dot in self.writes if dot not in self.nodes[at].arrived]

    def pass_time(self, milliseconds: float) -> None:
        """Time goes on."""
        self.now_ms += milliseconds

    def _apply(self, node: Node, dot: str) -> None:
        node.applied.append(dot)
        self._tell(node, "applied", dot)
        for held in list(node.held):
            if held in node.held and self._missing(node, held) is None:
                del node.held[held]
                seconds = (self.now_ms - node.held_since_ms[held]) / 1000
                self._tell(node, "released", held, held_seconds=seconds)
                self._apply(node, held)

    def _missing(self, node: Node, dot: str) -> str | None:
        """One write that has to be applied first."""
        write = self.writes[dot]
        needed = {**write["clock"], write["replica"]: write["seq"] - 1}
        for replica, seq in needed.items():
            if seq > 0 and f"{replica}:{seq}" not in node.applied:
                return f"{replica}:{seq}"
        return None

    def _tell(self, node: Node, kind: str, dot: str, **more: Any) -> None:
        at_ms = START_MS + self.now_ms + node.clock_offset_ms
        about = {"number": len(node.events) + 1, "kind": kind, "at_ms": at_ms, "node": node.name}
        node.events.append({**about, **self.writes[dot], **more})

    # -------------------------------------------------------------------------------- what is told

    @property
    def events(self) -> list[Event]:
        """All events, node after node."""
        return [event for node in self.nodes for event in node.events]

    def in_time(self) -> list[Event]:
        """All events in the order in which they happened; of one moment, sendings first."""
        order = {(event["node"], event["number"]): place for place, event in enumerate(self.events)}
        true_ms = {node.name: node.clock_offset_ms for node in self.nodes}
        return sorted(self.events, key=lambda e: (e["at_ms"] - true_ms[e["node"]], order[e["node"], e["number"]]))

    # -------------------------------------------------------------------------------- what is true

    def true_past(self, dot: str) -> set[str]:
        """All writes that happened before this one, found by walking back through the events."""
        effects: dict[tuple[str, str], tuple[str, str] | None] = {}
        for node in self.nodes:
            before: tuple[str, str] | None = None
            for event in node.events:
                if event["kind"] in ("accepted", "applied"):
                    effects[node.name, event["dot"]] = before
                    before = (node.name, event["dot"])
        todo = [(self.writes[dot]["origin"], dot)]
        seen: set[tuple[str, str]] = set()
        while todo:
            place = todo.pop()
            if place in seen:
                continue
            seen.add(place)
            previous = effects[place]
            source = (self.writes[place[1]]["origin"], place[1])
            todo += [each for each in (previous, source) if each is not None]
        return {each for _, each in seen} - {dot}

    def true_relation(self, one: str, other: str) -> str:
        """How ``one`` stands to ``other``."""
        if one == other:
            return "same"
        if one in self.true_past(other):
            return "before"
        return "after" if other in self.true_past(one) else "concurrent"

    def true_columns(self) -> dict[str, int]:
        """By node and number the length of the longest chain of events that leads to each, as ``node3 7``."""
        events = {(event["node"], event["number"]): event for event in self.events}
        accepted = {event["dot"]: place for place, event in events.items() if event["kind"] == "accepted"}
        columns: dict[tuple[str, int], int] = {}

        def column(place: tuple[str, int]) -> int:
            todo = [place]
            while todo:
                current = todo[-1]
                event = events[current]
                causes: list[tuple[tuple[str, int], int]] = []
                previous = (current[0], current[1] - 1)
                if previous in events:
                    before = events[previous]
                    is_same = before["dot"] == event["dot"] and (before["kind"], event["kind"]) in SAME_MOMENT
                    causes.append((previous, 0 if is_same or event["kind"] == "confirmed" else 1))
                if event["kind"] == "delivered":
                    causes.append((accepted[event["dot"]], 1))
                waiting = [cause for cause, _ in causes if cause not in columns]
                todo += waiting
                if not waiting:
                    columns[current] = max((columns[cause] + steps for cause, steps in causes), default=0)
                    todo.pop()
            return columns[place]

        return {f"{node} {number}": column((node, number)) for node, number in events}


@st.composite
def histories(draw: st.DrawFn, size: int = 3, steps_max: int = 24, *, with_offsets: bool = False) -> History:
    """Any history of a cluster: writes anywhere, messages in any order, time that passes or does not."""
    offsets = draw(st.tuples(*[st.sampled_from([0.0, -3000.0, 40.0, 7.5])] * size)) if with_offsets else ()
    history = History(size, offsets)
    for _ in range(draw(st.integers(1, steps_max))):
        history.pass_time(draw(st.sampled_from([0.0, 0.5, 20.0])))
        at = draw(st.integers(0, size - 1))
        reachable = history.on_the_way(at)
        match draw(st.sampled_from(["write", "arrive", "arrive", "arrive", "confirm"])):
            case "arrive" if reachable:
                history.arrive(at, draw(st.sampled_from(reachable)))
            case "confirm" if history.nodes[at].applied:
                own = [
                    dot for dot in history.nodes[at].applied if history.writes[dot]["origin"] == history.nodes[at].name
                ]
                confirmed = {event["dot"] for event in history.nodes[at].events if event["kind"] == "confirmed"}
                if left := [dot for dot in own if dot not in confirmed]:
                    history.confirm(left[0])
            case _:
                history.write(at, draw(st.sampled_from(["x", "y", "question", "answer"])))
    return history


def busy_history(writes: int, size: int = 3, gap_ms: float = 15.0, late_every: int = 40) -> History:
    """A long, ordinary run: writes all around, each soon everywhere; now and then one comes late, others are held."""
    history = History(size)
    late: list[tuple[int, str]] = []
    for number in range(writes):
        at = number % size
        dot = history.write(at, f"key{number % 37}")
        history.pass_time(gap_ms / 3)
        history.confirm(dot)
        for other in range(size):
            if other == at:
                continue
            if late_every and number % late_every == late_every - 1 and other == (at + 1) % size:
                late.append((other, dot))
            else:
                history.arrive(other, dot)
        if late and number % late_every == 5:
            history.arrive(*late.pop())
        history.pass_time(gap_ms * 2 / 3)
    for other, dot in late:
        history.arrive(other, dot)
    return history
