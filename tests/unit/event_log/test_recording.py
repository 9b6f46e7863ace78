"""The ring of events: what is recorded of each effect, what is kept, and what a reader in another thread gets."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from node.core.dot import Dot
from node.core.effects import Accepted, Acknowledge, Applied, Dropped, HeldBack, PublishConfirmed
from node.core.write import AddMembers, Delete, Expire, Increment, Put, RemoveMembers
from node.event_log.recording import KEYS_KEPT_MAX, EventLog
from tests.support.writes import NODE1, NODE2, put_write, write_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.effects import Effect
    from node.event_log.recording import RecordedEvent

ALL = 1_000_000


def recorded(*effects: Effect, at_ms: float = 1_000.5) -> list[RecordedEvent]:
    """What is recorded of one commit with these effects."""
    log = EventLog(100)
    log.committed(effects, at_ms)
    return log.after(0, ALL).events


def kinds(events: list[RecordedEvent]) -> list[str]:
    """What happened."""
    return [event.kind for event in events]


# ------------------------------------------------------------------------------------- effects


def test_a_write_that_comes_in_order_is_delivered_and_applied() -> None:
    """Both at once, by the node's clock, with what is known of it."""
    write = put_write(NODE2, 4, "y", node1=2)
    delivered, applied = recorded(Applied(write, None))
    assert kinds([delivered, applied]) == ["delivered", "applied"]
    assert (delivered.number, applied.number) == (1, 2)
    assert (delivered.at_ms, delivered.dot, delivered.about) == (1_000.5, write.dot, applied.about)
    assert delivered.about is not None
    assert delivered.about == (write.dot, write.clock, ("y",), 0, ("put",))


def test_a_held_write_is_delivered_and_held_then_released_before_it_is_applied() -> None:
    """With the one dot that it waits for, and with how long it did."""
    write, cause = put_write(NODE2, 1, node1=1), put_write(NODE1, 1)
    log = EventLog(100)
    log.committed([HeldBack(write, cause.dot)], 1_000.0)
    log.committed([Applied(cause, None), Applied(write, 1_000)], 1_732.5)
    events = log.after(0, ALL).events
    assert kinds(events) == ["delivered", "held", "delivered", "applied", "released", "applied"]
    assert [event.dot for event in events] == [write.dot] * 2 + [cause.dot] * 2 + [write.dot] * 2
    assert [event.waits_for for event in events] == [None, cause.dot, None, None, None, None]
    assert [event.held_seconds for event in events] == [None, None, None, None, 0.7325, None]


def test_a_wall_clock_that_was_set_back_makes_no_negative_wait() -> None:
    """A wait has a length, whatever the clock says."""
    assert recorded(Applied(put_write(NODE2, 1), 5_000), at_ms=1_000.0)[0].held_seconds == 0.0


def test_an_own_write_is_accepted_and_confirmed_one_by_one() -> None:
    """Confirmations come in ranges that say numbers only; what the writes were is remembered."""
    writes = [put_write(NODE1, seq, f"k{seq}") for seq in (1, 2, 3)]
    events = recorded(*(Accepted(None, write) for write in writes), PublishConfirmed(NODE1, 1, 3))
    assert kinds(events) == ["accepted"] * 3 + ["confirmed"] * 3
    assert [event.about for event in events[3:]] == [event.about for event in events[:3]]


def test_a_confirmed_write_that_is_not_remembered_has_its_name() -> None:
    """It was accepted before the start, under a former name, or too long ago."""
    log = EventLog(100)
    log.committed([PublishConfirmed(NODE1, 1, 1)], 1.0)
    for seq in range(1, 102):
        log.committed([Accepted(None, put_write(NODE1, seq))], 2.0)
    log.committed([PublishConfirmed(NODE1, 1, 2), PublishConfirmed("node1~former", 5, 5)], 3.0)
    confirmed = [event for event in log.after(0, ALL).events if event.kind == "confirmed"]
    assert [(event.dot, event.about is None) for event in confirmed] == [
        (Dot(NODE1, 1), True),
        (Dot(NODE1, 2), False),
        (Dot("node1~former", 5), True),
    ]


def test_what_changes_nothing_is_no_event() -> None:
    """Duplicates, echoes, acknowledgements."""
    assert recorded(Dropped(Dot(NODE2, 1), own_echo=False), Acknowledge(None)) == []


def test_each_operation_has_its_name_once() -> None:
    """As in /watch."""
    operations = (
        Put("a", b"1"),
        Put("b", b"1"),
        Delete("c"),
        Expire("d", Dot(NODE1, 1)),
        Increment("e", 1),
        AddMembers("f", ("1",)),
        RemoveMembers("f", ("2",)),
    )
    about = recorded(Accepted(None, write_of(NODE1, 1, operations)))[0].about
    assert about is not None
    assert about.operations == ("put", "delete", "expire", "incr", "sadd", "srem")
    assert (about.keys, about.keys_left_out) == (("a", "b", "c", "d", "e"), 1)
    alone = [recorded(Accepted(None, write_of(NODE1, 1, (operation,))))[0].about for operation in operations]
    assert [each and each.operations for each in alone] == [
        (name,) for name in ("put", "put", "delete", "expire", "incr", "sadd", "srem")
    ]


