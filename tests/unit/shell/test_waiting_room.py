"""Requests that wait for their causal context: woken exactly in time, bounded, and gone without a trace."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from node.core.vector_clock import SequenceRange, VectorClock
from node.errors import ContextNotReachedError, LimitReachedError, UnavailableError
from node.waiting_room import WaitingRoom
from tests.support.cluster import wait_until
from tests.support.writes import NODE1, NODE2, NODE3

if TYPE_CHECKING:
    from collections.abc import Iterator

EMPTY = VectorClock()
LONG_SECONDS = 20.0


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads to wait in."""
    with ThreadPoolExecutor(64) as threads:
        yield threads


def waiting(room: WaitingRoom, count: int) -> None:
    """Return when this many wait."""
    wait_until(lambda: room.waiting_requests == count, f"{count} wait", LONG_SECONDS)


def is_empty(room: WaitingRoom) -> bool:
    """Whether nobody waits and nothing is left of those who did."""
    return room.waiting_requests == 0 and not room._by_replica


def begin(pool: ThreadPoolExecutor, room: WaitingRoom, **context: int) -> Future[None]:
    """A request that waits for writes by node; returns when it waits."""
    before = room.waiting_requests
    names = {"node1": NODE1, "node2": NODE2, "node3": NODE3}
    clock = VectorClock({names[node]: count for node, count in context.items()})
    future = pool.submit(room.wait, clock, LONG_SECONDS)
    waiting(room, before + 1)
    return future


def test_a_context_that_is_applied_does_not_wait() -> None:
    """Not even with a timeout of zero, or where nobody may wait."""
    room = WaitingRoom(VectorClock({NODE1: 3}), max_requests=0)
    room.wait(EMPTY, 0)
    room.wait(VectorClock({NODE1: 3}), 0)
    assert is_empty(room)


def test_a_waiter_wakes_when_its_context_is_applied_and_not_before(pool: ThreadPoolExecutor) -> None:
    """Neither a part of it nor other writes wake it."""
    room = WaitingRoom(EMPTY, max_requests=10)
    waiter = begin(pool, room, node1=2, node2=1)
    for clock in ({NODE1: 1}, {NODE1: 1, NODE3: 9}, {NODE1: 2, NODE3: 9}):
        room.advance(VectorClock(clock))
        assert not waiter.done()
        assert room.waiting_requests == 1
    room.advance(VectorClock({NODE1: 2, NODE2: 1, NODE3: 9}))
    waiter.result(LONG_SECONDS)
    assert is_empty(room)


def test_one_step_of_the_clock_may_wake_many(pool: ThreadPoolExecutor) -> None:
    """A commit covers many writes at once."""
    room = WaitingRoom(EMPTY, max_requests=100)
    waiters = [begin(pool, room, node1=n, node2=10 - n) for n in range(1, 10)]
    room.advance(VectorClock({NODE1: 9, NODE2: 9}))
    for waiter in waiters:
        waiter.result(LONG_SECONDS)
    assert is_empty(room)


def test_at_the_deadline_the_error_names_what_is_missing() -> None:
    """What came meanwhile is not in it, and the clients read how many more there are."""
    room = WaitingRoom(VectorClock({NODE1: 1}), max_requests=10)
    threading.Timer(0.05, room.advance, [VectorClock({NODE1: 2})]).start()
    started = time.monotonic()
    with pytest.raises(ContextNotReachedError) as error:
        room.wait(VectorClock({NODE1: 2, NODE2: 1, NODE3: 5}), 2)
    assert 2 <= time.monotonic() - started < LONG_SECONDS
    assert error.value.missing == {NODE2: SequenceRange(1, 1), NODE3: SequenceRange(1, 5)}
    assert f"{NODE2}:1, {NODE3}:1 to {NODE3}:5 yet" in str(error.value)
    assert "after waiting 2 s" in str(error.value)
    assert is_empty(room)


def test_a_long_list_of_missing_writes_is_cut_in_the_text_and_whole_in_the_error() -> None:
    """A message is for people, the map for programs."""
    context = VectorClock({f"node{n}~aaaa": 1 for n in range(1, 10)})
    with pytest.raises(ContextNotReachedError, match=r"and writes of 4 more replicas yet.*may not wait") as error:
        WaitingRoom(EMPTY, max_requests=10).wait(context, 0)
    assert len(error.value.missing) == 9


