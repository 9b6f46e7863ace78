from __future__ import annotations

from node.core.causal_buffer import CausalBuffer, HeldWrite
from node.core.dependency_index import first_missing
from tests.unit.core.builders import dot, write


def _hold(buffer: CausalBuffer, name: str, applied: dict[str, int], *, after: str = "") -> None:
    made = write(name, after=after)
    missing = first_missing(made.dot, made.clock, applied)
    assert missing is not None
    buffer.hold(HeldWrite(made.dot, made.clock, made.keys, 0), missing)


def _released(buffer: CausalBuffer, name: str, applied: dict[str, int]) -> list[str]:
    applied[dot(name).replica] = dot(name).seq
    return [str(held.dot) for held in buffer.release(dot(name), applied)]


def test_a_held_write_is_released_when_its_cause_arrives() -> None:
    """And is not in the buffer any more."""
    buffer, applied = CausalBuffer(), {"a": 0}
    _hold(buffer, "b:1", applied, after="a=1")
    assert dot("b:1") in buffer
    assert _released(buffer, "a:1", applied) == ["b:1"]
    assert len(buffer) == 0
    assert dot("b:1") not in buffer


def test_a_held_write_with_two_causes_waits_for_both() -> None:
    """For one at a time."""
    buffer, applied = CausalBuffer(), {"a": 0}
    _hold(buffer, "c:1", applied, after="a=1 b=1")
    assert _released(buffer, "a:1", applied) == []
    assert _released(buffer, "b:1", applied) == ["c:1"]


def test_a_write_that_waits_for_something_else_stays() -> None:
    """An independent delivery looks at nothing."""
    buffer, applied = CausalBuffer(), {"a": 0}
    _hold(buffer, "c:1", applied, after="a=1")
    assert _released(buffer, "b:1", applied) == []
    assert len(buffer) == 1


def test_a_chain_is_released_link_by_link() -> None:
    """Each release names the next one only when its own cause is applied."""
    buffer, applied = CausalBuffer(), {"a": 0}
    _hold(buffer, "a:3", applied)
    _hold(buffer, "a:2", applied)
    assert _released(buffer, "a:1", applied) == ["a:2"]
    assert _released(buffer, "a:2", applied) == ["a:3"]


def test_held_writes_are_listed_in_order_of_arrival() -> None:
    """What an operator sees first has waited longest."""
    buffer = CausalBuffer()
    for name in ("b:2", "a:2", "c:2"):
        _hold(buffer, name, {})
    assert [str(held.dot) for held in buffer] == ["b:2", "a:2", "c:2"]


def test_all_that_held_writes_name_is_known_to_exist() -> None:
    """Their own dots and everything in their clocks: that is what can be asked for."""
    buffer = CausalBuffer()
    _hold(buffer, "a:3", {})
    _hold(buffer, "b:2", {}, after="a=1 c=4")
    assert buffer.known == {"a": 3, "b": 2, "c": 4}


def test_an_empty_buffer_knows_of_nothing() -> None:
    """What was named is applied by then; names do not gather for ever."""
    buffer, applied = CausalBuffer(), {"a": 0}
    _hold(buffer, "b:1", applied, after="a=1")
    _released(buffer, "a:1", applied)
    assert buffer.known == {}
