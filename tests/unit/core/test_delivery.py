from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import delivery
from node.core.delivery import CausalDelivery
from node.core.effects import Applied, Effect
from node.core.hybrid_clock import HybridTimestamp
from tests.support.dict_state import DictState
from tests.unit.core.builders import clock, dot, only, put, write

if TYPE_CHECKING:
    import pytest

    from node.core.write import Write


class _Receiver:
    """Causal delivery over a disk of dicts."""

    def __init__(self, *received: Write, held_max_writes: int = 100) -> None:
        self.disk = DictState("a")
        self._held_max_writes = held_max_writes
        self.delivery = CausalDelivery(self.disk.saved(), held_max_writes)
        self.receive(*received)

    def restart(self) -> None:
        self.disk.save(self.delivery.clock, self.delivery.timestamp, 0)
        self.delivery = CausalDelivery(self.disk.saved(), self._held_max_writes)

    def receive(self, *writes: Write) -> list[Effect]:
        effects: list[Effect] = []
        self.delivery.deliver(writes, 7, self.disk, effects, "a")
        return effects

    def adopt(self, knows: str, *, ms: int = 0) -> list[str]:
        """The dots of the writes that this lets through."""
        effects: list[Effect] = []
        self.delivery.adopt(clock(knows).entries, HybridTimestamp(ms, 0), self.disk, effects)
        return [str(effect.write.dot) for effect in only(effects, Applied)]

    def look(self) -> list[str]:
        """The dots of the writes that a look through the shelf lets through."""
        effects: list[Effect] = []
        self.delivery.look_through_shelf(self.disk, effects)
        return [str(effect.write.dot) for effect in only(effects, Applied)]

    @property
    def buffered(self) -> list[str]:
        return [str(held.dot) for held in self.delivery.buffer]

    @property
    def held(self) -> list[str]:
        assert {held.dot for held in self.delivery.buffer} == set(self.disk.held)
        return [str(held.dot) for held in self.delivery.buffer]


def test_after_a_snapshot_everything_in_it_counts_as_applied() -> None:
    """And nothing of what was applied before is forgotten, where the snapshot lacks it."""
    receiver = _Receiver(write("b:1"), write("b:2"), write("c:1"))
    receiver.adopt("b=1 c=4 d=2")
    assert receiver.delivery.clock == clock("b=2 c=4 d=2")
    assert receiver.delivery.applied == {"b": 2, "c": 4, "d": 2}
    assert receiver.delivery.has_moved


def test_after_a_snapshot_own_timestamps_follow_all_that_it_contains() -> None:
    """Else a later write could lose against an earlier one."""
    receiver = _Receiver(write("b:1", ms=500))
    receiver.adopt("c=1", ms=900)
    assert receiver.delivery.timestamp == HybridTimestamp(900, 0)
    receiver.adopt("c=2", ms=800)
    assert receiver.delivery.timestamp == HybridTimestamp(900, 0)


def test_a_held_write_that_is_in_a_snapshot_is_held_no_longer() -> None:
    """Nor is it applied: its effect came with the snapshot."""
    receiver = _Receiver(write("b:2", put("x", "in the snapshot")))
    assert receiver.adopt("b=2") == []
    assert receiver.held == []
    assert receiver.disk.values == {}
    assert receiver.delivery.known("b") == 2


def test_a_held_write_that_waited_for_a_snapshot_is_applied() -> None:
    """With the time since when it waited, and with all that this lets through in turn."""
    receiver = _Receiver(write("b:3", put("x", "3"), after="c=1"), write("b:4", put("x", "4")))
    assert receiver.adopt("b=2 c=1") == ["b:3", "b:4"]
    assert receiver.held == []
    assert receiver.delivery.clock == clock("b=4 c=1")
    assert list(receiver.disk.kept) == [dot("b:3"), dot("b:4")]


def test_held_writes_that_are_freed_by_each_other_are_applied_in_causal_order() -> None:
    """In whatever order they came in."""
    receiver = _Receiver(write("c:1", after="b=3"), write("b:3", after="d=1"), write("e:1", after="b=2"))
    assert receiver.adopt("b=2 d=1") == ["b:3", "e:1", "c:1"]


def test_a_held_write_that_still_misses_something_stays_held() -> None:
    """And is let through by what it misses now."""
    receiver = _Receiver(write("b:3", after="d=1"))
    assert receiver.adopt("b=2") == []
    assert receiver.held == ["b:3"]
    (held,) = receiver.delivery.buffer
    assert receiver.delivery.waits_for(held) == dot("d:1")
    assert only(receiver.receive(write("d:1")), Applied)[-1].write.dot == dot("b:3")
    assert receiver.held == []


