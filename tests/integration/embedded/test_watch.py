"""Watching changes from inside the process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from node.embedded.changes import Change, InitialStateEnd, Reset
from node.errors import LimitReachedError, UnavailableError
from tests.integration.embedded.conftest import TIMEOUT_SECONDS
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from node import Replica
    from node.embedded.watch import Watch


def take(watch: Watch, count: int) -> list[Change]:
    """The next changes."""
    changes = []
    for _ in range(count):
        event = watch.poll(TIMEOUT_SECONDS)
        assert isinstance(event, Change), event
        changes.append(event)
    return changes


def test_changes_come_in_causal_order_from_both_replicas(pair: tuple[Replica, Replica]) -> None:
    """Nobody sees an effect before its cause, here or there."""
    one, two = pair
    with one.watch() as at_one, two.watch() as at_two:
        token = ""
        for number in range(20):
            token = pair[number % 2].session(token).put("x", number).token
        for watch in (at_one, at_two):
            assert [change.value for change in take(watch, 20)] == list(range(20))


def test_every_data_type_is_told(replica: Replica) -> None:
    """With Python objects."""
    with replica.watch("t") as watch:
        replica.put("t", {"a": 1}, ttl_seconds=3.0)
        replica.incr("t", -2)
        replica.sadd("t", [{"b": 1}, "m"])
        replica.srem("t", ["m"])
        replica.put("other", 1)
        told = take(watch, 5)
    assert [change.op for change in told] == ["put", "incr", "sadd", "srem", "expire"]
    assert (told[0].value, told[0].ttl_seconds, told[1].by, told[2].members) == ({"a": 1}, 3.0, -2, [{"b": 1}, "m"])


def test_a_watch_goes_on_behind_its_token_and_never_inside_a_batch(replica: Replica) -> None:
    """Whoever keeps the token of each change gets a batch again from its beginning, or not at all."""
    with replica.watch() as watch:
        replica.put("x", 0)
        with replica.batch() as batch:
            for key in ("a", "b", "c"):
                batch.put(key, key)
        replica.put("y", 1)
        changes = take(watch, 5)
    for seen in range(5):
        with replica.watch(since=changes[seen].token) as resumed:
            resumed_keys = [change.key for change in take(resumed, 5 - [1, 1, 1, 4, 5][seen])]
            assert resumed.poll() is None
        assert resumed_keys == [change.key for change in changes[[1, 1, 1, 4, 5][seen] :]]


def test_the_state_comes_first_and_then_what_changes(replica: Replica) -> None:
    """Together they are the state in the end."""
    replica.put("x", 1)
    replica.incr("n", 5)
    replica.sadd("s", [1, 2])
    with replica.watch(initial=True) as watch:
        assert watch.token == ""
        state = take(watch, 3)
        assert [(each.op, each.key, each.initial) for each in state] == [
            ("put", "x", True),
            ("counter", "n", True),
            ("set", "s", True),
        ]
        end = watch.poll()
        assert isinstance(end, InitialStateEnd)
        assert (end.keys, end.token) == (3, watch.token)
        replica.put("x", 2)
        assert take(watch, 1)[0].value == 2


def test_who_is_too_slow_is_told_and_holds_nothing(make: Callable[..., Replica]) -> None:
    """History is trimmed whatever a watch has read: then it gets a reset, and the state when it asked for it."""
    with make(nodes=("node1",), history_keep_writes=0) as replica:
        slow, restarting = replica.watch(), replica.watch(since="", initial=True)
        with slow, restarting:
            for number in range(50):
                replica.put("x", number)

            def is_trimmed() -> bool:
                replica.put("more", 1)
                assert replica._engine is not None
                with replica._engine.store.reader() as cut:
                    return bool(cut.trimmed())

            wait_until(is_trimmed, "history is trimmed", TIMEOUT_SECONDS)
            assert isinstance(slow.poll(), Reset)

            def next_of_slow() -> object:
                # Without other members what is not read at once may be forgotten before it is read.
                replica.put("y", 1)
                return slow.poll(TIMEOUT_SECONDS)

            told = next(event for event in (next_of_slow() for _ in range(10)) if not isinstance(event, Reset))
            assert isinstance(told, Change)
            assert told.key == "y"
            assert isinstance(restarting.poll(), Reset)
            assert {change.key for change in take(restarting, 3)} == {"more", "x", "y"}
            assert isinstance(restarting.poll(), InitialStateEnd)


def test_a_session_has_seen_what_its_watch_told(pair: tuple[Replica, Replica]) -> None:
    """So what it writes then stands behind it."""
    one, two = pair
    session = two.session()
    with session.watch() as watch:
        token = one.put("x", 1).token
        take(watch, 1)
        assert session.token == token == watch.token


def test_closing_ends_a_watch_that_waits(replica: Replica) -> None:
    """From another thread, and when the replica is closed."""
    own, of_replica = replica.watch(), replica.watch()
    ended: list[str] = []

    def read(watch: Watch, name: str) -> None:
        ended.extend(name for _ in watch)
        ended.append(f"{name} ended")

    threads = [threading.Thread(target=read, args=each) for each in ((own, "own"), (of_replica, "of the replica"))]
    for thread in threads:
        thread.start()
    own.close()
    replica.close()
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)
    assert sorted(ended) == ["of the replica ended", "own ended"]


def test_the_number_of_watches_is_limited_and_who_goes_makes_room(make: Callable[..., Replica]) -> None:
    """Also who is forgotten without being closed."""
    with make(nodes=("node1",), watch_max_watchers=2) as replica:
        kept = replica.watch()
        forgotten: Watch | None = replica.watch()
        with pytest.raises(UnavailableError, match="2 clients watch"):
            replica.watch()
        del forgotten
        with replica.watch(), pytest.raises(UnavailableError):
            replica.watch()
        kept.close()
        replica.watch().close()


def test_the_state_is_not_kept_open_for_who_does_not_read_it(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database could not use the space of what is overwritten: after a time the watch fails, and says why."""
    monkeypatch.setattr("node.embedded.watch.STATE_SECONDS", 0.05)
    with replica.batch() as batch:
        batch.put("x", 1)
        batch.put("y", 1)
    with replica.watch(initial=True) as watch:
        take(watch, 1)
        wait_until(lambda: watch._state is None, "the cut is closed", TIMEOUT_SECONDS)
        with pytest.raises(LimitReachedError, match="initial state took more than"):
            watch.poll()
