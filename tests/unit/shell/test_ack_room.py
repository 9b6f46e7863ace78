"""Writers who wait until their write is safe beyond this disk."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from node import service
from node.ack_room import AckLevel, AckRoom, AckWaiter
from node.core.effects import Publish
from node.core.events import Confirmed, PublisherUp
from node.core.vector_clock import VectorClock
from node.errors import ContextNotReachedError, LimitReachedError, OutcomeUnknownError
from tests.support.writes import NODE2
from tests.unit.core.builders import Bench, dot, only, put, told
from tests.unit.shell.running import RunningReplica

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE_SECONDS = 5.0


class Room:
    """A room beside a replica of node a, whose peers are b and c."""

    def __init__(self, max_requests: int = 10) -> None:
        self.refused = 0
        self.room = AckRoom(max_requests, self._count)
        self.bench = Bench("a~aaaa", founding=("a", "b", "c"))
        self.bench.step(PublisherUp())
        self._unconfirmed: list[int] = []

    def _count(self) -> None:
        self.refused += 1

    def write(self, level: AckLevel) -> AckWaiter:
        """An own write, watched from its commit on."""
        effects = self.bench.write(put("x", "1"))
        self._unconfirmed += [effect.publish_id for effect in only(effects, Publish)]
        waiter = self.room.admit(level)
        self.room.watch(waiter, effects[0].write.dot)  # type: ignore[union-attr]  # it is accepted
        self.room.advance(self.bench.replica)
        return waiter

    def confirm(self) -> None:
        """The broker has everything."""
        self.bench.step(Confirmed(self._unconfirmed))
        self._unconfirmed.clear()
        self.room.advance(self.bench.replica)

    def hear(self, peer: str, count: int) -> None:
        """A peer has applied so many of the writes."""
        self.bench.hear(told(peer, f"a~aaaa={count}"))
        self.room.advance(self.bench.replica)


def test_levels_follow_each_other_and_are_called_as_in_requests() -> None:
    """What is further includes what is nearer."""
    assert AckLevel.LOCAL < AckLevel.BROKER < AckLevel.ALL
    assert [level.word for level in AckLevel] == ["local", "broker", "all"]


def test_a_write_is_at_the_broker_when_it_is_confirmed() -> None:
    """Not when it is on the wire."""
    room = Room()
    waiter = room.write(AckLevel.BROKER)
    assert waiter.wait(0) is AckLevel.LOCAL
    room.confirm()
    assert waiter.wait(0) is AckLevel.BROKER


def test_a_confirmation_says_nothing_of_later_writes() -> None:
    """Only of what the message carried."""
    room = Room()
    first = room.write(AckLevel.BROKER)
    room.bench.step(Confirmed(room._unconfirmed))
    room._unconfirmed.clear()
    second = room.write(AckLevel.BROKER)
    assert (first.wait(0), second.wait(0)) == (AckLevel.BROKER, AckLevel.LOCAL)


def test_a_write_is_everywhere_when_every_member_has_said_so() -> None:
    """The slowest one decides; what one says of earlier writes does not count."""
    room = Room()
    room.write(AckLevel.ALL)
    waiter = room.write(AckLevel.ALL)
    room.confirm()
    assert waiter.wait(0) is AckLevel.BROKER
    room.hear("b~bbbb", 2)
    assert waiter.wait(0) is AckLevel.BROKER
    room.hear("c~cccc", 1)
    assert waiter.wait(0) is AckLevel.BROKER
    room.hear("c~cccc", 2)
    assert waiter.wait(0) is AckLevel.ALL


def test_a_write_that_every_member_has_is_safe_although_the_broker_did_not_confirm_it() -> None:
    """The confirmation may have been lost with the connection."""
    room = Room()
    waiter = room.write(AckLevel.BROKER)
    room.hear("b~bbbb", 1)
    room.hear("c~cccc", 1)
    assert waiter.wait(0) is AckLevel.ALL


def test_a_node_without_peers_has_a_write_everywhere_at_once() -> None:
    """There is nobody to wait for."""
    room = Room()
    room.bench = Bench("a~aaaa", founding=("a",))
    assert room.write(AckLevel.ALL).wait(0) is AckLevel.ALL


def test_what_was_reached_is_never_taken_back() -> None:
    """A replica that was rebuilt has forgotten who confirmed what."""
    room = Room()
    waiter = room.write(AckLevel.ALL)
    room.confirm()
    waiter.advance(AckLevel.LOCAL)
    assert waiter.reached is AckLevel.BROKER


def test_who_waits_is_woken_by_the_level_that_was_asked_for() -> None:
    """At once, on its own thread, and not by a nearer level."""
    waiter = AckWaiter(AckLevel.ALL)
    reached: list[AckLevel] = []
    thread = threading.Thread(target=lambda: reached.append(waiter.wait(60)))
    thread.start()
    waiter.advance(AckLevel.BROKER)
    assert thread.is_alive()
    waiter.advance(AckLevel.ALL)
    thread.join(AT_ONCE_SECONDS)
    assert reached == [AckLevel.ALL]


def test_after_its_time_a_writer_learns_what_was_reached() -> None:
    """And leaves the room; what comes later disturbs nobody."""
    room = Room()
    waiter = room.write(AckLevel.ALL)
    room.confirm()
    assert waiter.wait(0.05) is AckLevel.BROKER
    assert room.room.waiting_requests == 1
    room.room.leave(waiter)
    assert room.room.waiting_requests == 0
    room.hear("b~bbbb", 1)
    assert waiter.reached is AckLevel.BROKER


def test_beyond_its_limit_the_room_admits_nobody_until_somebody_leaves() -> None:
    """To be asked before the write is made; each one that is turned away is counted."""
    room = Room(max_requests=2)
    waiters = [room.write(AckLevel.ALL) for _ in range(2)]
    for _ in range(3):
        with pytest.raises(LimitReachedError, match=r"2 requests wait for an acknowledgement level.*ask for ack=local"):
            room.room.admit(AckLevel.BROKER)
    assert room.refused == 3
    room.room.leave(waiters[0])
    room.room.admit(AckLevel.BROKER)
    assert (room.refused, room.room.waiting_requests) == (3, 2)


def test_a_place_is_taken_from_the_admission_on() -> None:
    """Not from the write on: else any number of requests would pass in between."""
    room = Room(max_requests=2)
    for _ in range(2):
        room.room.admit(AckLevel.ALL)
    with pytest.raises(LimitReachedError):
        room.room.admit(AckLevel.ALL)


def test_a_write_whose_request_has_left_is_not_watched() -> None:
    """Its commit took longer than its request waited: nobody would ever leave for it."""
    room = Room()
    waiter = room.room.admit(AckLevel.ALL)
    room.room.leave(waiter)
    room.room.watch(waiter, dot("a~aaaa:1"))
    assert (room.room.waiting_requests, waiter.dot) == (0, None)


def test_a_request_whose_write_is_not_made_yet_learns_nothing() -> None:
    """Whatever is confirmed meanwhile is somebody else's."""
    room = Room()
    waiter = room.room.admit(AckLevel.BROKER)
    room.write(AckLevel.BROKER)
    room.confirm()
    assert waiter.wait(0) is AckLevel.LOCAL