def test_after_a_snapshot_the_writes_in_it_are_duplicates() -> None:
    """They may still come out of the queue."""
    receiver = _Receiver()
    receiver.adopt("b=2")
    receiver.receive(write("b:1", put("x", "old")), write("b:2"), write("b:3", put("y", "new")))
    assert list(receiver.disk.values) == ["y"]


def test_what_is_held_or_named_by_what_is_held_is_known_to_exist() -> None:
    """That is what a peer is told which asks whether its name is safe."""
    receiver = _Receiver(write("b:1"), write("c:5", after="b=3 d=2"))
    assert [receiver.delivery.known(replica) for replica in "bcde"] == [3, 5, 2, 0]


# -------------------------------------------------------------- held writes beyond the buffer's limit


def test_beyond_the_limit_a_held_write_stays_on_the_disk_alone() -> None:
    """The buffer is bounded, and nothing is lost: what is held there is still known to exist."""
    receiver = _Receiver(write("b:3"), write("b:2"), write("c:9", after="d=4"), held_max_writes=2)
    assert receiver.buffered == ["b:3", "b:2"]
    assert set(receiver.disk.held) == {dot("b:3"), dot("b:2"), dot("c:9")}
    assert receiver.delivery.has_shelf
    assert [receiver.delivery.known(replica) for replica in "bcd"] == [3, 9, 4]


def test_a_shelved_write_is_applied_at_the_next_look_once_its_causes_are() -> None:
    """With all that waited for it in the buffer, whatever their order on the shelf."""
    receiver = _Receiver(write("d:1", after="c=1"), write("c:1", after="b=1"), held_max_writes=1)
    receiver.receive(write("b:1"))
    assert receiver.buffered == ["d:1"]
    assert receiver.look() == ["c:1", "d:1"]
    assert receiver.disk.held == {}


def test_a_shelved_write_moves_into_the_buffer_when_there_is_room() -> None:
    """From there its cause wakes it."""
    receiver = _Receiver(write("b:2"), write("c:2"), held_max_writes=1)
    receiver.receive(write("b:1"))
    assert receiver.buffered == []
    assert receiver.look() == []
    assert receiver.buffered == ["c:2"]
    assert receiver.look() == []
    assert not receiver.delivery.has_shelf
    assert only(receiver.receive(write("c:1")), Applied)[-1].write.dot == dot("c:2")


def test_a_shelved_write_that_came_another_way_is_forgotten() -> None:
    """Redelivered, repaired, or in a snapshot: the copy on the shelf is not applied again."""
    receiver = _Receiver(write("b:2"), write("c:2"), write("d:2"), held_max_writes=1)
    receiver.receive(write("c:1"), write("c:2"))
    receiver.adopt("b=2 d=2")
    assert receiver.look() == receiver.look() == []
    assert receiver.disk.held == {}
    assert not receiver.delivery.has_shelf


def test_the_shelf_is_looked_through_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much stands on it, a look stays short; and again from the beginning while anything has to stay."""
    monkeypatch.setattr(delivery, "SHELF_LOOK_WRITES", 2)
    receiver = _Receiver(*(write(f"{origin}:2") for origin in "bcdef"), held_max_writes=1)
    receiver.receive(write("e:1"), write("f:1"))
    assert [receiver.look() for _ in range(3)] == [[], ["e:2"], ["f:2"]]
    assert receiver.delivery.has_shelf
    receiver.receive(write("c:1"))
    assert receiver.look() == ["c:2"]


def test_a_shelf_survives_a_restart() -> None:
    """What the buffer has no room for is looked through again."""
    receiver = _Receiver(write("b:2"), write("c:2"), held_max_writes=1)
    receiver.restart()
    assert len(receiver.buffered) == 1
    assert receiver.delivery.has_shelf
    receiver.receive(write("b:1"), write("c:1"))
    receiver.look()
    assert receiver.delivery.clock == clock("b=2 c=2")


def test_a_held_write_that_misses_nothing_after_a_restart_is_applied() -> None:
    """It stood on the shelf when its last cause came."""
    receiver = _Receiver(write("b:2"), write("c:2"), held_max_writes=1)
    receiver.receive(write("c:1"))
    receiver.restart()
    assert receiver.look() == ["c:2"]
