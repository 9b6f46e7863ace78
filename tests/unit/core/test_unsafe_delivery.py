from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.effects import Applied, Dropped, Effect, HeldBack
from node.core.unsafe_delivery import FifoDelivery
from tests.support.dict_state import DictState
from tests.unit.core.builders import clock, only, put, write

if TYPE_CHECKING:
    from node.core.write import Write

EFFECT = write("c:1", put("y", "effect"), after="b=1")


def received(*writes: Write) -> tuple[FifoDelivery, DictState, list[Effect]]:
    """What a replica without causal delivery makes of these, one after the other."""
    disk = DictState("a")
    delivery, effects = FifoDelivery(disk.saved(), 100), list[Effect]()
    for each in writes:
        delivery.deliver([each], 7, disk, effects, "a")
    return delivery, disk, effects


def applied(effects: list[Effect]) -> list[str]:
    """The dots of what was applied, in order."""
    return [str(effect.write.dot) for effect in only(effects, Applied)]


def test_an_effect_is_applied_before_its_cause() -> None:
    """That is what is switched off."""
    delivery, disk, effects = received(EFFECT)
    assert applied(effects) == ["c:1"]
    assert delivery.clock == clock("c=1")
    assert [version.value for version in disk.versions("y")] == [b'"effect"']


def test_the_order_of_each_replica_is_kept() -> None:
    """Else the clock, which counts from the first write on, would say that something is applied which is not."""
    second = write("c:2", put("y", "second"), after="b=5 c=1")
    delivery, disk, effects = received(second)
    assert [held.write for held in only(effects, HeldBack)] == [second]
    delivery.deliver([EFFECT], 7, disk, effects, "a")
    assert applied(effects) == ["c:1", "c:2"]
    assert delivery.clock == clock("c=2")
    assert not disk.held


def test_a_duplicate_is_still_dropped() -> None:
    """Only the order is unsafe."""
    _, _, effects = received(EFFECT, EFFECT)
    assert [effect.dot for effect in only(effects, Dropped)] == [EFFECT.dot]
