"""Forgetting history under any order of writes, confirmations, told clocks and silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from node.core.anti_entropy import AntiEntropyLimits
from node.core.effects import Accepted, Publish
from node.core.events import Confirmed, PublisherUp
from node.core.members import MemberLimits
from node.core.replica import ReplicaLimits
from node.core.vector_clock import VectorClock
from tests.unit.core.builders import Bench, only, put, told, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.dot import Dot
    from node.core.effects import Effect

OTHERS = ("b", "c")
AWAY_MS = 5_000
KEEP_WRITES = 2
PUBLISHES = ReplicaLimits(
    pack_max_writes=2,
    anti_entropy=AntiEntropyLimits(history_keep_writes=KEEP_WRITES, members=MemberLimits(away_ms=AWAY_MS)),
)


class TrimmingMachine(RuleBasedStateMachine):
    """Replica a with two peers, and the truth about what they have and what is published."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench("a", PUBLISHES, founding=("a", *OTHERS))
        self.applied: list[Dot] = []
        self.has = dict.fromkeys(OTHERS, VectorClock())
        self.was_heard_ms = dict.fromkeys(OTHERS, 0)
        self.may_be_forgotten: set[Dot] = set()
        self.on_the_wire: list[Publish] = []
        self.confirmed: set[int] = set()
        self._note(self.bench.step(PublisherUp()))

    def _note(self, effects: Sequence[Effect]) -> None:
        self.applied += [effect.write.dot for effect in only(effects, Accepted)]
        self.on_the_wire += only(effects, Publish)

    @rule()
    def write(self) -> None:
        """A client writes here."""
        self._note(self.bench.write(put("x", "5")))

    @rule(origin=st.sampled_from(OTHERS), writes=st.integers(1, 4))
    def receive(self, origin: str, writes: int) -> None:
        """A peer's next writes arrive."""
        first = self.bench.replica.clock[origin] + 1
        made = [write(f"{origin}:{seq}") for seq in range(first, first + writes)]
        self.bench.receive(*made)
        self.applied += [each.dot for each in made]

    @precondition(lambda self: self.on_the_wire)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        """Any message turns out to be in every queue."""
        pack = data.draw(st.sampled_from(self.on_the_wire))
        self.on_the_wire.remove(pack)
        self.confirmed |= set(range(pack.first_seq, pack.last_seq + 1))
        self._note(self.bench.step(Confirmed([pack.publish_id])))

    @rule(node=st.sampled_from(OTHERS), lag=st.dictionaries(st.sampled_from(("a", *OTHERS)), st.integers(1, 3)))
    def tell(self, node: str, lag: dict[str, int]) -> None:
        """A peer has applied what is here, or all but the last few writes, and says so."""
        here = self.bench.replica.clock.items()
        reached = VectorClock({origin: max(0, count - lag.get(origin, 0)) for origin, count in here})
        self.has[node] = self.has[node].merge(reached)
        self.was_heard_ms[node] = self.bench.now_ms
        self.bench.hear(told(node, str(self.has[node]).replace(",", " ")))

    @rule(time_ms=st.integers(0, 3_000))
    def pass_time(self, time_ms: int) -> None:
        """Something may be forgotten now; what nobody who pins lacks now may stay forgotten, whoever comes back."""
        self._note(self.bench.tick(time_ms))
        self.may_be_forgotten |= set(self.applied) - self._needed()

    @rule()
    def restart(self) -> None:
        """What the peers told is not known any more; what was on the wire may have reached some queues only."""
        self.bench.restart()
        self.on_the_wire = []
        self._note(self.bench.step(PublisherUp()))

    @invariant()
    def nothing_is_forgotten_that_a_pinning_member_lacks(self) -> None:
        """A member pins until it was silent for too long, also when this replica has not heard it yet."""
        self._are_kept(self._needed() - self.may_be_forgotten)

    def _needed(self) -> set[Dot]:
        pinning = [node for node in OTHERS if self.bench.now_ms - self.was_heard_ms[node] < AWAY_MS]
        return {dot for dot in self.applied if any(not self.has[node].covers(dot) for node in pinning)}

    @invariant()
    def nothing_is_forgotten_that_is_not_published(self) -> None:
        """Own history is the outbox."""
        self._are_kept({dot for dot in self.applied if dot.replica == "a" and dot.seq not in self.confirmed})

    @invariant()
    def the_most_recent_writes_are_kept(self) -> None:
        """Of each replica."""
        clock = self.bench.replica.clock
        self._are_kept({dot for dot in self.applied if dot.seq > clock[dot.replica] - KEEP_WRITES})

    def _are_kept(self, dots: set[Dot]) -> None:
        assert dots <= set(self.bench.disk.kept)
        assert not any(self.bench.disk.trimmed.covers(dot) for dot in dots)

    def teardown(self) -> None:
        """Once everybody has everything and all is published, no more is kept than the recent writes."""
        for pack in self.on_the_wire:
            self.bench.step(Confirmed([pack.publish_id]))
        clock = self.bench.replica.clock
        if self.bench.replica.outbox_writes == 0:
            for node in OTHERS:
                self.bench.hear(told(node, str(clock).replace(",", " ")))
            for _ in range(20):  # at first little is taken off the disk
                self.bench.tick()
            assert len(self.bench.disk.kept) == sum(min(count, KEEP_WRITES) for _, count in clock.items())


TestTrimming = TrimmingMachine.TestCase
