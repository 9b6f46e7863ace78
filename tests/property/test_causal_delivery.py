"""Delivery in any order that a network can produce gives the same state."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from node.core.events import Acknowledge, EndOfTransaction, Received
from node.core.replica import Replica, ReplicaLimits
from tests.simulation.durable_state import DurableState
from tests.support.strategies import KEYS, History, arrivals, histories

OBSERVER = "observer"


class Observer:
    """A replica that only receives, and notes what it applied, in order."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._index = {write.dot: index for index, write in enumerate(history.writes)}
        self.disk = DurableState(OBSERVER)
        self.replica = Replica(self.disk.saved(), ReplicaLimits())
        self.applied: list[int] = []

    def restart(self) -> None:
        """Lose the memory, keep the disk."""
        self.replica = Replica(self.disk.saved(), ReplicaLimits())

    def receive(self, message: list[int]) -> None:
        """One message arrives; one transaction."""
        transaction = self.disk.begin()
        writes = [self._history.writes[index] for index in message]
        effects = self.replica.step(Received("delivery", writes, now_ms=0), transaction)
        effects += self.replica.step(EndOfTransaction(), transaction)
        transaction.commit()
        assert effects[-1] == Acknowledge("delivery")
        self.applied += [self._index[write.dot] for write in transaction.applied]


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
    assert other.disk.fingerprint() == in_order.disk.fingerprint()
    assert other.replica.clock == in_order.replica.clock


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
        assert {version.dot for version in observer.disk.versions.get(key, ())} == expected
        assert (key in observer.disk.versions) == bool(expected)


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
        assert {held.dot for held in observer.replica.held} == held == set(observer.disk.held)
        event("held something" if held else "held nothing")


@given(histories(), st.data())
def test_the_gaps_are_exactly_what_is_awaited_from_outside(history: History, data: st.DataObject) -> None:
    """Every awaited dot is a write that has not arrived; as long as something is held, something is awaited."""
    observer = Observer(history)
    arrived: set[int] = set()
    for message in data.draw(arrivals(history)):
        observer.receive(message)
        arrived |= set(message)
        absent = {write.dot for index, write in enumerate(history.writes) if index not in arrived}
        awaited = observer.replica.held.awaited()
        assert set(awaited) <= absent
        assert bool(awaited) == bool(len(observer.replica.held))


@given(histories(), st.data())
def test_restarts_between_messages_change_nothing(history: History, data: st.DataObject) -> None:
    """What is held survives, what is applied is not applied again."""
    messages = data.draw(arrivals(history))
    steady, restarting = _observe(history, messages), Observer(history)
    for message in messages:
        restarting.receive(message)
        if data.draw(st.booleans()):
            restarting.restart()
    assert restarting.disk.fingerprint() == steady.disk.fingerprint()
    assert sorted(restarting.applied) == sorted(steady.applied)
