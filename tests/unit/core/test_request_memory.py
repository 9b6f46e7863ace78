"""How long requests are remembered: two generations, by a wall clock that may be set."""

from __future__ import annotations

import pytest

from node.core.effects import Repeated
from node.core.events import LocalWrite, Tick
from node.core.local_writes import LocalWriteLimits
from node.core.replica import ReplicaLimits
from node.core.requests import RequestLimits
from tests.unit.core.builders import Bench, clock, only, put, write

HOUR_MS = 3_600_000
NOON_MS = 1_700_000_000_000


def _bench() -> Bench:
    bench = Bench("a", ReplicaLimits(local_writes=LocalWriteLimits(requests=RequestLimits(remember_ms=HOUR_MS))))
    _tick(bench, NOON_MS)
    return bench


def _tick(bench: Bench, *walls_ms: int) -> None:
    for wall_ms in walls_ms:
        bench.step(Tick(0, wall_ms))


def _ask(bench: Bench, request_id: str = "r") -> bool:
    """Whether the request is known; it is written when it is not."""
    return bool(only(bench.step(LocalWrite("request", (put("x", "1"),), clock(), NOON_MS, request_id)), Repeated))


@pytest.mark.parametrize("asked_ms", [0, 1, HOUR_MS // 2, HOUR_MS - 1])
def test_a_request_is_remembered_for_an_hour_at_least_and_two_at_most(asked_ms: int) -> None:
    """Whenever in its generation it came."""
    bench = _bench()
    _tick(bench, NOON_MS + asked_ms)
    _ask(bench)
    for wall_ms in range(NOON_MS + asked_ms, NOON_MS + asked_ms + HOUR_MS, HOUR_MS // 7):
        _tick(bench, wall_ms)
        assert _ask(bench)
    _tick(bench, NOON_MS + HOUR_MS, NOON_MS + 2 * HOUR_MS)
    assert bench.disk.younger == bench.disk.older == {}


def test_a_node_that_was_down_for_long_still_knows_the_younger_generation() -> None:
    """It goes on from what it was told last, and forgets an hour later."""
    bench = _bench()
    _ask(bench)
    bench.restart()
    _tick(bench, NOON_MS + 100 * HOUR_MS)
    assert _ask(bench)
    _tick(bench, NOON_MS + 101 * HOUR_MS - 1)
    assert _ask(bench)


def test_a_request_before_the_first_tick_of_a_new_node_is_remembered_as_any_other() -> None:
    """The first generation of all began when there was no clock yet."""
    bench = Bench("a")
    _ask(bench)
    _tick(bench, NOON_MS, NOON_MS + HOUR_MS - 1)
    assert _ask(bench)


def test_a_wall_clock_that_is_set_back_makes_nothing_forgotten_early() -> None:
    """The generation is counted anew from there: longer, never shorter."""
    bench = _bench()
    _ask(bench)
    back_ms = NOON_MS - 10 * HOUR_MS
    _tick(bench, back_ms, back_ms + HOUR_MS - 1)
    assert bench.disk.younger
    _tick(bench, back_ms + HOUR_MS, back_ms + 2 * HOUR_MS - 1)
    assert _ask(bench)


def test_a_wall_clock_that_is_set_ahead_turns_one_generation_and_no_more() -> None:
    """What came just before is known for an hour after the jump."""
    bench = _bench()
    _ask(bench)
    ahead_ms = NOON_MS + 1_000 * HOUR_MS
    _tick(bench, ahead_ms, ahead_ms + HOUR_MS - 1)
    assert _ask(bench)


def test_a_generation_that_was_turned_in_a_failed_transaction_is_turned_again() -> None:
    """Memory and disk go together."""
    bench = _bench()
    _ask(bench)
    bench.fail(Tick(0, NOON_MS + HOUR_MS))
    assert list(bench.disk.younger) == ["r"]
    _tick(bench, NOON_MS + HOUR_MS)
    assert list(bench.disk.older) == ["r"]
    assert bench.disk.requests_since_ms == NOON_MS + HOUR_MS


def test_a_request_that_comes_by_another_node_too_is_remembered_from_then_on_with_its_first_answer() -> None:
    """A client asked here, lost the answer, and asked there: an hour counts from the later write."""
    bench = _bench()
    _ask(bench)
    _tick(bench, NOON_MS + HOUR_MS)
    bench.receive(write("b:1", put("x", "1"))._replace(request_id="r"))
    _tick(bench, NOON_MS + 2 * HOUR_MS)
    (repeated,) = only(bench.step(LocalWrite("request", (put("x", "1"),), clock(), NOON_MS, "r")), Repeated)
    assert str(repeated.write.dot) == "a:1"