def test_nobody_waits_in_a_room_that_is_closed() -> None:
    """A stop takes seconds, a wait up to a minute; also for who comes in behind it."""
    room = Room()
    before = room.write(AckLevel.ALL)
    room.room.close()
    after = room.write(AckLevel.ALL)
    began = time.monotonic()
    assert [before.wait(60), after.wait(60)] == [AckLevel.LOCAL, AckLevel.LOCAL]
    assert time.monotonic() - began < AT_ONCE_SECONDS


def test_a_request_that_gave_up_before_its_commit_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its write is made all the same; its place is free again, and stays so."""
    monkeypatch.setattr(service, "COMMIT_TIMEOUT_SECONDS", 0.1)
    gate = threading.Event()
    with RunningReplica(tmp_path).start() as running:
        running.hold_the_thread(gate)
        with pytest.raises(OutcomeUnknownError):
            running.service.write((put("x", "1"),), VectorClock(), 0, AckLevel.ALL, 60)
        assert running.service.ack_waiting_requests == 0
        gate.set()
        running.wait(lambda: running.value("x") == b'"1"', "the write is made")
        running.on_thread(lambda _: None)  # the write's effects are behind it
        assert running.service.ack_waiting_requests == 0


def test_a_request_that_fails_before_its_write_gives_its_place_back(tmp_path: Path) -> None:
    """What it has seen does not come."""
    with RunningReplica(tmp_path, ack_waiting_max_requests=1).start() as running:
        for _ in range(2):
            with pytest.raises(ContextNotReachedError):
                running.service.write((put("x", "1"),), VectorClock({NODE2: 1}), 0.01, AckLevel.ALL, 60)
        assert running.service.ack_waiting_requests == 0
