"""The watch hub over a real store and real sockets: whoever is too slow, comes late, goes, or misses something."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from node.core.vector_clock import VectorClock
from node.errors import UnavailableError
from node.watch import catching_up, stream
from node.watch.watcher import Wish
from tests.support.event_stream import Event
from tests.support.writes import NODE1, NODE2, put_write
from tests.unit.watch.bench import Bench, Client

if TYPE_CHECKING:
    from pathlib import Path

LARGE = b'"' + b"v" * 100_000 + b'"'
CLIENTS = 8


def values(client: Client, count: int) -> list[object]:
    """The values of so many changes."""
    return [event.data["value"] for event in client.wait_for(count)]


def unsent_bytes(bench: Bench) -> int:
    """The most that is kept for one client."""
    return max((each.unsent_bytes for each in list(bench.hub._clients)), default=0)


# ------------------------------------------------------------------------------- slow readers


def test_a_client_that_does_not_read_is_cut_off_and_the_others_go_on(tmp_path: Path) -> None:
    """What is kept for it has a bound; it can resume later, from the last event that it has."""
    with Bench(tmp_path) as bench:
        slow, quick = bench.watch(), bench.watch()
        most = 0
        for number in range(60):
            bench.put(value=LARGE)
            quick.wait_for(number + 1)
            if number < 2:
                slow.wait_for(number + 1)
            most = max(most, unsent_bytes(bench))
        bench.wait(lambda: bench.sample("watchers_cut_off_total") == 1, "the slow one is cut off")
        assert 0 < most <= stream.UNSENT_MAX_BYTES + catching_up.PART_BYTES
        slow.wait_for_end()
        bench.wait(lambda: bench.sample("watchers") == 1, "it is forgotten")
        had = len(slow.changes())
        assert 2 <= had < 60
        position = slow.changes()[-1].position
        again = bench.watch(position=VectorClock({NODE1: had}))
        assert position == str(VectorClock({NODE1: had}))
        assert len(again.wait_for(60 - had)) == 60 - had


def test_a_client_that_takes_nothing_is_cut_off_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it is being sent what it missed, which waits for it."""
    monkeypatch.setattr(stream, "STALLED_SECONDS", 0.2)
    with Bench(tmp_path) as bench:
        for _ in range(30):
            bench.put(value=LARGE)
        stalled = bench.watch(position=VectorClock())
        bench.wait(lambda: bench.sample("watchers_cut_off_total") == 1, "it is cut off")
        stalled.wait_for_end()


@pytest.mark.parametrize("from_state", [True, False])
def test_what_a_late_client_is_sent_is_never_kept_whole(tmp_path: Path, *, from_state: bool) -> None:
    """State and history wait for the client to read; then all of it comes."""
    with Bench(tmp_path) as bench:
        for number in range(60):
            bench.put(f"k{number}", LARGE)
        late = bench.watch(position=None if from_state else VectorClock(), from_state=from_state)
        bench.wait(lambda: unsent_bytes(bench) > 0, "it began")
        for _ in range(60):
            bench.put("other", b"1")  # each wakes the hub
            assert unsent_bytes(bench) <= catching_up.ROOM_BYTES + 2 * catching_up.PART_BYTES
        assert len(late.wait_for(120)) == 120 + from_state


# --------------------------------------------------------------------------- missing something


def test_what_history_lacks_is_a_reset_for_all_who_watch(tmp_path: Path) -> None:
    """As after a merged snapshot: whoever asked for the state gets it again, the others go on behind it."""
    with Bench(tmp_path) as bench:
        plain, with_state = bench.watch(), bench.watch(wants_state=True)
        bench.put("a")
        for client in (plain, with_state):
            client.wait_for(1)
        bench.forget(VectorClock({NODE2: 7}), VectorClock({NODE1: 1, NODE2: 7}))
        bench.wait(lambda: bench.sample("watch_resets_total") == 2, "both are reset")
        with_state.wait_for(4)
        bench.put("b")
        names = [event.name for event in plain.wait_for(3)]
        assert names == ["message", "reset", "message"]
        assert plain.changes()[1].position == str(VectorClock({NODE1: 1, NODE2: 7}))
        names = [event.name for event in with_state.wait_for(5)]
        assert names == ["message", "reset", "message", "end-of-initial-state", "message"]
        assert with_state.changes()[2].data["initial"] is True
        assert with_state.changes()[3].data == {"keys": 1}


def test_damage_cuts_off_those_whom_it_concerns_and_the_hub_lives(tmp_path: Path) -> None:
    """A hole in history is no reason to show what is behind it."""
    with Bench(tmp_path) as bench:
        client = bench.watch()
        bench.wait(lambda: len(client.read()) == 1, "it watches")
        bench.forget(VectorClock(), VectorClock({NODE1: 5}))
        client.wait_for_end()
        assert client.changes() == []
        bench.wait(lambda: bench.sample("watchers") == 0, "it is forgotten")
        again = bench.watch()
        bench.put("x", b"6")
        assert values(again, 1) == [6]


# ------------------------------------------------------------------------------ coming, going


def test_what_is_committed_before_anybody_watches_is_not_lost_to_who_comes(tmp_path: Path) -> None:
    """The replica says nothing while nobody watches; history has it all."""
    with Bench(tmp_path) as bench:
        for _ in range(3):
            bench.put()
        client = bench.watch(position=VectorClock({NODE1: 1}))
        assert [event.position for event in client.wait_for(2)] == [f"{NODE1}=2", f"{NODE1}=3"]


