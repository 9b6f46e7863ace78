"""Delivery in any order that a network can produce gives the same state."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from node.core.effects import Acknowledge
from tests.support.strategies import KEYS, History, arrivals, histories
from tests.unit.core.builders import Bench

OBSERVER = "observer"


class Observer:
    """A replica that only receives, and notes what it applied, in order."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._index = {write.dot: index for index, write in enumerate(history.writes)}
        self.bench = Bench(OBSERVER)

    @property
    def applied(self) -> list[int]:
        """The writes as the history has them, in the order in which they took effect."""
        return [self._index[dot] for dot in self.bench.disk.kept]

    def receive(self, message: list[int]) -> None:
        """One message arrives; one transaction."""
        effects = self.bench.receive(*(self._history.writes[index] for index in message))
        assert effects[-1] == Acknowledge("delivery")


def _observe(history: History, messages: list[list[int]]) -> Observer:
    observer = Observer(history)
    for message in messages:
        observer.receive(message)
    return observer


@given(histories(), st.data())
def test_any_order_with_duplicates_gives_the_same_state(history: History, data: st.DataObject) -> None:
    """Byte for byte: values, siblings, clock, timestamp, history."""
    in_order = _observe(history, [[index] for index in range(len(history.writes))])
    other = _observe(history, data.draw(arrivals(history)))
    assert other.bench.disk.fingerprint() == in_order.bench.disk.fingerprint()
    assert sorted(other.bench.disk.kept) == sorted(in_order.bench.disk.kept)


@given(histories(), st.data())
def test_every_write_is_applied_once_and_never_before_its_causes(history: History, data: st.DataObject) -> None:
    """Judged by the true past of each write, not by its clock."""
    observer = _observe(history, data.draw(arrivals(history)))
    assert sorted(observer.applied) == list(range(len(history.writes)))
    for position, index in enumerate(observer.applied):
        assert history.past[index] <= set(observer.applied[:position])


@given(histories(), st.data())
def test_a_replica_that_has_everything_holds_exactly_the_maximal_versions(
    history: History, data: st.DataObject
) -> None:
    """Overwritten and deleted versions are gone, with nothing left behind; concurrent ones are there."""
    observer = _observe(history, data.draw(arrivals(history)))
    for key in KEYS:
        expected = {history.writes[index].dot for index in history.maximal_puts(key)}
        assert {version.dot for version in observer.bench.disk.versions(key)} == expected
        assert (key in observer.bench.disk.values) == bool(expected)


@given(histories(), st.data())
def test_nothing_waits_longer_than_it_must(history: History, data: st.DataObject) -> None:
    """After every message, exactly the writes whose whole past has arrived are applied; the others are held."""
    observer = Observer(history)
    arrived: set[int] = set()
    for message in data.draw(arrivals(history)):
        observer.receive(message)
        arrived |= set(message)
        applied = history.closed_part(arrived)
        assert set(observer.applied) == applied
        held = {history.writes[index].dot for index in arrived - applied}
        assert {held.dot for held in observer.bench.replica.held} == held == set(observer.bench.disk.held)
        event("held something" if held else "held nothing")


@given(histories(), st.data())
def test_what_held_writes_need_is_known_to_be_missing(history: History, data: st.DataObject) -> None:
    """As long as something is held, a write that did not arrive is known to exist: repair can ask for it."""
    observer = Observer(history)
    arrived: set[int] = set()
    for message in data.draw(arrivals(history)):
        observer.receive(message)
        arrived |= set(message)
        held = observer.bench.replica.held
        absent = {write.dot for index, write in enumerate(history.writes) if index not in arrived}
        assert {dot for dot in absent if dot.seq <= held.known.get(dot.replica, 0)} or not len(held)
        named = {dot for write in held for dot in absent if write.clock.covers(dot)}
        assert all(dot.seq <= held.known[dot.replica] for dot in named)


@given(histories(), st.data())
def test_restarts_between_messages_change_nothing(history: History, data: st.DataObject) -> None:
    """What is held survives, what is applied is not applied again."""
    messages = data.draw(arrivals(history))
    steady, restarting = _observe(history, messages), Observer(history)
    for message in messages:
        restarting.receive(message)
        if data.draw(st.booleans()):
            restarting.bench.restart()
    assert restarting.bench.disk.fingerprint() == steady.bench.disk.fingerprint()
    assert sorted(restarting.applied) == sorted(steady.applied)