def test_a_replica_that_nobody_has_heard_of_is_named_as_such() -> None:
    """Its writes may never come; those of a replica that was heard of, or has writes here, will."""
    room = WaitingRoom(VectorClock({NODE1: 1}), max_requests=10)
    room.has_heard_of = {NODE2}.__contains__
    with pytest.raises(ContextNotReachedError, match=f"never heard of {NODE3}, so the token may be") as error:
        room.wait(VectorClock({NODE1: 2, NODE2: 1, NODE3: 5}), 0)
    assert list(error.value.unknown) == [NODE3]
    with pytest.raises(ContextNotReachedError, match=r"longer X-Causal-Wait$") as error:
        room.wait(VectorClock({NODE1: 2, NODE2: 1}), 0)
    assert not error.value.unknown


def test_beyond_the_limit_requests_are_refused_at_once_and_counted(pool: ThreadPoolExecutor) -> None:
    """Those who wait already are not disturbed, and their places are free afterwards."""
    refused: list[bool] = []
    room = WaitingRoom(EMPTY, max_requests=2, limit_reached=lambda: refused.append(True))
    waiters = [begin(pool, room, node1=1), begin(pool, room, node1=1)]
    for _ in range(3):
        with pytest.raises(LimitReachedError, match="2 requests wait"):
            room.wait(VectorClock({NODE2: 1}), LONG_SECONDS)
    assert len(refused) == 3
    room.advance(VectorClock({NODE1: 1}))
    for waiter in waiters:
        waiter.result(LONG_SECONDS)
    begin(pool, room, node2=1)
    room.advance(VectorClock({NODE1: 1, NODE2: 1}))


def test_those_who_gave_up_leave_nothing_behind(pool: ThreadPoolExecutor) -> None:
    """Their writes may never come; clients that ask for impossible tokens must not fill the memory."""
    room = WaitingRoom(EMPTY, max_requests=10)
    patient = begin(pool, room, node1=1)
    for number in range(200):
        with pytest.raises(ContextNotReachedError):
            room.wait(VectorClock({NODE1: 1, f"ghost~{number:04}": 1}), 0.0001)
    assert room.waiting_requests == 1
    assert sum(len(queue) for queue in room._by_replica.values()) == 1
    room.advance(VectorClock({NODE1: 1}))
    patient.result(LONG_SECONDS)
    assert is_empty(room)


def test_closing_lets_everybody_go(pool: ThreadPoolExecutor) -> None:
    """A node that stops answers those who wait, and lets nobody wait any more."""
    room = WaitingRoom(EMPTY, max_requests=10)
    waiters = [begin(pool, room, node1=1), begin(pool, room, node2=1, node3=1)]
    room.close()
    for waiter in waiters:
        with pytest.raises(UnavailableError, match="stopping: use another node"):
            waiter.result(LONG_SECONDS)
    with pytest.raises(UnavailableError):
        room.wait(VectorClock({NODE1: 1}), LONG_SECONDS)
    assert is_empty(room)


def test_nobody_is_forgotten_under_stress() -> None:
    """Many threads wait for many contexts while the clock moves on: each returns in time, or gave up in time."""
    room = WaitingRoom(EMPTY, max_requests=1000)
    replicas = [NODE1, NODE2, NODE3]
    last = 300
    late: list[VectorClock] = []
    gave_up = 0

    def ask(seed: int) -> None:
        nonlocal gave_up
        random_ = random.Random(seed)
        for _ in range(60):
            context = VectorClock({replica: random_.randint(0, last) for replica in random_.sample(replicas, 2)})
            try:
                room.wait(context, LONG_SECONDS if random_.random() < 0.8 else 0.001)
            except ContextNotReachedError:
                gave_up += 1
                continue
            if not context <= room.clock:
                late.append(context)

    with ThreadPoolExecutor(24) as pool:
        asking = [pool.submit(ask, seed) for seed in range(24)]
        counts = dict.fromkeys(replicas, 0)
        random_ = random.Random(0)
        while min(counts.values()) < last:
            replica = random_.choice(replicas)
            counts[replica] = min(last, counts[replica] + random_.randint(1, 3))
            room.advance(VectorClock(counts))
            time.sleep(0.0005)
        for future in asking:
            future.result(LONG_SECONDS)
    assert late == []
    assert gave_up < 24 * 60
    assert is_empty(room)