def test_a_position_ahead_of_the_hub_is_no_gap(tmp_path: Path) -> None:
    """A client may know of a commit long before the hub has read up to it; it gets nothing twice."""
    count = 2 * catching_up.PART_WRITES + 1
    with Bench(tmp_path) as bench:
        first = bench.watch()
        bench.wait(lambda: len(first.read()) == 1, "it watches")
        bench.write(*(put_write(NODE1, number + 1, value=b"%d" % number) for number in range(count)), tell=False)
        second = bench.watch()
        bench.put(value=b"%d" % count)
        assert values(first, count + 1) == list(range(count + 1))
        assert values(second, 1) == [count]


@pytest.mark.parametrize("from_state", [True, False])
def test_who_comes_while_writes_go_on_gets_each_exactly_once(tmp_path: Path, *, from_state: bool) -> None:
    """Between what is there and what comes is neither a gap nor a double."""
    with Bench(tmp_path, max_states=CLIENTS) as bench, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [bench.put(f"k{number}") for number in range(600)])
        clients = []
        for _ in range(CLIENTS):
            had = bench.clock[NODE1]
            clients.append(bench.watch(position=None if from_state else VectorClock(), from_state=from_state))
            bench.wait(lambda had=had: bench.clock[NODE1] > had or writing.done(), "writes go on")
        writing.result()
        for client in clients:
            bench.wait(
                lambda client=client: any(each.position == f"{NODE1}=600" for each in client.changes()), "all came"
            )
            dots = [each.data["dot"] for each in client.changes() if each.name == "message"]
            assert sorted(dots) == sorted(f"{NODE1}:{seq}" for seq in range(1, 601))


def test_a_client_that_goes_is_forgotten(tmp_path: Path) -> None:
    """At once, not at the next event."""
    with Bench(tmp_path) as bench:
        client, other = bench.watch(), bench.watch("other")
        bench.wait(lambda: len(bench.hub._clients) == 2, "both are there")
        client.socket.close()
        bench.wait(lambda: bench.sample("watchers") == 1, "one is gone")
        bench.put("other")
        other.wait_for(1)
        assert list(bench.hub._live._by_prefix) == ["other"]


def test_what_a_client_says_is_read_and_dropped(tmp_path: Path) -> None:
    """It can neither fill memory nor stall."""
    with Bench(tmp_path) as bench:
        client = bench.watch()
        for _ in range(50):
            client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * 1000)
        bench.put()
        client.wait_for(1)


def test_beyond_the_limits_a_client_is_refused(tmp_path: Path) -> None:
    """By number, and by how many are being sent the state; a place that is given back can be taken again."""
    with Bench(tmp_path, max_watchers=3, max_states=1) as bench:
        for number in range(30):
            bench.put(f"k{number}", LARGE)
        taker = bench.watch(from_state=True)
        with pytest.raises(UnavailableError, match="being sent the whole state already"):
            bench.watch(from_state=True)
        bench.watch()
        bench.watch()
        with pytest.raises(UnavailableError, match="3 clients watch this node already"):
            bench.watch()
        assert bench.limits_reached == ["watch_max_states", "watch_max_watchers"]
        taker.socket.close()
        bench.wait(lambda: bench.sample("watchers") == 2, "the place is free")
        assert len(bench.watch(from_state=True).wait_for(31)) == 31
        bench.wait(lambda: bench.hub._admission.states == 0, "the state is sent")


def test_a_ticket_that_is_given_up_frees_its_place(tmp_path: Path) -> None:
    """The client went before its connection was handed over; said twice, it counts once."""
    with Bench(tmp_path, max_watchers=1) as bench:
        ticket = bench.hub.admit(Wish("", None, wants_state=True))
        assert bench.hub.watchers == 1
        ticket.give_up()
        ticket.give_up()
        assert bench.hub.watchers == 0
        bench.watch(from_state=True).wait_for(1)


# --------------------------------------------------------------------------------- keep-alive


def test_a_keep_alive_moves_on_whom_no_change_concerns(tmp_path: Path) -> None:
    """So that it does not resume from long ago, where history may not reach back any more."""
    with Bench(tmp_path, keep_alive_seconds=0.05) as bench:
        client = bench.watch("nothing like it")
        bench.put()
        bench.put()
        bench.wait(lambda: f"{NODE1}=2" in client.read(), "its position moved")
        assert not any(isinstance(found, Event) for found in client.read())


def test_a_keep_alive_within_the_state_moves_nobody(tmp_path: Path) -> None:
    """A client that has a part of the state only cannot resume from it."""
    with Bench(tmp_path, keep_alive_seconds=0.01) as bench:
        for number in range(30):
            bench.put(f"k{number}", LARGE)
        client = bench.watch(from_state=True)
        found = client.wait_for(31)
        assert [event.position for event in found[:-1]] == [None] * 30
        whole = client.read()
        first_position = next(place for place, each in enumerate(whole) if isinstance(each, str) or each.position)
        assert whole[first_position] == found[-1]


# --------------------------------------------------------------------------------------- stop


@pytest.mark.parametrize("is_chunked", [True, False])
def test_a_stop_ends_all_streams_in_good_order(tmp_path: Path, *, is_chunked: bool) -> None:
    """Whoever has read all so far can tell that nothing was cut short, where HTTP can say so."""
    with Bench(tmp_path) as bench:
        client = bench.watch(is_chunked=is_chunked)
        bench.wait(lambda: len(bench.hub._clients) == 1, "it watches")
        bench.hub.stop(5)
        client.wait_for_end()
        assert client.text.endswith(b"0\r\n\r\n") == is_chunked
        assert bench.hub.watchers == 0