def test_a_batch_keeps_its_first_keys_and_how_many_there_were() -> None:
    """A key that several operations touch counts once."""
    batch = write_of(NODE1, 1, tuple(Put(f"k{n % 100}", b"1") for n in range(1_000)))
    about = recorded(Accepted(None, batch))[0].about
    assert about is not None
    assert (about.keys, about.keys_left_out) == (("k0", "k1", "k2", "k3", "k4"), 100 - KEYS_KEPT_MAX)


def test_no_value_is_kept() -> None:
    """They may have megabytes each; nor is anything that holds them."""
    log = EventLog(100)
    write = write_of(NODE1, 1, (Put("x", b"the value"), AddMembers("s", ("the member",))))
    log.committed([Accepted(None, write), Applied(write, None), HeldBack(write, write.dot)], 1.0)
    seen: set[int] = set()
    waiting: list[Any] = [log._ring, log._own]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen and not isinstance(each, type):
            seen.add(id(each))
            assert each not in (b"the value", "the member")
            assert each is not write
            waiting += gc.get_referents(each)
    assert len(seen) > 20


# ----------------------------------------------------------------------------------- the ring


def confirmed(log: EventLog, count: int) -> None:
    """A commit with so many events, whose numbers are those of their writes."""
    log.committed([PublishConfirmed(NODE1, log.last + 1, log.last + count)] if count else [], 1.0)


@given(
    st.integers(1, 12),
    st.lists(st.integers(0, 30), max_size=8),
    st.data(),
)
def test_what_is_read_is_what_was_recorded_last(max_events: int, commits: list[int], data: st.DataObject) -> None:
    """Whatever the sizes of commits and ring: the events behind a number, or the oldest that are kept."""
    log = EventLog(max_events)
    told: list[int] = []
    log.recorded = told.append
    for count in commits:
        confirmed(log, count)
    total = sum(commits)
    assert (log.last, log.forgotten) == (total, max(0, total - max_events))
    assert told == [count for count in commits if count]
    after, limit = data.draw(st.integers(0, total)), data.draw(st.integers(1, 20))
    part = log.after(after, limit)
    kept = list(range(1, total + 1))[-max_events:]
    wanted = [number for number in kept if number > after][:limit]
    assert [event.number for event in part.events] == wanted
    assert [event.dot.seq for event in part.events] == wanted
    assert part.dropped == max(0, log.forgotten - after)


def test_every_run_has_a_name_of_its_own() -> None:
    """Numbers begin again at 1."""
    assert len({EventLog(1).run for _ in range(50)}) == 50


class RingOfAnInterruptedReader(list[Any]):
    """Calls a function between the first slice that is read and the next one."""

    def __init__(self, content: list[Any], meanwhile: Callable[[], None]) -> None:
        super().__init__(content)
        self._meanwhile: Callable[[], None] | None = meanwhile

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        return found


@given(st.integers(1, 12), st.integers(0, 30), st.integers(1, 20), st.integers(0, 20))
def test_what_is_overwritten_while_it_is_read_is_missing_at_the_beginning_only(
    max_events: int, before: int, meanwhile: int, limit: int
) -> None:
    """A reader that is stopped in the middle gets a part without holes, and learns what is missing before it."""
    log = EventLog(max_events)
    confirmed(log, before)
    log._ring = RingOfAnInterruptedReader(log._ring, lambda: confirmed(log, meanwhile))
    part = log.after(0, limit + 1)
    numbers = [event.number for event in part.events]
    assert numbers == list(range(part.dropped + 1, part.dropped + 1 + len(numbers)))
    assert numbers or before == 0


def test_readers_beside_the_recorder_get_events_in_order_and_know_what_they_missed() -> None:
    """No lock stands between them; a number is never read with the event of another one."""
    log = EventLog(500)
    total = 60_000
    failures: list[str] = []

    def read() -> None:
        number = 0
        while number < total:
            part = log.after(number, 100)
            numbers = [event.number for event in part.events]
            expected = list(range(number + part.dropped + 1, number + part.dropped + 1 + len(numbers)))
            if numbers != expected or [event.dot.seq for event in part.events] != numbers:
                failures.append(f"behind {number}, {part.dropped} dropped: {numbers}")
                return
            number += part.dropped + len(numbers)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    while log.last < total:
        confirmed(log, 1 + log.last % 97)
    total_recorded = log.last
    for reader in readers:
        reader.join(30)
    assert failures == []
    assert total_recorded >= total
